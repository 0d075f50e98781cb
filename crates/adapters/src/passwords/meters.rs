//! What is counted of hashing.

use std::time::Instant;

use metrics::{Counter, Gauge, Unit, counter, gauge, histogram};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use user_domain::values::HashAlgorithm;

/// A histogram of the seconds that a hash took of its thread, by `operation` and `algorithm`.
pub const HASHING_DURATION: &str = "password_hashing_duration_seconds";
/// The upper bounds that [`HASHING_DURATION`] is to be recorded with.
pub const HASHING_DURATION_BUCKETS: [f64; 10] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Passwords that wait for a thread.
const QUEUE: &str = "password_hashing_queue_length";
/// Passwords that no thread had time for.
const REFUSED: &str = "password_hashing_refused_total";

/// Made when the recorder is installed.
pub(super) struct Meters {
    pub(super) queue: Gauge,
    pub(super) refused: Counter,
}

/// What a hash is made for.
#[derive(Clone, Copy)]
pub(super) enum Operation {
    Hash,
    Verify,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::Verify => "verify",
        }
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            queue: gauge!(QUEUE),
            refused: counter!(REFUSED),
        }
    }
}

/// Does something and records how long it took.
pub(super) fn timed<T>(
    operation: Operation,
    algorithm: HashAlgorithm,
    work: impl FnOnce() -> T,
) -> T {
    let begun = Instant::now();
    let done = work();
    histogram!(
        HASHING_DURATION,
        "operation" => operation.name(),
        "algorithm" => algorithm.name()
    )
    .record(begun.elapsed());
    done
}

/// Says what each figure is, for whoever reads them.
pub fn describe_metrics() {
    describe_histogram!(
        HASHING_DURATION,
        Unit::Seconds,
        "Time that the hash of a password took of its thread"
    );
    describe_gauge!(QUEUE, Unit::Count, "Passwords that wait to be hashed");
    describe_counter!(
        REFUSED,
        Unit::Count,
        "Passwords that were not hashed since too many waited"
    );
}
