use std::sync::Arc;

use async_trait::async_trait;

use super::StoreError;
use crate::user::User;
use crate::values::{EmailKey, ExternalId, UserId, UsernameKey};

/// A key that identifies at most one user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserKey {
    /// The service's own id.
    Id(UserId),
    /// The username, in its normalised form.
    Username(UsernameKey),
    /// The email address, in its normalised form.
    Email(EmailKey),
    /// The id in the platform's earlier user store.
    ExternalId(ExternalId),
}

/// Several keys of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserKeys {
    /// The service's own ids.
    Ids(Vec<UserId>),
    /// Usernames, in their normalised form.
    Usernames(Vec<UsernameKey>),
    /// Email addresses, in their normalised form.
    Emails(Vec<EmailKey>),
    /// The ids in the platform's earlier user store.
    ExternalIds(Vec<ExternalId>),
}

impl UserKey {
    /// Whether this key identifies the user.
    pub fn identifies(&self, user: &User) -> bool {
        match self {
            Self::Id(id) => user.id == *id,
            Self::Username(name) => user.username.key() == name.as_str(),
            Self::Email(email) => user.email.key() == email.as_str(),
            Self::ExternalId(id) => user.external_id.as_ref() == Some(id),
        }
    }
}

impl UserKeys {
    /// Returns the keys one by one, in order.
    pub fn each(&self) -> Vec<UserKey> {
        match self {
            Self::Ids(ids) => ids.iter().copied().map(UserKey::Id).collect(),
            Self::Usernames(names) => names.iter().cloned().map(UserKey::Username).collect(),
            Self::Emails(emails) => emails.iter().cloned().map(UserKey::Email).collect(),
            Self::ExternalIds(ids) => ids.iter().cloned().map(UserKey::ExternalId).collect(),
        }
    }

    /// Returns the keys that satisfy the predicate, in order.
    #[must_use]
    pub fn only(&self, passes: impl Fn(&UserKey) -> bool) -> Self {
        fn keep<T: Clone>(
            keys: &[T],
            key: impl Fn(T) -> UserKey,
            passes: impl Fn(&UserKey) -> bool,
        ) -> Vec<T> {
            keys.iter()
                .filter(|one| passes(&key((*one).clone())))
                .cloned()
                .collect()
        }
        match self {
            Self::Ids(ids) => Self::Ids(keep(ids, UserKey::Id, passes)),
            Self::Usernames(names) => Self::Usernames(keep(names, UserKey::Username, passes)),
            Self::Emails(emails) => Self::Emails(keep(emails, UserKey::Email, passes)),
            Self::ExternalIds(ids) => Self::ExternalIds(keep(ids, UserKey::ExternalId, passes)),
        }
    }
}

/// Finds users.
///
/// A deleted user is found until it is erased; visibility is decided by the use cases.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserReader: Send + Sync {
    /// Finds one user, in the state after the last acknowledged write.
    async fn find(&self, key: &UserKey) -> Result<Option<Arc<User>>, StoreError>;

    /// Finds many users in one query; returns an answer for each key in order, including repeated keys.
    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError>;
}
