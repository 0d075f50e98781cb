//! The metrics of password hashing.

use std::time::Instant;

use metrics::{Counter, Gauge, Unit, counter, gauge, histogram};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use user_domain::values::HashAlgorithm;

/// A histogram of the duration of a hash in seconds, by `operation` and `algorithm`, without its wait.
pub const HASHING_DURATION: &str = "password_hashing_duration_seconds";
/// The histogram buckets of [`HASHING_DURATION`].
pub const HASHING_DURATION_BUCKETS: [f64; 10] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// Passwords that wait for a thread.
const QUEUE: &str = "password_hashing_queue_length";
/// Passwords that were refused because the queue was full or no thread was free in time.
const REFUSED: &str = "password_hashing_refused_total";

/// The metrics of a pool. They are created after the recorder is installed.
pub(super) struct Meters {
    pub(super) queue: Gauge,
    pub(super) refused: Counter,
}

/// The purpose of a hash.
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

/// Runs a hash and records its duration.
pub(super) fn timed<T>(
    operation: Operation,
    algorithm: HashAlgorithm,
    work: impl FnOnce() -> T,
) -> T {
    let started = Instant::now();
    let done = work();
    histogram!(
        HASHING_DURATION,
        "operation" => operation.name(),
        "algorithm" => algorithm.name()
    )
    .record(started.elapsed());
    done
}

/// Registers the descriptions of the metrics.
pub fn describe_metrics() {
    describe_histogram!(
        HASHING_DURATION,
        Unit::Seconds,
        "Duration of a password hash, without its wait for a thread"
    );
    describe_gauge!(QUEUE, Unit::Count, "Passwords that wait to be hashed");
    describe_counter!(
        REFUSED,
        Unit::Count,
        "Passwords refused because the queue was full or no thread was free in time"
    );
}
