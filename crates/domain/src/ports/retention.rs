use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::erasure::Erasure;
use crate::user::{Event, User};
use crate::values::{Timestamp, UserId};
use crate::write::{IdempotencyKey, USERNAME_RESERVATION, WriteContext};

/// The kinds of records that are stored for a limited time, besides users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Records {
    /// The events of the outbox.
    Events,
    /// The records of idempotency keys.
    IdempotencyKeys,
    /// The reservations of released usernames.
    Usernames,
    /// The counters of login attempts, each until its own expiry time
    /// ([`AttemptCounter::forgotten_at`](crate::lockout::AttemptCounter::forgotten_at)).
    LoginAttempts,
    /// The records of erasures, from the time when every consumer has confirmed them.
    Erasures,
}

/// A deleted user whose restore period has expired, and its position in the order of deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiredUser {
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// The user's id.
    pub id: UserId,
}

/// The result of one purge batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// The number of removed records.
    pub removed: u64,
    /// Whether another batch may find more.
    pub has_more: bool,
}

/// Removes expired users and records, one small batch per call.
///
/// Concurrent callers are safe: each user and each record is removed by one of them. Rows that another transaction has
/// locked are skipped and left for a later call.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Retention: Send + Sync {
    /// Returns users that were deleted at least [`User::RESTORE_PERIOD`] before a time, longest deleted first: at most
    /// [`ExpiredUser::MAX_BATCH`] after a position. A returned user may have been restored in the meantime.
    async fn expired(
        &self,
        at: Timestamp,
        after: Option<ExpiredUser>,
    ) -> Result<Vec<ExpiredUser>, StoreError>;

    /// Removes a user by [`User::expire`], without a concurrent change of that user, and returns whether it did.
    ///
    /// The username becomes reserved, and the events stay. A user that was restored or deleted again in the meantime is
    /// skipped, and so is one that another transaction is writing.
    async fn erase_expired(&self, id: UserId, context: &WriteContext) -> Result<bool, StoreError>;

    /// Removes at most [`Purged::MAX_BATCH`] records that are expired at a time ([`Records::retention`]).
    ///
    /// The change log continues to return the remaining events. A position before a removed event is too old for it.
    async fn purge(&self, records: Records, at: Timestamp) -> Result<Purged, StoreError>;
}

impl Records {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Events,
        Self::IdempotencyKeys,
        Self::Usernames,
        Self::LoginAttempts,
        Self::Erasures,
    ];

    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::Usernames => "usernames",
            Self::LoginAttempts => "login_attempts",
            Self::Erasures => "erasures",
        }
    }

    /// The retention period of this kind.
    pub fn retention(self) -> Duration {
        match self {
            Self::Events => Event::RETENTION,
            Self::IdempotencyKeys => IdempotencyKey::RETENTION,
            Self::Usernames => USERNAME_RESERVATION,
            Self::LoginAttempts => Duration::ZERO,
            Self::Erasures => Erasure::RETENTION,
        }
    }

    /// The time up to which (inclusive) records are expired.
    pub fn cutoff(self, at: Timestamp) -> Timestamp {
        at.minus(self.retention())
    }
}

impl ExpiredUser {
    /// The maximum number of users in one answer.
    pub const MAX_BATCH: u16 = 50;

    /// The time up to which (inclusive) deletions have expired.
    pub fn cutoff(at: Timestamp) -> Timestamp {
        at.minus(User::RESTORE_PERIOD)
    }
}

impl Purged {
    /// The maximum number of records in one batch.
    pub const MAX_BATCH: u16 = 500;
}
