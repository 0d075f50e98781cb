//! Shows one user.

use std::sync::Arc;

use super::veil::Veil;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::UserKey;
use crate::values::{EmailKey, ExternalId, UserId, UsernameKey};
use crate::view::{UserView, view};
use crate::{CachedUsers, Freshness, Source, StoreError};

/// Which user is sought, in the caller's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// The caller itself.
    Me,
    /// By id.
    Id(String),
    /// By name, however typed.
    Username(String),
    /// By address, however typed.
    Email(String),
    /// By the platform's older id.
    ExternalId(String),
}

/// Why no user is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindUserError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is none, or it is deleted or hidden from the caller by a block, or the key cannot be anybody's.
    #[error("there is no such user")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A user, and where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundView {
    /// The user, as the caller may see it.
    pub view: UserView,
    /// Where it was read.
    pub source: Source,
}

/// Shows one user.
#[derive(Clone)]
pub struct FindUser {
    pub(super) users: Arc<CachedUsers>,
    pub(super) veil: Veil,
}

impl FindUser {
    /// Finds the user and shows what the caller may see of it.
    pub async fn run(
        &self,
        caller: &Caller,
        sought: &Sought,
        freshness: Freshness,
    ) -> Result<FoundView, FindUserError> {
        let action = match sought {
            Sought::Me | Sought::Id(_) | Sought::Username(_) => Action::Read,
            Sought::Email(_) => Action::ReadByEmail,
            Sought::ExternalId(_) => Action::ReadByExternalId,
        };
        let key = match (sought, caller) {
            (Sought::Me, Caller::User(user)) => Some(UserKey::Id(user.id)),
            // First: no scope would help.
            (Sought::Me, Caller::Service(_) | Caller::Operator) => {
                return Err(Denied::Forbidden.into());
            }
            (Sought::Id(text), _) => UserId::parse(text).ok().map(UserKey::Id),
            (Sought::Username(text), _) => UsernameKey::parse(text).ok().map(UserKey::Username),
            (Sought::Email(text), _) => EmailKey::parse(text).ok().map(UserKey::Email),
            (Sought::ExternalId(text), _) => ExternalId::parse(text).ok().map(UserKey::ExternalId),
        };
        permit(caller, action)?;
        let key = key.ok_or(FindUserError::NotFound)?;
        self.shown(caller, &key, freshness).await
    }

    /// Shows a user to a caller that another use case has allowed to see it.
    pub(super) async fn shown(
        &self,
        caller: &Caller,
        key: &UserKey,
        freshness: Freshness,
    ) -> Result<FoundView, FindUserError> {
        let reading = self.users.read(key, freshness).await?;
        let id = match (&reading.user, key) {
            (Some(user), _) => Some(user.id),
            (None, UserKey::Id(id)) => Some(*id),
            (None, _) => None,
        };
        let sought = id.map(|id| (id, reading.user.as_deref()));
        let hidden = self.veil.hidden_from(caller, sought.into_iter()).await?;
        let user = reading.user.filter(|user| !user.is_deleted());
        let user = user.ok_or(FindUserError::NotFound)?;
        if hidden.contains(&user.id) {
            return Err(FindUserError::NotFound);
        }
        Ok(FoundView {
            view: view(user, caller),
            source: reading.source,
        })
    }
}
