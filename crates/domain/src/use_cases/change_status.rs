//! Activates and restores a user.

use std::sync::Arc;

use super::edit_user::written_view;
use super::{WriteConditions, WriteContextFactory, WrittenView};
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::UserWriter;
use crate::user::{Change, ChangeRefused};
use crate::values::UserId;
use crate::write::WriteError;

/// A requested change of status. A repetition changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// Ends a suspension.
    Activate,
    /// Restores a deleted account with its former standing.
    Restore,
}

/// Why a user's status was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeStatusError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The user does not exist, or is deleted and the change is not a restore.
    #[error("there is no such user")]
    NotFound,
    /// The user's version is not an expected one.
    #[error("the user is not at the expected version")]
    PreconditionFailed,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Activates and restores a user.
#[derive(Clone)]
pub struct ChangeStatus {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) contexts: WriteContextFactory,
}

impl ChangeStatus {
    /// Applies one change of status.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        requested: StatusChange,
        conditions: WriteConditions,
    ) -> Result<WrittenView, ChangeStatusError> {
        let (action, change) = match requested {
            StatusChange::Activate => (Action::ChangeStanding, Change::Activate),
            StatusChange::Restore => (Action::Restore, Change::Restore),
        };
        permit(caller, action)?;
        let context = self.contexts.create(caller, conditions);
        let written = self.users.change(id, &change, &context).await?;
        written_view(written, caller).ok_or(ChangeStatusError::NotFound)
    }
}

impl From<WriteError> for ChangeStatusError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound | WriteError::Refused(ChangeRefused::NotFound) => Self::NotFound,
            WriteError::Refused(ChangeRefused::PreconditionFailed) => Self::PreconditionFailed,
            WriteError::KeyReused => Self::KeyReused,
            WriteError::Refused(
                refused @ (ChangeRefused::PreconditionRequired(_) | ChangeRefused::Invalid(_)),
            ) => Self::Store(StoreError::Internal(format!(
                "a change of status was refused: {refused}"
            ))),
            WriteError::Taken(fields) => Self::Store(StoreError::Internal(format!(
                "a status change failed because of taken values: {fields}"
            ))),
            WriteError::Store(error) => Self::Store(error),
        }
    }
}
