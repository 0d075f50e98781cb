use std::sync::Arc;

use async_trait::async_trait;

use super::StoreError;
use crate::user::User;
use crate::values::{EmailKey, ExternalId, UserId, UsernameKey};

/// Something that names at most one user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UserKey {
    /// The service's own id.
    Id(UserId),
    /// The name, however typed.
    Username(UsernameKey),
    /// The address, however typed.
    Email(EmailKey),
    /// The platform's older id.
    ExternalId(ExternalId),
}

/// Several keys of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserKeys {
    /// The service's own ids.
    Ids(Vec<UserId>),
    /// Names, however typed.
    Usernames(Vec<UsernameKey>),
    /// Addresses, however typed.
    Emails(Vec<EmailKey>),
    /// The platform's older ids.
    ExternalIds(Vec<ExternalId>),
}

impl UserKey {
    /// Tells whether this names the user.
    pub fn names(&self, user: &User) -> bool {
        match self {
            Self::Id(id) => user.id == *id,
            Self::Username(name) => user.username.key() == name.as_str(),
            Self::Email(email) => user.email.key() == email.as_str(),
            Self::ExternalId(id) => user.external_id.as_ref() == Some(id),
        }
    }
}

impl UserKeys {
    /// Gives each key by itself, in order.
    pub fn each(&self) -> Vec<UserKey> {
        match self {
            Self::Ids(ids) => ids.iter().copied().map(UserKey::Id).collect(),
            Self::Usernames(names) => names.iter().cloned().map(UserKey::Username).collect(),
            Self::Emails(emails) => emails.iter().cloned().map(UserKey::Email).collect(),
            Self::ExternalIds(ids) => ids.iter().cloned().map(UserKey::ExternalId).collect(),
        }
    }

    /// Keeps the keys that pass, in their order.
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
/// A user that is deleted but not purged is found like any other; who may see it is not a store's affair.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserReader: Send + Sync {
    /// Finds one user as the last acknowledged write left it.
    async fn find(&self, key: &UserKey) -> Result<Option<Arc<User>>, StoreError>;

    /// Finds many users in one question: an answer for each key, in the keys' order, repeated keys included.
    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError>;
}
