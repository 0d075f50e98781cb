use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Looks into the cache, by tier and result.
pub(super) const REQUESTS: &str = "user_cache_requests_total";
/// Users dropped for want of room or for their age, by cause.
pub(super) const EVICTIONS: &str = "user_cache_evictions_total";
/// News of changed users, by the road it came on.
pub(super) const INVALIDATIONS: &str = "user_cache_invalidations_total";
/// Users in the first tier.
pub(super) const ENTRIES: &str = "user_cache_entries";
/// The age of the newest look at the outbox.
pub(super) const TAIL_AGE: &str = "user_cache_tail_age_seconds";
/// A histogram of the seconds from an event's time until this replica has read it in the outbox.
pub const OUTBOX_LAG: &str = "outbox_lag_seconds";
/// The upper bounds that [`OUTBOX_LAG`] is to be recorded with.
pub const OUTBOX_LAG_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];
/// Whether Redis is left alone because it fails or is slow.
pub(super) const BREAKER: &str = "user_cache_breaker_open";
/// Whether there is a connection to Redis whose second tier may be used.
pub(super) const LINK: &str = "user_cache_link_up";

/// What the cache counts. Made when the recorder is installed.
pub(super) struct Meters {
    pub(super) process: TierMeters,
    pub(super) shared: TierMeters,
    pub(super) evicted_by_size: Counter,
    pub(super) evicted_by_age: Counter,
    pub(super) invalidated_by_write: Counter,
    pub(super) invalidated_by_push: Counter,
    pub(super) invalidated_by_tail: Counter,
    pub(super) flushed: Counter,
    pub(super) entries: Gauge,
    pub(super) tail_age: Gauge,
    pub(super) outbox_lag: Histogram,
}

/// What is told of the link to Redis. Without Redis there is none of it, rather than a link that is down.
pub(super) struct LinkMeters {
    pub(super) breaker: Gauge,
    pub(super) link: Gauge,
}

/// What one tier counts.
pub(super) struct TierMeters {
    pub(super) hit: Counter,
    pub(super) absent: Counter,
    pub(super) miss: Counter,
    pub(super) joined: Counter,
    pub(super) unvouched: Counter,
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
            unvouched: of("unvouched"),
            error: of("error"),
        }
    }
}

impl Default for Meters {
    fn default() -> Self {
        let evicted = |cause: &'static str| counter!(EVICTIONS, "cause" => cause);
        let invalidated = |road: &'static str| counter!(INVALIDATIONS, "road" => road);
        Self {
            process: TierMeters::new("process"),
            shared: TierMeters::new("shared"),
            evicted_by_size: evicted("size"),
            evicted_by_age: evicted("age"),
            invalidated_by_write: invalidated("write"),
            invalidated_by_push: invalidated("push"),
            invalidated_by_tail: invalidated("tail"),
            flushed: invalidated("flush"),
            entries: gauge!(ENTRIES),
            tail_age: gauge!(TAIL_AGE),
            outbox_lag: histogram!(OUTBOX_LAG),
        }
    }
}

impl Default for LinkMeters {
    fn default() -> Self {
        Self {
            breaker: gauge!(BREAKER),
            link: gauge!(LINK),
        }
    }
}

/// Says what each figure is, for whoever reads them.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "Looks into the cache of users, by tier and result"
    );
    describe_counter!(
        EVICTIONS,
        Unit::Count,
        "Cached users dropped for want of room or for their age"
    );
    describe_counter!(
        INVALIDATIONS,
        Unit::Count,
        "News of changed users, by the road it came on"
    );
    describe_gauge!(ENTRIES, Unit::Count, "Users in the tier in the process");
    describe_gauge!(
        TAIL_AGE,
        Unit::Seconds,
        "Age of the newest look at the outbox; above 1 s the cache is not believed"
    );
    describe_histogram!(
        OUTBOX_LAG,
        Unit::Seconds,
        "Time from an event until this replica has read it in the outbox"
    );
    describe_gauge!(
        BREAKER,
        Unit::Count,
        "1 while Redis is left alone because it fails or is slow"
    );
    describe_gauge!(LINK, Unit::Count, "1 while the tier in Redis may be used");
}
