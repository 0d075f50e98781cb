//! Shows one user.

use std::sync::Arc;

use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{UserKey, UserReader};
use crate::values::{ExternalId, UserId, UsernameKey};
use crate::view::{UserView, view};

/// Which user is sought, in the caller's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// The caller itself.
    Me,
    /// By id.
    Id(String),
    /// By name, however typed.
    Username(String),
    /// By the platform's older id.
    ExternalId(String),
}

/// Why no user is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindUserError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is none, or it is deleted, or the key cannot be anybody's.
    #[error("there is no such user")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Shows one user.
#[derive(Clone)]
pub struct FindUser {
    pub(super) users: Arc<dyn UserReader>,
}

impl FindUser {
    /// Finds the user and shows what the caller may see of it.
    pub async fn run(&self, caller: &Caller, sought: &Sought) -> Result<UserView, FindUserError> {
        let action = match sought {
            Sought::Me | Sought::Id(_) | Sought::Username(_) => Action::Read,
            Sought::ExternalId(_) => Action::ReadByExternalId,
        };
        permit(caller, action)?;
        let key = match (sought, caller) {
            (Sought::Me, Caller::User(user)) => Some(UserKey::Id(user.id)),
            (Sought::Me, Caller::Service(_) | Caller::Operator) => {
                return Err(Denied::Forbidden.into());
            }
            (Sought::Id(text), _) => UserId::parse(text).ok().map(UserKey::Id),
            (Sought::Username(text), _) => UsernameKey::parse(text).ok().map(UserKey::Username),
            (Sought::ExternalId(text), _) => ExternalId::parse(text).ok().map(UserKey::ExternalId),
        };
        self.shown(caller, &key.ok_or(FindUserError::NotFound)?)
            .await
    }

    /// Shows a user to a caller that another use case has allowed to see it.
    pub(super) async fn shown(
        &self,
        caller: &Caller,
        key: &UserKey,
    ) -> Result<UserView, FindUserError> {
        match self.users.find(key).await? {
            Some(user) if !user.is_deleted() => Ok(view(user, caller)),
            _ => Err(FindUserError::NotFound),
        }
    }
}
