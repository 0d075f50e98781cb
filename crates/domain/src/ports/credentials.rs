use std::sync::Arc;

use async_trait::async_trait;

use super::{StoreError, UserKey};
use crate::user::User;
use crate::values::{PasswordHash, StoredPassword, UserId};

/// A user with what is stored of its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCredential {
    /// The user; not deleted.
    pub user: Arc<User>,
    /// The password, if there is one.
    pub password: Option<StoredPassword>,
}

/// Reads what is stored of passwords; never by way of a cache. They are written with their users
/// ([`Change::SetPassword`](crate::user::Change::SetPassword)), and go with them.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Finds the user of a key and its password, of one moment. A deleted user is none.
    async fn find_credential(&self, key: &UserKey) -> Result<Option<StoredCredential>, StoreError>;

    /// Puts another hash of the same password in the place of one, unless that has changed since; tells whether it did.
    ///
    /// The user stays as it is, and nobody is told.
    async fn rehash(
        &self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError>;
}

/// Gives something to compare a password with where there is nothing: the answer is no, and takes as long as it would
/// for a user.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait Decoys: Send + Sync {
    /// Gives what stands for an identifier: always of the same cost, on all replicas, and over all identifiers of the
    /// costs that users' passwords have.
    fn stand_in(&self, identifier: &str) -> StoredPassword;
}
