//! Generations of connections: those that can be trusted end together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use metrics::{Counter, Unit, counter, describe_counter};

/// Generations that ended because a connection was lost.
const LOSSES: &str = "db_client_connection_losses_total";

/// The current generation of the connections to a database, shared by its pools.
///
/// A lost connection is seldom alone: the server restarted, an idle timeout ended all of them, or another server took
/// over. The first one that fails therefore ends the generation, and no connection of it is used again.
pub(super) struct Generation {
    created: Instant,
    /// When it began, in nanoseconds after `created`.
    began: AtomicU64,
    losses: Counter,
}

impl Default for Generation {
    fn default() -> Self {
        Self {
            created: Instant::now(),
            began: AtomicU64::new(0),
            losses: counter!(LOSSES),
        }
    }
}

impl Generation {
    /// Whether a connection that was opened or checked at this time belongs to the current generation.
    pub(super) fn contains(&self, checked: Instant) -> bool {
        self.nanoseconds(checked) >= self.began.load(Ordering::Acquire)
    }

    /// Begins a new generation, unless the connection that was lost belongs to an earlier one.
    pub(super) fn end(&self, checked: Instant) {
        if self.contains(checked) {
            let now = self.nanoseconds(Instant::now());
            self.began.fetch_max(now, Ordering::AcqRel);
            self.losses.increment(1);
        }
    }

    fn nanoseconds(&self, moment: Instant) -> u64 {
        let elapsed = moment.saturating_duration_since(self.created);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Registers the description of the metric.
pub(super) fn describe_metrics() {
    describe_counter!(
        LOSSES,
        Unit::Count,
        "Losses of database connections that ended all connections opened or checked before"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_ends_its_generation_once() {
        let generation = Generation::default();
        let first = Instant::now();
        assert!(generation.contains(first));
        generation.end(first);
        assert!(!generation.contains(first));
        let second = Instant::now();
        assert!(generation.contains(second));
        generation.end(first);
        assert!(generation.contains(second), "only its own generation ends");
    }
}
