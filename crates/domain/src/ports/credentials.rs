use std::sync::Arc;

use async_trait::async_trait;

use super::{StoreError, UserKey};
use crate::user::User;
use crate::values::{PasswordHash, StoredPassword, UserId};

/// A user with its stored password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCredential {
    /// The user, which is not deleted.
    pub user: Arc<User>,
    /// The password, if there is one.
    pub password: Option<StoredPassword>,
}

/// Reads stored passwords, always from the database and never from a cache.
///
/// A password is written with its user ([`Change::SetPassword`](crate::user::Change::SetPassword)), and is removed with
/// it.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Finds the user with a key and its password in one consistent read. A deleted user is not found.
    ///
    /// Without a key no user is found, but the store is still queried, so that the response time is the same.
    async fn find_credential(
        &self,
        key: Option<UserKey>,
    ) -> Result<Option<StoredCredential>, StoreError>;

    /// Replaces a password hash with a new hash of the same password, and returns whether it did. A hash that changed
    /// in the meantime is not replaced.
    ///
    /// The user does not change, and no event is written.
    async fn rehash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError>;
}

/// Provides hashes to verify against when a user or its password does not exist, so that the response time does not
/// reveal it.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait DummyHashes: Send + Sync {
    /// Returns the dummy hash for an identifier.
    ///
    /// Its cost is the same on every call and every replica. Over all identifiers, the costs are distributed like those
    /// of the stored passwords.
    fn for_identifier(&self, identifier: &str) -> StoredPassword;
}
