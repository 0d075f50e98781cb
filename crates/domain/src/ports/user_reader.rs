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
