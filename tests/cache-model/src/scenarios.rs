//! The scenarios: the bounds of each exploration, and the guard that it removes. Replica 0 writes; most readers and
//! faults are at replica 1.

use super::state::{Faults, Version};

/// A protection of the promises. A test removes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    Lease,
    VersionCheck,
    RunId,
    PollAge,
    Reconnect,
    ReadCoalescing,
    AbsenceInvalidation,
}

/// A plausible misinterpretation of the protocol that breaks a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misreading {
    /// A lease starts without the minimum version of the replica.
    LeaseWithoutMinimum,
    /// A reader joins a query of any age.
    JoinOldRead,
    /// A fill uses the current epoch and session instead of those of its lease.
    FillUnderCurrentEpoch,
    /// The position of a poll is sent to Redis before the replica has caught up with the epoch that it joins.
    AdvanceBeforeCaughtUp,
    /// The position of a poll is sent to Redis before Redis has confirmed the invalidations of an earlier poll.
    AdvanceOverUnconfirmedInvalidation,
    /// Readers fill the in-process cache before the first poll has completed.
    ReadBeforeFirstPoll,
}

/// The bounds of one exploration.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each enables one kind of step"
)]
pub(super) struct Scenario {
    /// The initial and the highest version.
    pub(super) versions: (Version, Version),
    /// Which replicas write.
    pub(super) writers: [bool; 2],
    /// Which replicas poll. One that does not represents a late poller.
    pub(super) polls: [bool; 2],
    /// The replica of each reader.
    pub(super) readers: Vec<usize>,
    pub(super) faults: Faults,
    /// Which replicas lose their session or database, or restart.
    pub(super) faulty: [bool; 2],
    /// Whether the command that advances the position in Redis may be executed late.
    pub(super) slow_advance: bool,
    /// Whether Redis evicts the value and the lease.
    pub(super) redis_evicts: bool,
    /// Whether the in-process cache evicts.
    pub(super) memory_evicts: bool,
    /// Whether the outcome of a write may be unknown.
    pub(super) unknown_outcomes: bool,
    /// Whether the copy is made key by key, so that its position may be newer than its value.
    pub(super) inconsistent_copy: bool,
    /// Whether seconds pass, so that freshness expires.
    pub(super) time_passes: bool,
    /// Whether a lost database becomes available again.
    pub(super) database_returns: bool,
    /// The guard that is removed, and the misinterpretation that is applied.
    pub(super) without: Option<Guard>,
    pub(super) misread: Option<Misreading>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            versions: (1, 2),
            writers: [true, false],
            polls: [false, true],
            readers: vec![1],
            faults: Faults::default(),
            faulty: [true, true],
            slow_advance: false,
            redis_evicts: false,
            memory_evicts: false,
            unknown_outcomes: false,
            inconsistent_copy: false,
            time_passes: true,
            database_returns: true,
            without: None,
            misread: None,
        }
    }
}

impl Scenario {
    pub(super) fn has(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    pub(super) fn misreads(&self, misreading: Misreading) -> bool {
        self.misread == Some(misreading)
    }
}

const NO_FAULTS: Faults = Faults {
    disconnects: 0,
    refusals: 0,
    lost_keys: 0,
    flushes: 0,
    fail_overs: 0,
    database_losses: 0,
    restarts: 0,
};

const ONLY_WRITER: [bool; 2] = [true, false];
const ONLY_OTHER: [bool; 2] = [false, true];

pub(super) fn slow_reader() -> Scenario {
    Scenario::default()
}

pub(super) fn two_writes() -> Scenario {
    Scenario {
        versions: (1, 3),
        ..Scenario::default()
    }
}

/// Within one second.
pub(super) fn two_writers() -> Scenario {
    Scenario {
        versions: (1, 3),
        writers: [true, true],
        time_passes: false,
        ..Scenario::default()
    }
}

pub(super) fn two_readers() -> Scenario {
    Scenario {
        readers: vec![1, 1],
        ..Scenario::default()
    }
}

/// Reads at the replica that writes, whose in-process cache evicts, within one second.
pub(super) fn own_readers() -> Scenario {
    Scenario {
        readers: vec![0, 0],
        polls: ONLY_WRITER,
        memory_evicts: true,
        time_passes: false,
        ..Scenario::default()
    }
}

pub(super) fn creation() -> Scenario {
    Scenario {
        versions: (0, 1),
        ..Scenario::default()
    }
}

pub(super) fn evictions() -> Scenario {
    Scenario {
        redis_evicts: true,
        memory_evicts: true,
        ..Scenario::default()
    }
}

pub(super) fn unknown_outcome() -> Scenario {
    Scenario {
        unknown_outcomes: true,
        ..Scenario::default()
    }
}

pub(super) fn broken_session() -> Scenario {
    Scenario {
        faults: Faults {
            disconnects: 1,
            ..NO_FAULTS
        },
        ..Scenario::default()
    }
}

pub(super) fn refused_invalidation() -> Scenario {
    Scenario {
        faults: Faults {
            refusals: 1,
            restarts: 1,
            ..NO_FAULTS
        },
        faulty: ONLY_OTHER,
        ..Scenario::default()
    }
}

pub(super) fn broken_session_and_restart() -> Scenario {
    Scenario {
        faults: Faults {
            disconnects: 1,
            restarts: 1,
            ..NO_FAULTS
        },
        faulty: ONLY_OTHER,
        ..Scenario::default()
    }
}

pub(super) fn flush() -> Scenario {
    Scenario {
        faults: Faults {
            flushes: 1,
            ..NO_FAULTS
        },
        ..Scenario::default()
    }
}

/// Within one second.
pub(super) fn lost_key() -> Scenario {
    Scenario {
        polls: ONLY_WRITER,
        faults: Faults {
            lost_keys: 1,
            restarts: 1,
            ..NO_FAULTS
        },
        faulty: ONLY_WRITER,
        time_passes: false,
        ..Scenario::default()
    }
}

/// The command that advances the position may be executed late, within one second.
pub(super) fn late_advance() -> Scenario {
    Scenario {
        polls: ONLY_WRITER,
        faults: Faults {
            lost_keys: 1,
            ..NO_FAULTS
        },
        slow_advance: true,
        time_passes: false,
        ..Scenario::default()
    }
}

/// Both replicas poll, within one second.
pub(super) fn two_pollers() -> Scenario {
    Scenario {
        polls: [true, true],
        time_passes: false,
        ..Scenario::default()
    }
}

pub(super) fn fail_over() -> Scenario {
    Scenario {
        faults: Faults {
            fail_overs: 1,
            ..NO_FAULTS
        },
        ..Scenario::default()
    }
}

pub(super) fn inconsistent_copy() -> Scenario {
    Scenario {
        inconsistent_copy: true,
        ..fail_over()
    }
}

pub(super) fn lost_database() -> Scenario {
    Scenario {
        faults: Faults {
            database_losses: 1,
            ..NO_FAULTS
        },
        faulty: ONLY_OTHER,
        ..Scenario::default()
    }
}

/// The poller of the other replica is late, and its database stays unavailable.
pub(super) fn lost_database_and_session() -> Scenario {
    Scenario {
        polls: ONLY_WRITER,
        faults: Faults {
            disconnects: 1,
            database_losses: 1,
            ..NO_FAULTS
        },
        faulty: ONLY_OTHER,
        database_returns: false,
        ..Scenario::default()
    }
}
