//! Grants a role to a user. The operator uses it to create the first administrator.

use std::sync::Arc;

use super::edit_user::written_view;
use super::{WriteConditions, WriteContextFactory, WrittenView};
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{UserKey, UserReader, UserWriter};
use crate::user::{Change, ChangeRefused};
use crate::values::{Role, UserId};
use crate::write::WriteError;
use crate::{Fault, StoreError};

/// Why a role was not granted or revoked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantRoleError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The user does not exist or is deleted.
    #[error("there is no such user")]
    NotFound,
    /// The user has reached the limit of roles.
    #[error("the role cannot be granted")]
    Invalid(Vec<Fault>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Grants a role to a user.
#[derive(Clone)]
pub struct GrantRole {
    pub(super) reader: Arc<dyn UserReader>,
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) contexts: WriteContextFactory,
}

impl GrantRole {
    /// Adds one role. A repetition changes nothing.
    pub async fn run(
        &self,
        caller: &Caller,
        key: &UserKey,
        role: Role,
    ) -> Result<WrittenView, GrantRoleError> {
        permit(caller, Action::GrantRole)?;
        self.change(caller, key, &Change::GrantRole(role)).await
    }

    /// Changes the roles of the user with a key.
    pub(super) async fn change(
        &self,
        caller: &Caller,
        key: &UserKey,
        change: &Change,
    ) -> Result<WrittenView, GrantRoleError> {
        let id = self.find(key).await?;
        let context = self.contexts.create(caller, WriteConditions::default());
        let written = self.users.change(id, change, &context).await?;
        written_view(written, caller).ok_or(GrantRoleError::NotFound)
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
                "a change of roles was refused: {error}"
            ))),
        }
    }
}
