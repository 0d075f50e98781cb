use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::user::{Event, User};
use crate::values::{Timestamp, UserId};
use crate::write::{IdempotencyKey, NAME_REST, WriteContext};

/// What is written down beside the users, and kept for a while only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Records {
    /// The events of the outbox.
    Events,
    /// The records of idempotency keys.
    IdempotencyKeys,
    /// The names that were given up.
    Usernames,
    /// The failures of those who tried to be let in, each until the moment that it names itself
    /// ([`Tries::forgotten_at`](crate::lockout::Tries::forgotten_at)).
    LoginAttempts,
}

/// A user whose deletion is over its time, and its place among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiredUser {
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// Who it is.
    pub id: UserId,
}

/// What one batch of a purge did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// How many records it removed.
    pub removed: u64,
    /// Whether another batch may find more.
    pub has_more: bool,
}

/// Removes what has been kept for as long as it is to be, a small batch a call.
///
/// Several callers at once do no harm: each user and each record is removed by one of them. Nobody waits for what
/// another holds; it is left for the next time.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Retention: Send + Sync {
    /// Names users whose deletion is over its time at a moment ([`User::RESTORABLE`]), longest deleted first: at most
    /// [`ExpiredUser::MOST`] of those behind a place. By the time that they are looked at they may be restored.
    async fn expired(
        &self,
        at: Timestamp,
        after: Option<ExpiredUser>,
    ) -> Result<Vec<ExpiredUser>, StoreError>;

    /// Removes a user by [`User::expire`], with no change of that user in between, and tells whether it did.
    ///
    /// Its name rests from now on, and its events stay. A user that was restored, or deleted again since, is left as it
    /// is; so is one that somebody else is writing just now.
    async fn erase_expired(&self, id: UserId, context: &WriteContext) -> Result<bool, StoreError>;

    /// Removes at most [`Purged::MOST`] of the records whose time is over at a moment ([`Records::kept`]).
    ///
    /// A log of changes from which events were removed goes on telling what it has, and answers a position from before
    /// one of them as one that is too far back.
    async fn purge(&self, records: Records, at: Timestamp) -> Result<Purged, StoreError>;
}

impl Records {
    /// Each kind there is.
    pub const ALL: [Self; 4] = [
        Self::Events,
        Self::IdempotencyKeys,
        Self::Usernames,
        Self::LoginAttempts,
    ];

    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::Usernames => "usernames",
            Self::LoginAttempts => "login_attempts",
        }
    }

    /// How long they are kept.
    pub fn kept(self) -> Duration {
        match self {
            Self::Events => Event::KEPT,
            Self::IdempotencyKeys => IdempotencyKey::KEPT,
            Self::Usernames => NAME_REST,
            Self::LoginAttempts => Duration::ZERO,
        }
    }

    /// Gives the moment up to which, itself included, records are over their time.
    pub fn cutoff(self, at: Timestamp) -> Timestamp {
        at.minus(self.kept())
    }
}

impl ExpiredUser {
    /// The most users of one answer.
    pub const MOST: u16 = 50;

    /// Gives the moment up to which, itself included, deletions are over their time.
    pub fn cutoff(at: Timestamp) -> Timestamp {
        at.minus(User::RESTORABLE)
    }
}

impl Purged {
    /// The most records of one batch.
    pub const MOST: u16 = 500;
}
