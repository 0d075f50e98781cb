//! The metrics of the user cache.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Cache lookups, by tier and result.
pub(super) const REQUESTS: &str = "user_cache_requests_total";
/// Evictions of users, by cause: size or age.
pub(super) const EVICTIONS: &str = "user_cache_evictions_total";
/// Invalidations of users, by their source.
pub(super) const INVALIDATIONS: &str = "user_cache_invalidations_total";
/// Users in the in-process tier.
pub(super) const ENTRIES: &str = "user_cache_entries";
/// The age of the last completed poll of the outbox.
pub(super) const POLL_AGE: &str = "user_cache_tail_age_seconds";
/// A histogram of the seconds from the time of an event until this replica reads it from the outbox.
pub const OUTBOX_LAG: &str = "outbox_lag_seconds";
/// The histogram buckets of [`OUTBOX_LAG`].
pub const OUTBOX_LAG_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];
/// How often the outbox was not the one that this replica had read before, by cause: `server` (a restart or another
/// server) or `restore`.
pub(super) const DISCONTINUITIES: &str = "outbox_discontinuities_total";
/// Whether the circuit breaker of Redis is open.
pub(super) const BREAKER: &str = "user_cache_breaker_open";
/// Whether the connection to Redis is up and its users may be read.
pub(super) const REDIS_AVAILABLE: &str = "user_cache_link_up";

/// The metrics of the cache. They are created after the recorder is installed.
pub(super) struct Meters {
    pub(super) process: TierMeters,
    pub(super) shared: TierMeters,
    pub(super) evicted_by_size: Counter,
    pub(super) evicted_by_age: Counter,
    pub(super) invalidated_by_write: Counter,
    pub(super) invalidated_by_message: Counter,
    pub(super) invalidated_by_poll: Counter,
    pub(super) flushed: Counter,
    pub(super) entries: Gauge,
    pub(super) poll_age: Gauge,
    pub(super) outbox_lag: Histogram,
    pub(super) discontinued_by_server: Counter,
    pub(super) discontinued_by_restore: Counter,
}

/// The metrics of the connection to Redis. They exist only with Redis, so a missing Redis is not reported as down.
pub(super) struct RedisMeters {
    pub(super) breaker: Gauge,
    pub(super) session: Gauge,
}

/// The counters of one tier.
pub(super) struct TierMeters {
    pub(super) hit: Counter,
    pub(super) absent: Counter,
    pub(super) miss: Counter,
    pub(super) joined: Counter,
    pub(super) stale: Counter,
    pub(super) error: Counter,
}

impl TierMeters {
    fn new(tier: &'static str) -> Self {
        let of = |result: &'static str| counter!(REQUESTS, "tier" => tier, "result" => result);
        Self {
            hit: of("hit"),
            absent: of("absent"),
            miss: of("miss"),
            joined: of("joined"),
            stale: of("unvouched"),
            error: of("error"),
        }
    }
}

impl Default for Meters {
    fn default() -> Self {
        let evicted = |cause: &'static str| counter!(EVICTIONS, "cause" => cause);
        let discontinued = |cause: &'static str| counter!(DISCONTINUITIES, "cause" => cause);
        let invalidated = |road: &'static str| counter!(INVALIDATIONS, "road" => road);
        Self {
            process: TierMeters::new("process"),
            shared: TierMeters::new("shared"),
            evicted_by_size: evicted("size"),
            evicted_by_age: evicted("age"),
            invalidated_by_write: invalidated("write"),
            invalidated_by_message: invalidated("push"),
            invalidated_by_poll: invalidated("tail"),
            flushed: invalidated("flush"),
            entries: gauge!(ENTRIES),
            poll_age: gauge!(POLL_AGE),
            outbox_lag: histogram!(OUTBOX_LAG),
            discontinued_by_server: discontinued("server"),
            discontinued_by_restore: discontinued("restore"),
        }
    }
}

impl Default for RedisMeters {
    fn default() -> Self {
        Self {
            breaker: gauge!(BREAKER),
            session: gauge!(REDIS_AVAILABLE),
        }
    }
}

/// Registers the descriptions of the metrics.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "User cache lookups, by tier and result"
    );
    describe_counter!(
        EVICTIONS,
        Unit::Count,
        "Users evicted from the in-process tier, by cause"
    );
    describe_counter!(
        INVALIDATIONS,
        Unit::Count,
        "Invalidations of cached users, by their source"
    );
    describe_gauge!(ENTRIES, Unit::Count, "Users in the in-process tier");
    describe_gauge!(
        POLL_AGE,
        Unit::Seconds,
        "Age of the last outbox poll; above 1 s, it does not prove that cached users are fresh"
    );
    describe_histogram!(
        OUTBOX_LAG,
        Unit::Seconds,
        "Time from an event until this replica reads it from the outbox"
    );
    describe_counter!(
        DISCONTINUITIES,
        Unit::Count,
        "Replacements of the outbox that this replica noticed, by cause: a restore, or another or restarted server"
    );
    describe_gauge!(
        BREAKER,
        Unit::Count,
        "1 while the Redis circuit breaker is open"
    );
    describe_gauge!(
        REDIS_AVAILABLE,
        Unit::Count,
        "1 while the Redis tier may be used"
    );
}
