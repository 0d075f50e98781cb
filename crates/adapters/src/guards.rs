//! The guards: the mechanisms that keep guarantees under races.
//!
//! With the feature `removable-guards`, which no release has, a test can remove a guard and show that the guarantee
//! depends on it.

/// A mechanism that keeps a guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The row of a user is locked while it changes, so that no concurrent change is lost.
    RowLock,
    /// A follow takes a shared lock on both users. A deletion, suspension, restoration or block takes an exclusive one,
    /// so that follower counts stay correct.
    RelationshipLock,
    /// A registration of an erasure consumer waits for open erasures, so that none of them is lost.
    ConsumerLock,
    /// An expired user is checked again under its row lock before it is erased.
    ExpiryCheck,
    /// A connection with an open transaction does not return to the pool.
    ReleaseCheck,
    /// A connection that does not reply is closed when it returns to the pool.
    ReleaseTimeout,
    /// A connection that was opened or checked before another one was lost is not reused. A read or a BEGIN that finds its
    /// reused connection lost runs once more.
    LostConnections,
    /// A standby answers a read only if its position was high enough before the read.
    StandbyPosition,
    /// A connection to a server that became a standby, or read-only, does not return to the pool.
    ServerRole,
    /// A reader of the event feed does not pass events of open writes.
    FeedFence,
    /// A replica whose lease of the relay was taken by another one does not store its position.
    RelayEpoch,
    /// An idempotency key is claimed in the transaction of its write, so that the write happens once.
    IdempotencyClaim,
    /// The cache stores only what was read under a lease that no write has voided.
    Lease,
    /// The cache returns and stores no revision older than one that is known to exist.
    VersionCheck,
    /// A value in Redis is accepted only within the lifetime of an entry after the start of its reader.
    SealAge,
    /// No value from Redis is accepted that is older than a change within that lifetime.
    RecentChanges,
    /// A value in Redis is a miss after a restart, a failover or a copy of the server that it was written to.
    ServerIdentity,
    /// A cached user is returned only if a recent outbox poll proves that it is fresh.
    PollAge,
    /// After the outbox was replaced by another one, for example by a restore, nothing cached before is returned.
    LogContinuity,
    /// While the database is unavailable, a new connection to Redis does not prove the freshness of older entries.
    Reconnect,
    /// Concurrent readers of one uncached user wait for the first of them.
    ReadCoalescing,
    /// A cached absence is removed when the user is created.
    AbsenceInvalidation,
}

/// The active guards of a store or a cache. Only tests remove any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guards {
    #[cfg(feature = "removable-guards")]
    removed: [Option<Guard>; 2],
}

impl Guards {
    /// Returns all guards but one.
    #[cfg(feature = "removable-guards")]
    pub fn without(guard: Guard) -> Self {
        Self {
            removed: [Some(guard), None],
        }
    }

    /// Returns all guards but two, for a guarantee that either of them keeps alone.
    #[cfg(feature = "removable-guards")]
    pub fn without_both(guards: [Guard; 2]) -> Self {
        Self {
            removed: guards.map(Some),
        }
    }

    /// Whether no guard was removed.
    #[cfg(feature = "removable-guards")]
    pub fn is_complete(self) -> bool {
        self.removed.iter().all(Option::is_none)
    }

    /// Whether a guard is active.
    #[cfg(feature = "removable-guards")]
    pub(crate) fn is_active(self, guard: Guard) -> bool {
        !self.removed.contains(&Some(guard))
    }

    /// Whether a guard is active; always, in a release.
    #[cfg(not(feature = "removable-guards"))]
    #[expect(
        clippy::unused_self,
        reason = "the guards of a release cannot be removed"
    )]
    pub(crate) fn is_active(self, _: Guard) -> bool {
        true
    }
}
