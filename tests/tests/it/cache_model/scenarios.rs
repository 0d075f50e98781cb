//! The bounded worlds that are explored. Replica 0 writes; most readers and faults are replica 1's.

use super::model::Scenario;
use super::state::Faults;

const NO_FAULTS: Faults = Faults {
    breaks: 0,
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

/// In one second.
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

/// The readers are the writing replica's, whose first tier evicts; in one second.
pub(super) fn own_readers() -> Scenario {
    Scenario {
        readers: vec![0, 0],
        polls: ONLY_WRITER,
        first_tier_evicts: true,
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
        first_tier_evicts: true,
        ..Scenario::default()
    }
}

pub(super) fn unknown_outcome() -> Scenario {
    Scenario {
        unknown_outcomes: true,
        ..Scenario::default()
    }
}

pub(super) fn broken_link() -> Scenario {
    Scenario {
        faults: Faults {
            breaks: 1,
            ..NO_FAULTS
        },
        ..Scenario::default()
    }
}

pub(super) fn refused_mark() -> Scenario {
    Scenario {
        faults: Faults {
            refusals: 1,
            restarts: 1,
            ..NO_FAULTS
        },
        fragile: ONLY_OTHER,
        ..Scenario::default()
    }
}

pub(super) fn broken_link_and_restart() -> Scenario {
    Scenario {
        faults: Faults {
            breaks: 1,
            restarts: 1,
            ..NO_FAULTS
        },
        fragile: ONLY_OTHER,
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

/// In one second.
pub(super) fn lost_key() -> Scenario {
    Scenario {
        polls: ONLY_WRITER,
        faults: Faults {
            lost_keys: 1,
            restarts: 1,
            ..NO_FAULTS
        },
        fragile: ONLY_WRITER,
        time_passes: false,
        ..Scenario::default()
    }
}

/// What advances the position may be executed late; in one second.
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

/// Both replicas poll; in one second.
pub(super) fn two_tails() -> Scenario {
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

pub(super) fn torn_copy() -> Scenario {
    Scenario {
        torn_copy: true,
        ..fail_over()
    }
}

pub(super) fn lost_database() -> Scenario {
    Scenario {
        faults: Faults {
            database_losses: 1,
            ..NO_FAULTS
        },
        fragile: ONLY_OTHER,
        ..Scenario::default()
    }
}

/// The other replica's tail is late, and its database does not come back.
pub(super) fn lost_database_and_link() -> Scenario {
    Scenario {
        polls: ONLY_WRITER,
        faults: Faults {
            breaks: 1,
            database_losses: 1,
            ..NO_FAULTS
        },
        fragile: ONLY_OTHER,
        database_returns: false,
        ..Scenario::default()
    }
}
