//! The scenarios. Replica 0 writes; most readers and faults are at replica 1.

use super::model::Scenario;
use super::state::Faults;

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
