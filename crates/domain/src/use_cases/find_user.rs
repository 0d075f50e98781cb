//! Finds one user.

use std::sync::Arc;

use super::block_visibility::{BlockVisibility, needs_query};
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::UserKey;
use crate::values::{EmailKey, ExternalId, UserId, UsernameKey};
use crate::view::{UserView, view};
use crate::{CachedUsers, Freshness, Reading, Source, StoreError};

/// The unvalidated selector of the requested user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserSelector {
    /// The caller itself.
    Me,
    /// The user with an id.
    Id(String),
    /// The user with a username in any spelling.
    Username(String),
    /// The user with an email address in any spelling.
    Email(String),
    /// The user with an id in the platform's earlier user store.
    ExternalId(String),
}

/// Why no user was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindUserError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The user does not exist, is deleted, or is hidden from the caller by a block, or the key is invalid.
    #[error("there is no such user")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A user, and the source of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundView {
    /// The view of the user for the caller.
    pub view: UserView,
    /// The source of the answer.
    pub source: Source,
}

/// Finds one user.
#[derive(Clone)]
pub struct FindUser {
    pub(super) users: Arc<CachedUsers>,
    pub(super) block_visibility: BlockVisibility,
}

impl FindUser {
    /// Finds the user and returns its view for the caller.
    pub async fn run(
        &self,
        caller: &Caller,
        selector: &UserSelector,
        freshness: Freshness,
    ) -> Result<FoundView, FindUserError> {
        let key = Self::permitted_key(caller, selector)?;
        self.find_permitted(caller, &key, freshness).await
    }

    /// Checks the permission and returns the key of the requested user.
    fn permitted_key(caller: &Caller, selector: &UserSelector) -> Result<UserKey, FindUserError> {
        let action = match selector {
            UserSelector::Me | UserSelector::Id(_) | UserSelector::Username(_) => Action::Read,
            UserSelector::Email(_) => Action::ReadByEmail,
            UserSelector::ExternalId(_) => Action::ReadByExternalId,
        };
        let key = match (selector, caller) {
            (UserSelector::Me, Caller::User(user)) => Some(UserKey::Id(user.id)),
            // Checked before the permission, because no scope would permit it.
            (UserSelector::Me, Caller::Service(_) | Caller::Operator) => {
                return Err(Denied::Forbidden.into());
            }
            (UserSelector::Id(text), _) => UserId::parse(text).ok().map(UserKey::Id),
            (UserSelector::Username(text), _) => {
                UsernameKey::parse(text).ok().map(UserKey::Username)
            }
            (UserSelector::Email(text), _) => EmailKey::parse(text).ok().map(UserKey::Email),
            (UserSelector::ExternalId(text), _) => {
                ExternalId::parse(text).ok().map(UserKey::ExternalId)
            }
        };
        permit(caller, action)?;
        key.ok_or(FindUserError::NotFound)
    }

    /// Returns the view of the user that was read for a selector.
    pub(super) async fn show(
        &self,
        caller: &Caller,
        selector: &UserSelector,
        reading: Reading,
    ) -> Result<FoundView, FindUserError> {
        let key = Self::permitted_key(caller, selector)?;
        self.show_permitted(caller, &key, reading).await
    }

    /// Finds a user for a caller whose permission another use case has checked.
    pub(super) async fn find_permitted(
        &self,
        caller: &Caller,
        key: &UserKey,
        freshness: Freshness,
    ) -> Result<FoundView, FindUserError> {
        let reading = self.users.read(key, freshness).await?;
        self.show_permitted(caller, key, reading).await
    }

    /// Finds the user in the in-process cache, without waiting. `None` if something else must be asked.
    pub(super) fn find_now(
        &self,
        caller: &Caller,
        selector: &UserSelector,
    ) -> Option<Result<FoundView, FindUserError>> {
        let key = match Self::permitted_key(caller, selector) {
            Ok(key) => key,
            Err(error) => return Some(Err(error)),
        };
        let reading = self.users.peek(&key)?;
        match reading.requested(&key) {
            Some((id, user)) if needs_query(caller, id, user) => None,
            _ => Some(show(caller, reading, false)),
        }
    }

    /// Returns the view of a user that was read, for a caller whose permission was checked.
    async fn show_permitted(
        &self,
        caller: &Caller,
        key: &UserKey,
        reading: Reading,
    ) -> Result<FoundView, FindUserError> {
        let requested = reading.requested(key);
        let id = requested.map(|(id, _)| id);
        let hidden = self
            .block_visibility
            .hidden_from(caller, requested.into_iter())
            .await?;
        show(caller, reading, id.is_some_and(|id| hidden.contains(&id)))
    }
}

/// Returns the view of a user that was read.
fn show(caller: &Caller, reading: Reading, is_hidden: bool) -> Result<FoundView, FindUserError> {
    let user = reading.user.filter(|user| !user.is_deleted() && !is_hidden);
    let user = user.ok_or(FindUserError::NotFound)?;
    Ok(FoundView {
        view: view(user, caller),
        source: reading.source,
    })
}
