use super::*;

const MOMENT: Duration = Duration::from_millis(1);

/// A replica that has just begun, and the moments after that.
struct Replica(Freshness);

impl Replica {
    fn new() -> Self {
        Self(Freshness::new(Guards::default()))
    }

    fn at(&self, after: Duration) -> Instant {
        self.0.origin + after
    }

    fn voucher(&self, after: Duration) -> Option<Voucher> {
        self.0.stamps().voucher(self.at(after))
    }

    fn second_voucher(&self, after: Duration) -> Option<Voucher> {
        self.0.stamps().second_voucher(self.at(after))
    }
}

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// What a look needs, so that the other replicas vouch: each is there but those that a test leaves out.
#[derive(Clone, Copy)]
struct Away {
    linked: Option<Duration>,
    polled: Option<Duration>,
    fails: bool,
    beaten: Option<Duration>,
}

/// A link from the third second on; the last look in the fifth, then the database is gone; the link answers at 9.5 s.
const AWAY: Away = Away {
    linked: Some(seconds(3)),
    polled: Some(seconds(5)),
    fails: true,
    beaten: Some(Duration::from_millis(9_500)),
};

impl Away {
    fn replica(self) -> Replica {
        let replica = Replica::new();
        if let Some(linked) = self.linked {
            replica.0.linked(replica.at(linked));
        }
        if let Some(polled) = self.polled {
            replica.0.polled(replica.at(polled));
            replica.0.corrected(replica.at(polled));
        }
        if self.fails {
            replica.0.failed();
        }
        if let Some(beaten) = self.beaten {
            replica.0.beaten(replica.at(beaten));
        }
        replica
    }

    /// Asks, at a moment, for each tier.
    fn vouchers(self, after: Duration) -> [Option<Voucher>; 2] {
        let replica = self.replica();
        [replica.voucher(after), replica.second_voucher(after)]
    }
}

const NOBODY: [Option<Voucher>; 2] = [None, None];
const REPLICAS: [Option<Voucher>; 2] = [Some(Voucher::Replicas), Some(Voucher::Replicas)];

#[test]
fn nobody_vouches_before_the_first_look() {
    let replica = Replica::new();
    for after in [Duration::ZERO, MOMENT, seconds(1), seconds(100)] {
        assert_eq!(replica.voucher(after), None);
        assert_eq!(replica.second_voucher(after), None);
    }
}

#[test]
fn a_look_at_the_outbox_vouches_for_a_second_from_its_beginning() {
    let replica = Replica::new();
    replica.0.polled(replica.at(seconds(5)));
    assert_eq!(replica.voucher(seconds(5)), Some(Voucher::Store));
    assert_eq!(replica.voucher(seconds(6)), Some(Voucher::Store));
    assert_eq!(replica.voucher(seconds(6) + MOMENT), None);
    replica.0.polled(replica.at(seconds(6)));
    assert_eq!(replica.voucher(seconds(7)), Some(Voucher::Store));
}

#[test]
fn a_look_in_the_first_moment_counts() {
    let replica = Replica::new();
    replica.0.polled(replica.at(Duration::ZERO));
    assert_eq!(replica.voucher(Duration::ZERO), Some(Voucher::Store));
}

#[test]
fn a_look_that_fails_takes_nothing_from_the_one_before() {
    let replica = Replica::new();
    replica.0.polled(replica.at(seconds(5)));
    replica.0.failed();
    assert_eq!(replica.voucher(seconds(6)), Some(Voucher::Store));
    assert_eq!(replica.voucher(seconds(6) + MOMENT), None);
}

#[test]
fn for_what_is_in_redis_a_look_vouches_when_redis_was_corrected_by_it() {
    let replica = Replica::new();
    replica.0.polled(replica.at(seconds(5)));
    assert_eq!(replica.second_voucher(seconds(5)), None);
    replica.0.corrected(replica.at(seconds(5)));
    assert_eq!(replica.second_voucher(seconds(6)), Some(Voucher::Store));
    replica.0.polled(replica.at(seconds(6)));
    assert_eq!(replica.voucher(seconds(6) + MOMENT), Some(Voucher::Store));
    assert_eq!(replica.second_voucher(seconds(6) + MOMENT), None);
}

#[test]
fn a_correction_does_not_vouch_for_the_first_tier() {
    let replica = Replica::new();
    replica.0.corrected(replica.at(seconds(5)));
    assert_eq!(replica.voucher(seconds(5)), None);
}

#[test]
fn the_replicas_vouch_while_the_database_is_away() {
    assert_eq!(AWAY.vouchers(seconds(10)), REPLICAS);
}

#[test]
fn the_replicas_vouch_for_a_second_from_the_beginning_of_a_heartbeat() {
    let beaten = Duration::from_millis(9_500);
    assert_eq!(AWAY.vouchers(beaten + BOUND), REPLICAS);
    assert_eq!(AWAY.vouchers(beaten + BOUND + MOMENT), NOBODY);
}

#[test]
fn the_replicas_do_not_vouch_without_a_heartbeat() {
    let silent = Away {
        beaten: None,
        ..AWAY
    };
    assert_eq!(silent.vouchers(seconds(10)), NOBODY);
}

#[test]
fn the_replicas_do_not_vouch_once_the_link_is_down() {
    let replica = AWAY.replica();
    replica.0.unlinked();
    assert_eq!(replica.voucher(seconds(10)), None);
    assert_eq!(replica.second_voucher(seconds(10)), None);
}

#[test]
fn the_replicas_do_not_vouch_while_looks_are_merely_late() {
    let late = Away {
        fails: false,
        ..AWAY
    };
    assert_eq!(late.vouchers(seconds(10)), NOBODY);
}

#[test]
fn the_replicas_do_not_vouch_after_a_gap_in_their_news() {
    let with_gap = Away {
        linked: Some(seconds(5) + MOMENT),
        ..AWAY
    };
    assert_eq!(with_gap.vouchers(seconds(10)), NOBODY);
    let replica = AWAY.replica();
    replica.0.unlinked();
    replica.0.linked(replica.at(seconds(9)));
    replica.0.beaten(replica.at(Duration::from_millis(9_500)));
    assert_eq!(replica.voucher(seconds(10)), None, "a link made anew");
    assert_eq!(replica.second_voucher(seconds(10)), None);
    replica.0.polled(replica.at(seconds(9)));
    replica.0.failed();
    assert_eq!(
        replica.voucher(Duration::from_millis(10_100)),
        Some(Voucher::Replicas),
        "and looked at since"
    );
}

#[test]
fn the_replicas_vouch_when_the_link_came_up_as_the_last_look_began() {
    let just_in_time = Away {
        linked: Some(seconds(5)),
        ..AWAY
    };
    assert_eq!(just_in_time.vouchers(seconds(10)), REPLICAS);
}

#[test]
fn the_replicas_do_not_vouch_for_what_was_never_looked_at() {
    let never = Away {
        polled: None,
        linked: None,
        ..AWAY
    };
    assert_eq!(never.vouchers(seconds(10)), NOBODY);
}

#[test]
fn the_replicas_vouch_for_a_minute_without_the_database() {
    let long = Away {
        beaten: Some(seconds(65)),
        ..AWAY
    };
    assert_eq!(long.vouchers(seconds(65)), REPLICAS);
    assert_eq!(long.vouchers(seconds(65) + MOMENT), NOBODY);
}

#[test]
fn the_store_vouches_again_as_soon_as_it_is_back() {
    let replica = AWAY.replica();
    replica.0.polled(replica.at(seconds(10)));
    assert_eq!(replica.voucher(seconds(11)), Some(Voucher::Store));
    // Redis is to be corrected first; till then nobody vouches for it, and the database answers.
    assert_eq!(replica.second_voucher(seconds(10)), None);
}

#[test]
fn the_age_of_the_tail_is_that_of_its_last_look() {
    let replica = Replica::new();
    replica.0.polled(replica.at(seconds(5)));
    replica.0.failed();
    let age = replica.0.tail_age(replica.at(seconds(8)));
    assert_eq!(age, seconds(3));
}

#[cfg(feature = "removable-guards")]
mod removed {
    use super::*;

    #[test]
    fn without_the_age_of_looks_the_store_always_vouches() {
        let freshness = Freshness::new(Guards::without(Guard::PollAge));
        let now = Instant::now();
        assert_eq!(freshness.stamps().voucher(now), Some(Voucher::Store));
        assert_eq!(freshness.stamps().second_voucher(now), Some(Voucher::Store));
    }

    #[test]
    fn without_the_guard_of_reconnection_a_gap_is_overlooked() {
        let freshness = Freshness::new(Guards::without(Guard::Reconnect));
        let at = |after| freshness.origin + seconds(after);
        freshness.polled(at(5));
        freshness.failed();
        freshness.linked(at(6));
        freshness.beaten(at(7));
        assert_eq!(freshness.stamps().voucher(at(7)), Some(Voucher::Replicas));
    }
}
