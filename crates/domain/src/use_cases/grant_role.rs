//! Gives a user a role: how the first administrator is made.

use std::sync::Arc;

use super::edit_user::shown;
use super::{Stamp, WriteConditions, WrittenView};
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{UserKey, UserReader, UserWriter};
use crate::user::{Change, ChangeRefused};
use crate::values::{Role, UserId};
use crate::write::WriteError;
use crate::{Fault, StoreError};

/// Why a role was not given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantRoleError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is none, or it is deleted.
    #[error("there is no such user")]
    NotFound,
    /// The user has as many roles as it can have.
    #[error("the role cannot be given")]
    Invalid(Vec<Fault>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives a user a role.
#[derive(Clone)]
pub struct GrantRole {
    pub(super) reader: Arc<dyn UserReader>,
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) stamp: Stamp,
}

impl GrantRole {
    /// Gives one role, beside those that the user has; giving it again changes nothing.
    pub async fn run(
        &self,
        caller: &Caller,
        key: &UserKey,
        role: Role,
    ) -> Result<WrittenView, GrantRoleError> {
        permit(caller, Action::GrantRole)?;
        let id = self.find(key).await?;
        let context = self.stamp.context(caller, WriteConditions::default());
        let written = self
            .users
            .change(id, &Change::GrantRole(role), &context)
            .await?;
        shown(written, caller).ok_or(GrantRoleError::NotFound)
    }

    async fn find(&self, key: &UserKey) -> Result<UserId, GrantRoleError> {
        if let UserKey::Id(id) = key {
            return Ok(*id);
        }
        let user = self
            .reader
            .find(key)
            .await?
            .ok_or(GrantRoleError::NotFound)?;
        Ok(user.id)
    }
}

impl From<WriteError> for GrantRoleError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound | WriteError::Refused(ChangeRefused::NotFound) => Self::NotFound,
            WriteError::Refused(ChangeRefused::Invalid(faults)) => Self::Invalid(faults),
            WriteError::Store(error) => Self::Store(error),
            WriteError::Taken(_)
            | WriteError::KeyReused
            | WriteError::Refused(
                ChangeRefused::PreconditionFailed | ChangeRefused::PreconditionRequired(_),
            ) => Self::Store(StoreError::Internal(format!(
                "a grant of a role was refused: {error}"
            ))),
        }
    }
}
