use super::*;

const MOMENT: Duration = Duration::from_millis(1);

/// A replica that has just started. Times are relative to its start.
struct Replica(FreshnessTracker);

impl Replica {
    fn new() -> Self {
        Self(FreshnessTracker::new(Guards::default()))
    }

    fn at(&self, after: Duration) -> Instant {
        self.0.origin + after
    }

    fn memory_source(&self, after: Duration) -> Option<FreshnessSource> {
        self.0.snapshot().memory_source(self.at(after))
    }

    fn redis_source(&self, after: Duration) -> Option<FreshnessSource> {
        self.0.snapshot().redis_source(self.at(after))
    }
}

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// The conditions under which the other replicas prove freshness. A test removes single ones.
#[derive(Clone, Copy)]
struct Outage {
    connected: Option<Duration>,
    polled: Option<Duration>,
    poll_fails: bool,
    heartbeat: Option<Duration>,
}

/// Connected at 3 s, last poll at 5 s, then the database fails; last heartbeat at 9.5 s.
const OUTAGE: Outage = Outage {
    connected: Some(seconds(3)),
    polled: Some(seconds(5)),
    poll_fails: true,
    heartbeat: Some(Duration::from_millis(9_500)),
};

impl Outage {
    fn replica(self) -> Replica {
        let replica = Replica::new();
        if let Some(connected) = self.connected {
            replica.0.record_connection(replica.at(connected));
        }
        if let Some(polled) = self.polled {
            replica.0.record_poll(replica.at(polled));
            replica.0.record_correction(replica.at(polled));
        }
        if self.poll_fails {
            replica.0.record_poll_failure();
        }
        if let Some(heartbeat) = self.heartbeat {
            replica.0.record_heartbeat(replica.at(heartbeat));
        }
        replica
    }

    /// Returns the freshness source of each tier at a moment.
    fn sources(self, after: Duration) -> [Option<FreshnessSource>; 2] {
        let replica = self.replica();
        [replica.memory_source(after), replica.redis_source(after)]
    }
}

const NEITHER: [Option<FreshnessSource>; 2] = [None, None];
const REPLICAS: [Option<FreshnessSource>; 2] = [
    Some(FreshnessSource::Replicas),
    Some(FreshnessSource::Replicas),
];

#[test]
fn nothing_is_fresh_before_the_first_poll() {
    let replica = Replica::new();
    for after in [Duration::ZERO, MOMENT, seconds(1), seconds(100)] {
        assert_eq!(replica.memory_source(after), None);
        assert_eq!(replica.redis_source(after), None);
    }
}

#[test]
fn a_poll_proves_freshness_for_a_second_from_its_start() {
    let replica = Replica::new();
    replica.0.record_poll(replica.at(seconds(5)));
    assert_eq!(
        replica.memory_source(seconds(5)),
        Some(FreshnessSource::Store)
    );
    assert_eq!(
        replica.memory_source(seconds(6)),
        Some(FreshnessSource::Store)
    );
    assert_eq!(replica.memory_source(seconds(6) + MOMENT), None);
    replica.0.record_poll(replica.at(seconds(6)));
    assert_eq!(
        replica.memory_source(seconds(7)),
        Some(FreshnessSource::Store)
    );
}

#[test]
fn a_poll_at_the_origin_counts() {
    let replica = Replica::new();
    replica.0.record_poll(replica.at(Duration::ZERO));
    assert_eq!(
        replica.memory_source(Duration::ZERO),
        Some(FreshnessSource::Store)
    );
}

#[test]
fn a_failed_poll_does_not_shorten_the_one_before() {
    let replica = Replica::new();
    replica.0.record_poll(replica.at(seconds(5)));
    replica.0.record_poll_failure();
    assert_eq!(
        replica.memory_source(seconds(6)),
        Some(FreshnessSource::Store)
    );
    assert_eq!(replica.memory_source(seconds(6) + MOMENT), None);
}

#[test]
fn a_poll_counts_for_redis_only_once_redis_is_corrected() {
    let replica = Replica::new();
    replica.0.record_poll(replica.at(seconds(5)));
    assert_eq!(replica.redis_source(seconds(5)), None);
    replica.0.record_correction(replica.at(seconds(5)));
    assert_eq!(
        replica.redis_source(seconds(6)),
        Some(FreshnessSource::Store)
    );
    replica.0.record_poll(replica.at(seconds(6)));
    assert_eq!(
        replica.memory_source(seconds(6) + MOMENT),
        Some(FreshnessSource::Store)
    );
    assert_eq!(replica.redis_source(seconds(6) + MOMENT), None);
}

#[test]
fn a_correction_does_not_count_for_the_in_process_tier() {
    let replica = Replica::new();
    replica.0.record_correction(replica.at(seconds(5)));
    assert_eq!(replica.memory_source(seconds(5)), None);
}

#[test]
fn the_replicas_prove_freshness_while_the_database_is_down() {
    assert_eq!(OUTAGE.sources(seconds(10)), REPLICAS);
}

#[test]
fn a_heartbeat_counts_for_a_second_from_its_start() {
    let heartbeat = Duration::from_millis(9_500);
    assert_eq!(OUTAGE.sources(heartbeat + MAX_AGE), REPLICAS);
    assert_eq!(OUTAGE.sources(heartbeat + MAX_AGE + MOMENT), NEITHER);
}

#[test]
fn the_replicas_prove_nothing_without_a_heartbeat() {
    let silent = Outage {
        heartbeat: None,
        ..OUTAGE
    };
    assert_eq!(silent.sources(seconds(10)), NEITHER);
}

#[test]
fn the_replicas_prove_nothing_after_a_disconnection() {
    let replica = OUTAGE.replica();
    replica.0.record_disconnection();
    assert_eq!(replica.memory_source(seconds(10)), None);
    assert_eq!(replica.redis_source(seconds(10)), None);
}

#[test]
fn the_replicas_prove_nothing_while_polls_are_only_late() {
    let late = Outage {
        poll_fails: false,
        ..OUTAGE
    };
    assert_eq!(late.sources(seconds(10)), NEITHER);
}

#[test]
fn the_replicas_prove_nothing_after_a_gap_in_their_messages() {
    let with_gap = Outage {
        connected: Some(seconds(5) + MOMENT),
        ..OUTAGE
    };
    assert_eq!(with_gap.sources(seconds(10)), NEITHER);
    let replica = OUTAGE.replica();
    replica.0.record_disconnection();
    replica.0.record_connection(replica.at(seconds(9)));
    replica
        .0
        .record_heartbeat(replica.at(Duration::from_millis(9_500)));
    assert_eq!(replica.memory_source(seconds(10)), None, "a new connection");
    assert_eq!(replica.redis_source(seconds(10)), None);
    replica.0.record_poll(replica.at(seconds(9)));
    replica.0.record_poll_failure();
    assert_eq!(
        replica.memory_source(Duration::from_millis(10_100)),
        Some(FreshnessSource::Replicas),
        "a poll after the connection"
    );
}

#[test]
fn a_connection_at_the_start_of_the_last_poll_has_no_gap() {
    let just_in_time = Outage {
        connected: Some(seconds(5)),
        ..OUTAGE
    };
    assert_eq!(just_in_time.sources(seconds(10)), REPLICAS);
}

#[test]
fn the_replicas_prove_nothing_without_any_poll() {
    let never = Outage {
        polled: None,
        connected: None,
        ..OUTAGE
    };
    assert_eq!(never.sources(seconds(10)), NEITHER);
}

#[test]
fn the_replicas_prove_freshness_for_a_minute_at_most() {
    let long = Outage {
        heartbeat: Some(seconds(65)),
        ..OUTAGE
    };
    assert_eq!(long.sources(seconds(65)), REPLICAS);
    assert_eq!(long.sources(seconds(65) + MOMENT), NEITHER);
}

#[test]
fn the_store_proves_freshness_again_after_a_poll() {
    let replica = OUTAGE.replica();
    replica.0.record_poll(replica.at(seconds(10)));
    assert_eq!(
        replica.memory_source(seconds(11)),
        Some(FreshnessSource::Store)
    );
    // Redis has to be corrected first. Until then the database answers.
    assert_eq!(replica.redis_source(seconds(10)), None);
}

#[test]
fn the_poll_age_is_that_of_the_last_completed_poll() {
    let replica = Replica::new();
    replica.0.record_poll(replica.at(seconds(5)));
    replica.0.record_poll_failure();
    let age = replica.0.poll_age(replica.at(seconds(8)));
    assert_eq!(age, seconds(3));
}

#[cfg(feature = "removable-guards")]
mod removed {
    use super::*;

    #[test]
    fn without_the_poll_age_guard_the_store_is_always_a_source() {
        let freshness = FreshnessTracker::new(Guards::without(Guard::PollAge));
        let now = Instant::now();
        assert_eq!(
            freshness.snapshot().memory_source(now),
            Some(FreshnessSource::Store)
        );
        assert_eq!(
            freshness.snapshot().redis_source(now),
            Some(FreshnessSource::Store)
        );
    }

    #[test]
    fn without_the_reconnect_guard_a_gap_is_ignored() {
        let freshness = FreshnessTracker::new(Guards::without(Guard::Reconnect));
        let at = |after| freshness.origin + seconds(after);
        freshness.record_poll(at(5));
        freshness.record_poll_failure();
        freshness.record_connection(at(6));
        freshness.record_heartbeat(at(7));
        assert_eq!(
            freshness.snapshot().memory_source(at(7)),
            Some(FreshnessSource::Replicas)
        );
    }
}
