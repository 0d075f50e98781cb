use std::any::Any;

use async_trait::async_trait;

use super::{HashingError, StoreError};
use crate::lockout::{AccountAttempts, Lockout, LoginAttempt};
use crate::values::{Timestamp, UserId};

/// The lock on login attempts for one identifier and source; dropping it releases the lock.
pub struct LoginLock(
    #[expect(dead_code, reason = "it is held for its `Drop` only")] Box<dyn Any + Send>,
);

/// Counts failed login attempts; all replicas share the counts.
///
/// [`Lockout`] decides how the counts change; each change is atomic. The retention worker removes expired counts.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait LoginAttempts: Send + Sync {
    /// Acquires the lock for the identifier and source of an attempt.
    ///
    /// Within one process, attempts with the same identifier and source run one after another, so that parallel guesses
    /// have no advantage. Attempts from another source, or with another identifier of the same user, do not wait.
    ///
    /// # Errors
    /// [`HashingError::Busy`] if too many attempts are waiting.
    async fn lock(&self, attempt: &LoginAttempt) -> Result<LoginLock, HashingError>;

    /// Returns the counters of the attempt's account and source.
    async fn lockout(&self, attempt: &LoginAttempt) -> Result<Lockout, StoreError>;

    /// Counts a failure, and returns the counters after it.
    async fn fail(&self, attempt: &LoginAttempt, at: Timestamp) -> Result<Lockout, StoreError>;

    /// Records a success, unless the account or source is locked in the meantime, and returns whether it was recorded.
    async fn succeed(&self, attempt: &LoginAttempt, at: Timestamp) -> Result<bool, StoreError>;

    /// Returns the counters of a user's account, and a summary of its sources at a time.
    async fn of_user(&self, user: UserId, at: Timestamp) -> Result<AccountAttempts, StoreError>;

    /// Removes all recorded failures of a user's account, for every source.
    async fn clear(&self, user: UserId) -> Result<(), StoreError>;
}

impl LoginLock {
    /// Creates a lock that holds a value until it is dropped.
    pub fn new(held: impl Any + Send) -> Self {
        Self(Box::new(held))
    }
}

impl std::fmt::Debug for LoginLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginLock")
    }
}
