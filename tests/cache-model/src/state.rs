//! The state of the model: the database, Redis, two replicas, readers, and messages in flight.

/// A version of the one user, or 0 if it does not exist. Each commit adds one version and one event, so it is also a
/// position in the outbox.
pub(super) type Version = u8;

/// Greater than every version: the invalidation of a write with an unknown outcome.
pub(super) const HIGHEST: Version = 15;

/// The whole state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// The version in the database.
    pub(super) database: Version,
    /// The version in the database when the current second began.
    pub(super) database_at_tick: Version,
    pub(super) server: Server,
    /// A copy of the keys on another server, for a failover.
    pub(super) copy: Option<Keys>,
    pub(super) replicas: [Replica; 2],
    pub(super) readers: Vec<Reader>,
    /// Commands in flight to Redis, sorted.
    pub(super) messages: Vec<Message>,
    pub(super) epochs: u8,
    pub(super) remaining_faults: Faults,
    pub(super) broken: Broken,
}

/// Promises that a step has broken. The other promises are checked in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Broken {
    /// An older version replaced a newer one.
    pub(super) order: bool,
    /// A reader got a version that was already too old when the read began.
    pub(super) reader: bool,
}

/// How often each fault may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    pub(super) disconnects: u8,
    pub(super) refusals: u8,
    pub(super) lost_keys: u8,
    pub(super) flushes: u8,
    pub(super) fail_overs: u8,
    pub(super) database_losses: u8,
    pub(super) restarts: u8,
}

/// The current Redis master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub(super) run: u8,
    pub(super) keys: Keys,
    /// The highest invalidated version, now and when the current second began.
    pub(super) invalidated: Version,
    pub(super) invalidated_at_tick: Version,
}

/// The four keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Keys {
    pub(super) epoch: Option<Epoch>,
    pub(super) position: Option<Version>,
    pub(super) value: Option<Value>,
    /// The reader that holds the lease.
    pub(super) lease: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Epoch {
    pub(super) run: u8,
    pub(super) number: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Value {
    pub(super) epoch: Epoch,
    pub(super) version: Version,
}

/// One process of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Replica {
    /// The in-process cache.
    pub(super) entry: Option<Version>,
    /// The minimum version of values from Redis, until Redis confirms the invalidation.
    pub(super) minimum: Version,
    /// The highest write acknowledged here.
    pub(super) acknowledged: Version,
    pub(super) write: Write,
    pub(super) poller: Poller,
    pub(super) session: RedisSession,
    /// Invalidation messages in flight to this replica, one bit per version.
    pub(super) pushes: u16,
    /// Whether a heartbeat of the current second has been answered.
    pub(super) heartbeat: bool,
    pub(super) database_is_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Write {
    None,
    Begun { minimum: Version },
    Committed { minimum: Version, version: Version },
}

/// The state of the outbox poller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
pub(super) struct Poller {
    /// The position after the last completed poll. None before the first.
    pub(super) polled: Option<Version>,
    /// The position up to which Redis has confirmed the invalidation of all events.
    pub(super) invalidated: Version,
    pub(super) poll: Option<Poll>,
    /// Whether a poll that began in the current second has completed.
    pub(super) fresh: bool,
    /// Whether Redis has also confirmed the invalidations of such a poll.
    pub(super) fresh_for_redis: bool,
    /// Whether the session has been up since before the last completed poll began.
    pub(super) is_continuous: bool,
    /// Whether the last poll failed.
    pub(super) failed: bool,
}

/// A poll in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Poll {
    pub(super) seen: Version,
    pub(super) fresh: bool,
    pub(super) is_continuous: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum RedisSession {
    Down,
    /// Subscribed, with a known epoch. The events after `position` are not invalidated yet.
    Joining {
        epoch: Epoch,
        position: Version,
    },
    /// The invalidations of those events are in flight.
    CatchingUp {
        epoch: Epoch,
    },
    Joined {
        epoch: Epoch,
    },
}

/// A reader and its lease in the in-process cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reader {
    pub(super) replica: usize,
    pub(super) step: Step,
    /// The minimum version of its lease.
    pub(super) minimum: Version,
    /// Whether its query began in the current second.
    pub(super) is_young: bool,
    /// Whether other readers may no longer join its query.
    pub(super) is_detached: bool,
    /// The lowest versions that it may get, by the source of freshness.
    pub(super) required: Required,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Required {
    pub(super) by_poll: Version,
    pub(super) by_heartbeat: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Idle,
    /// Waits for the query of that reader.
    Joined(usize),
    /// Is about to query Redis.
    Asking,
    /// The reply of Redis is in flight.
    Asked {
        found: Option<Version>,
    },
    /// Is about to query the database.
    Loading {
        lease: Option<RedisLease>,
    },
    /// The response of the database is in flight.
    Loaded {
        version: Version,
        lease: Option<RedisLease>,
    },
    Done,
}

/// The lease of a reader in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RedisLease {
    pub(super) epoch: Epoch,
    /// Whether the session that took it is still up.
    pub(super) live: bool,
}

/// A command in flight to Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Message {
    pub(super) from: usize,
    /// Whether its session is still up, so that it will be executed and its reply received.
    pub(super) live: bool,
    pub(super) command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Command {
    Invalidate { version: Version, purpose: Purpose },
    Fill { token: usize, value: Value },
    Advance { position: Version },
}

/// Why an invalidation was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Purpose {
    Write,
    Poll { fresh: bool },
    CatchUp,
}
