//! What the model knows at one moment: the database, Redis, two replicas, readers, and what is under way.

/// A version of the one user, 0 when it is absent. Each commit adds one and makes one event, so it is a position of the outbox too.
pub(super) type Version = u8;

/// Stands above all versions: the mark of a write whose outcome is unknown.
pub(super) const HIGHEST: Version = 15;

/// The whole state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// The version the database holds.
    pub(super) database: Version,
    /// What it held when the last second began.
    pub(super) database_at_tick: Version,
    pub(super) server: Server,
    /// A copy of the keys on another server, to which Redis may fail over.
    pub(super) copy: Option<Keys>,
    pub(super) replicas: [Replica; 2],
    pub(super) readers: Vec<Reader>,
    /// Commands on their way to Redis, sorted.
    pub(super) messages: Vec<Message>,
    pub(super) epochs: u8,
    pub(super) left: Faults,
    pub(super) broken: Broken,
}

/// Promises that a step has broken (the others show in a state).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Broken {
    /// An older version took the place of a newer one.
    pub(super) order: bool,
    /// A reader got what was too old when it came.
    pub(super) reader: bool,
}

/// How often each fault may yet happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    pub(super) breaks: u8,
    pub(super) refusals: u8,
    pub(super) lost_keys: u8,
    pub(super) flushes: u8,
    pub(super) fail_overs: u8,
    pub(super) database_losses: u8,
    pub(super) restarts: u8,
}

/// The server that is the master now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub(super) run: u8,
    pub(super) keys: Keys,
    /// The highest mark executed here, and the same when the last second began.
    pub(super) marked: Version,
    pub(super) marked_at_tick: Version,
}

/// The four keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Keys {
    pub(super) epoch: Option<Epoch>,
    pub(super) position: Option<Version>,
    pub(super) value: Option<Value>,
    /// The reader whose token it is.
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
    /// The first tier.
    pub(super) entry: Option<Version>,
    /// What Redis has not confirmed yet.
    pub(super) floor: Version,
    /// The highest write acknowledged here.
    pub(super) acknowledged: Version,
    pub(super) write: Write,
    pub(super) tail: Tail,
    pub(super) link: Link,
    /// Messages on their way to this replica, one bit a version.
    pub(super) pushes: u16,
    /// A heartbeat begun in this second has been answered.
    pub(super) heartbeat: bool,
    pub(super) database_is_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Write {
    None,
    Begun { floor: Version },
    Committed { floor: Version, version: Version },
}

/// What the polls have brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Tail {
    /// The end of the last completed poll; none before the first.
    pub(super) polled: Option<Version>,
    /// Redis has confirmed the marks of all events up to here.
    pub(super) marked: Version,
    pub(super) poll: Option<Poll>,
    /// A poll begun in this second has completed.
    pub(super) fresh: bool,
    /// The same, and its marks have been acknowledged.
    pub(super) fresh_in_redis: bool,
    /// The link has been up since before the last completed poll began.
    pub(super) vouched: bool,
    /// The last poll failed.
    pub(super) failed: bool,
}

/// A poll under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Poll {
    pub(super) seen: Version,
    pub(super) fresh: bool,
    pub(super) vouched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Link {
    Down,
    /// Subscribed, and the epoch is known; the events since `position` are not marked yet.
    Joining {
        epoch: Epoch,
        position: Version,
    },
    /// The marks of those events are on their way.
    CatchingUp {
        epoch: Epoch,
    },
    Joined {
        epoch: Epoch,
    },
}

/// A reader and the lease it holds in the first tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reader {
    pub(super) replica: usize,
    pub(super) step: Step,
    /// The floor of its lease.
    pub(super) floor: Version,
    /// Its flight began in this second.
    pub(super) young: bool,
    /// Nobody joins its flight any more.
    pub(super) detached: bool,
    /// What it must get at least, when a poll vouches for it and when a heartbeat does.
    pub(super) owed: Owed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Owed {
    pub(super) by_poll: Version,
    pub(super) by_heartbeat: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Idle,
    /// Waits for the flight of that reader.
    Joined(usize),
    /// Is about to ask Redis.
    Asking,
    /// Redis has answered; the answer is on its way.
    Asked {
        found: Option<Version>,
    },
    /// Is about to read the database.
    Loading {
        ticket: Option<Ticket>,
    },
    /// The database has answered; the answer is on its way.
    Loaded {
        version: Version,
        ticket: Option<Ticket>,
    },
    Done,
}

/// The lease a reader holds in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ticket {
    pub(super) epoch: Epoch,
    /// The link over which it was taken is still up.
    pub(super) live: bool,
}

/// A command on its way to Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Message {
    pub(super) from: usize,
    /// Its link is still up: it will be executed, and its answer will be heard.
    pub(super) live: bool,
    pub(super) command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Command {
    Mark { version: Version, purpose: Purpose },
    Fill { token: usize, value: Value },
    Advance { position: Version },
}

/// Why a mark was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Purpose {
    Write,
    Poll { fresh: bool },
    CatchUp,
}
