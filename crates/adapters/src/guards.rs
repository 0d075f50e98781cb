//! The guards that promises about races stand on.
//!
//! Under the feature `removable-guards`, which no release has, one can be taken away, so that a test shows that it is
//! this guard that keeps the promise.

/// What keeps a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// A changing user's row is locked while it is changed, so that no other change is lost.
    RowLock,
    /// Who follows shares the stripes of both ends, which whoever comes or goes or blocks has alone, so that counts stay true.
    PresenceLock,
    /// A user whose time seemed over is looked at again when its row is locked, before it is erased.
    ExpiryCheck,
    /// A connection that still is in a transaction does not come back to the pool.
    ReleaseCheck,
    /// A connection that does not answer is given up when it comes back to the pool.
    SilenceDeadline,
    /// An idempotency key is claimed in the transaction of its write, so that the write happens once.
    IdempotencyClaim,
    /// A cache takes only what was read under a lease that no write has voided.
    Lease,
    /// A cache gives nothing older than what it knows to exist.
    VersionCheck,
    /// What is in Redis counts only on the server, and for the copy of its data, that it was written to.
    ServerIdentity,
    /// A cached user is given only while somebody vouches for it: the outbox was looked at a moment ago.
    PollAge,
    /// While the database is away, what was cached before the link to Redis broke is not vouched for by its successor.
    Reconnect,
    /// Readers of one unknown user wait for the first of them.
    SharedFlight,
    /// That there is no such user is forgotten when it is made.
    AbsenceYields,
}

/// The guards of one store; all of them, but in tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guards {
    #[cfg(feature = "removable-guards")]
    removed: Option<Guard>,
}

impl Guards {
    /// All guards but one.
    #[cfg(feature = "removable-guards")]
    pub fn without(guard: Guard) -> Self {
        Self {
            removed: Some(guard),
        }
    }

    /// Tells whether a guard stands.
    #[cfg(feature = "removable-guards")]
    pub(crate) fn stands(self, guard: Guard) -> bool {
        self.removed != Some(guard)
    }

    /// Tells whether a guard stands: here, always.
    #[cfg(not(feature = "removable-guards"))]
    #[expect(
        clippy::unused_self,
        reason = "the guards of a release cannot be removed"
    )]
    pub(crate) fn stands(self, _: Guard) -> bool {
        true
    }
}
