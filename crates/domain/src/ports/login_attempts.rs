use std::any::Any;

use async_trait::async_trait;

use super::{HashingError, StoreError};
use crate::lockout::{Lockout, LoginAttempt, Tries};
use crate::values::{Timestamp, UserId};

/// A turn at an account, until it is dropped.
pub struct LoginTurn(
    #[expect(dead_code, reason = "what is held is only held")] Box<dyn Any + Send>,
);

/// Counts the failures of those who try to be let in; all replicas count together.
///
/// What becomes of the counts is decided by [`Lockout`], with no other change of them in between. What is kept is
/// forgotten by the retention when it is over its time.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait LoginAttempts: Send + Sync {
    /// Waits for a turn: in one process those who try as one identifier from one source do so one after another, so that
    /// many guesses at once are no more than one after another. Nobody waits for those who try from elsewhere, nor for
    /// those who know the same user by another name.
    ///
    /// Where too many wait it is [`HashingError::Busy`].
    async fn enter(&self, attempt: &LoginAttempt) -> Result<LoginTurn, HashingError>;

    /// Tells what is remembered.
    async fn lockout(&self, attempt: &LoginAttempt) -> Result<Lockout, StoreError>;

    /// Counts a failure, and tells what is remembered now.
    async fn fail(&self, attempt: &LoginAttempt, at: Timestamp) -> Result<Lockout, StoreError>;

    /// Notes a success, unless nobody is let in by now; tells whether it was one.
    async fn succeed(&self, attempt: &LoginAttempt, at: Timestamp) -> Result<bool, StoreError>;

    /// Tells what is remembered of a user: of the account, and of how many sources that are blocked at a moment.
    async fn of_user(&self, user: UserId, at: Timestamp) -> Result<(Tries, u64), StoreError>;

    /// Forgets all failures at a user's account, from everywhere.
    async fn clear(&self, user: UserId) -> Result<(), StoreError>;
}

impl LoginTurn {
    /// Holds something for as long as the turn.
    pub fn holding(held: impl Any + Send) -> Self {
        Self(Box::new(held))
    }
}

impl std::fmt::Debug for LoginTurn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginTurn")
    }
}
