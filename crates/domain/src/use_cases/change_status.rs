//! Suspends, activates and restores a user.

use std::sync::Arc;

use super::edit_user::shown;
use super::{Stamp, WriteConditions, WrittenView};
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::UserWriter;
use crate::user::{Change, ChangeRefused};
use crate::values::UserId;
use crate::write::WriteError;

/// What is to become of an account; each is harmless when repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// The account is locked out.
    Suspend,
    /// The account is let in again.
    Activate,
    /// The deleted account is brought back, with the standing it had.
    Restore,
}

/// Why a user's status was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeStatusError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is none, or it is deleted and was not to be restored.
    #[error("there is no such user")]
    NotFound,
    /// The user is not at an expected version.
    #[error("the user is not at the expected version")]
    PreconditionFailed,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Suspends, activates and restores a user.
#[derive(Clone)]
pub struct ChangeStatus {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) stamp: Stamp,
}

impl ChangeStatus {
    /// Makes one change of status.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        wanted: StatusChange,
        conditions: WriteConditions,
    ) -> Result<WrittenView, ChangeStatusError> {
        let (action, change) = match wanted {
            StatusChange::Suspend => (Action::ChangeStanding, Change::Suspend),
            StatusChange::Activate => (Action::ChangeStanding, Change::Activate),
            StatusChange::Restore => (Action::Restore, Change::Restore),
        };
        permit(caller, action)?;
        let context = self.stamp.context(caller, conditions);
        let written = self.users.change(id, &change, &context).await?;
        shown(written, caller).ok_or(ChangeStatusError::NotFound)
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
            WriteError::Taken(field) => Self::Store(StoreError::Internal(format!(
                "a change of status met a taken {}",
                field.as_str()
            ))),
            WriteError::Store(error) => Self::Store(error),
        }
    }
}
