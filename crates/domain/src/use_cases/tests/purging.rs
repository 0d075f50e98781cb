//! Purging of expired records.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::Denied;
use crate::ports::{
    ClockReading, ExpiredUser, Lookup, MockRetention, MockStoreClock, Purged, Records, UserKey,
};
use crate::test_support::fakes::{FixedClock, with_clock};
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{
    administrator, context_with_key, person, rename, seconds, service, set_name, start, user_id,
};
use crate::use_cases::*;
use crate::user::{Change, User};
use crate::values::Timestamp;
use crate::write::USERNAME_RESERVATION;

/// A throttle that does not wait and stops after a number of waits.
struct StopAfter(usize, AtomicUsize);

impl StopAfter {
    fn waits(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl BatchThrottle for StopAfter {
    async fn pause(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }

    fn should_stop(&self) -> bool {
        self.waits() >= self.0
    }
}

fn without_end() -> StopAfter {
    StopAfter(usize::MAX, AtomicUsize::new(0))
}

/// Use cases on the fakes at a fixed time.
fn at(fakes: &Fakes, now: Timestamp) -> UseCases {
    let clock = Arc::new(FixedClock::from(now));
    UseCases::new(&with_clock(&clock, fakes.ports()))
}

/// Use cases on a retention port, a clock and ids.
fn with_retention(retention: MockRetention) -> UseCases {
    let fakes = Fakes::default();
    UseCases::new(&Ports {
        retention: Arc::new(retention),
        clock: fakes.clock.clone(),
        store_clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    })
}

async fn purge(on: &UseCases) -> PurgeReport {
    let throttle = without_end();
    on.purge_expired
        .run(&Caller::Operator, &throttle)
        .await
        .unwrap()
}

fn counts(report: &PurgeReport) -> Vec<(&'static str, u64)> {
    report
        .kinds
        .iter()
        .map(|done| (done.kind, done.removed))
        .collect()
}

const NOTHING: Purged = Purged {
    removed: 0,
    has_more: false,
};

#[tokio::test]
async fn a_purge_removes_expired_records_and_keeps_the_rest() {
    let fakes = Fakes::default();
    let (leaver, stayer) = (
        stored_user(&fakes, "leaver").user.id,
        stored_user(&fakes, "stayer").user.id,
    );
    change_user(&fakes, leaver, &Change::Delete).await;
    let under_a_key = context_with_key("key", 1);
    let rename = rename("stays");
    let renamed = fakes.store.change(stayer, &rename, &under_a_key).await;
    renamed.unwrap();

    let almost = start()
        .plus(User::RESTORE_PERIOD)
        .minus(Duration::from_micros(1));
    let report = purge(&at(&fakes, almost)).await;
    let expected = [
        ("users", 0),
        ("events", 0),
        ("idempotency_keys", 1),
        ("usernames", 0),
        ("login_attempts", 0),
        ("erasures", 0),
    ];
    assert_eq!(counts(&report), expected);
    assert!(report.is_whole());

    // The four old events. The erasure event of the leaver is new.
    let now = start().plus(User::RESTORE_PERIOD);
    let report = purge(&at(&fakes, now)).await;
    let expected = [
        ("users", 1),
        ("events", 4),
        ("idempotency_keys", 0),
        ("usernames", 0),
        ("login_attempts", 0),
        ("erasures", 0),
    ];
    assert_eq!(counts(&report), expected);
    let remaining = events_of(&*fakes.store, leaver).await;
    let remaining: Vec<_> = remaining
        .iter()
        .map(|event| (event.kind, event.actor.as_str(), event.at))
        .collect();
    assert_eq!(remaining, [(EventKind::Erased, "retention", now)]);

    let report = purge(&at(&fakes, now.plus(USERNAME_RESERVATION))).await;
    let expected = [
        ("users", 0),
        ("events", 1),
        ("idempotency_keys", 0),
        ("usernames", 2),
        ("login_attempts", 0),
        ("erasures", 1),
    ];
    assert_eq!(counts(&report), expected);
    let stayer = fakes.store.find(&UserKey::Id(stayer)).await.unwrap();
    assert_eq!(stayer.unwrap().username.as_str(), "stays");
}

#[tokio::test]
async fn only_the_operator_may_purge() {
    let on = UseCases::new(&untouched_ports());
    for caller in [service("auth"), administrator(), person(user_id())] {
        let purged = on.purge_expired.run(&caller, &without_end()).await;
        assert_eq!(purged, Err(Denied::Forbidden.into()), "{caller:?}");
    }
}

/// A call of the retention port would fail the test.
#[tokio::test]
async fn nothing_is_removed_while_the_clocks_differ_by_more_than_a_minute() {
    let skew = PurgeExpired::MAX_CLOCK_SKEW + Duration::from_micros(1);
    for (store, machine) in [(start(), start().plus(skew)), (start().plus(skew), start())] {
        let clocks = ClockReading { store, machine };
        let mut store_clock = MockStoreClock::new();
        store_clock.expect_read().returning(move || Ok(clocks));
        let on = UseCases::new(&Ports {
            store_clock: Arc::new(store_clock),
            ..untouched_ports()
        });
        let throttle = without_end();
        let purged = on.purge_expired.run(&Caller::Operator, &throttle);
        assert_eq!(purged.await, Err(PurgeError::ClocksDiffer(clocks)));
    }
}

#[tokio::test]
async fn the_store_clock_decides_which_records_expired() {
    let fakes = Fakes::default();
    let leaver = stored_user(&fakes, "leaver").user.id;
    change_user(&fakes, leaver, &Change::Delete).await;
    let due = start().plus(User::RESTORE_PERIOD);
    for (early, is_stored) in [(1, true), (0, false)] {
        let early = Duration::from_micros(early);
        let clocks = ClockReading {
            store: due.minus(early),
            machine: due.minus(early).plus(PurgeExpired::MAX_CLOCK_SKEW),
        };
        let mut store_clock = MockStoreClock::new();
        store_clock.expect_read().returning(move || Ok(clocks));
        let on = UseCases::new(&Ports {
            store_clock: Arc::new(store_clock),
            clock: Arc::new(FixedClock::from(due.plus(User::RESTORE_PERIOD))),
            ..fakes.ports()
        });
        purge(&on).await;
        let found = fakes.store.find(&UserKey::Id(leaver)).await.unwrap();
        assert_eq!(found.is_some(), is_stored);
    }
}

#[tokio::test]
async fn a_purge_removes_erased_users_from_the_cache() {
    let fakes = Fakes::default();
    let leaver = stored_user(&fakes, "leaver").user.id;
    let now = start().plus(User::RESTORE_PERIOD);
    let on = at(&fakes, now);
    let deleted = on
        .delete_user
        .run(&service("auth"), leaver, unconditional())
        .await;
    deleted.unwrap();
    assert!(matches!(
        fakes.cache.look_up(&[leaver]).await.pop(),
        Some(Lookup::Hit(_))
    ));
    purge(&at(&fakes, now.plus(User::RESTORE_PERIOD))).await;
    assert!(matches!(
        fakes.cache.look_up(&[leaver]).await.pop(),
        Some(Lookup::Miss(..))
    ));
}

#[tokio::test]
async fn the_cache_drops_possibly_erased_users_only() {
    let fakes = Fakes::default();
    let named = ["perhaps.erased", "restored"].map(|name| stored_user(&fakes, name).user);
    let ids = named.clone().map(|user| user.id);
    let mut store = MockRetention::new();
    let mut outcomes = vec![Ok(false), Err(StoreError::OutcomeUnknown(String::new()))];
    store
        .expect_erase_expired()
        .times(2)
        .returning(move |_, _| outcomes.pop().unwrap());
    let retention = Ports {
        retention: Arc::new(store),
        ..fakes.ports()
    }
    .cached_retention();
    for user in named {
        let lease = fakes.cache.lease(user.id);
        fakes.cache.put(lease, Arc::new(user.clone())).await;
        let _ = retention.erase_expired(user.id, &context()).await;
    }
    let lookups = fakes.cache.look_up(&ids).await;
    assert!(
        matches!(lookups.as_slice(), [Lookup::Miss(..), Lookup::Hit(_)]),
        "{lookups:?}"
    );
}

#[tokio::test]
async fn a_failed_record_kind_does_not_stop_the_others() {
    let mut store = MockRetention::new();
    store
        .expect_expired()
        .times(1)
        .returning(|_, _| Err(away()));
    store
        .expect_purge()
        .times(5)
        .returning(|records, _| match records {
            Records::IdempotencyKeys => Err(away()),
            Records::Events | Records::Usernames | Records::LoginAttempts | Records::Erasures => {
                Ok(Purged {
                    removed: 7,
                    has_more: false,
                })
            }
        });
    let report = purge(&with_retention(store)).await;
    let expected = [
        ("users", 0),
        ("events", 7),
        ("idempotency_keys", 0),
        ("usernames", 7),
        ("login_attempts", 7),
        ("erasures", 7),
    ];
    assert_eq!(counts(&report), expected);
    let failures: Vec<_> = report
        .kinds
        .iter()
        .map(|done| done.failure.clone())
        .collect();
    assert_eq!(
        failures,
        [Some(away()), None, Some(away()), None, None, None]
    );
    assert!(report.has_failed() && !report.is_whole());
}

fn expired(number: u64) -> ExpiredUser {
    ExpiredUser {
        deleted_at: seconds(number),
        id: user_id(),
    }
}

#[tokio::test]
async fn an_unreadable_user_does_not_stop_the_next_batch() {
    let (broken, valid, next) = (expired(1), expired(2), expired(3));
    let mut store = MockRetention::new();
    store.expect_expired().times(3).returning(move |_, after| {
        Ok(match after {
            None => vec![broken, valid],
            Some(place) if place == valid => vec![next],
            Some(_) => Vec::new(),
        })
    });
    store
        .expect_erase_expired()
        .times(3)
        .returning(move |id, _| {
            if id == broken.id {
                return Err(StoreError::Internal("a column is broken".to_owned()));
            }
            Ok(true)
        });
    store.expect_purge().returning(|_, _| Ok(NOTHING));
    let report = purge(&with_retention(store)).await;
    assert_eq!(counts(&report)[0], ("users", 2));
    assert!(report.has_failed());
}

#[tokio::test]
async fn an_unavailable_store_is_called_once_per_purge() {
    let mut store = MockRetention::new();
    store
        .expect_expired()
        .times(1)
        .returning(|_, _| Ok(vec![expired(1), expired(2)]));
    store
        .expect_erase_expired()
        .times(1)
        .returning(|_, _| Err(away()));
    store.expect_purge().returning(|_, _| Ok(NOTHING));
    assert!(purge(&with_retention(store)).await.has_failed());
}

#[tokio::test]
async fn a_purge_waits_and_can_be_stopped_between_batches() {
    let mut store = MockRetention::new();
    store
        .expect_expired()
        .times(1)
        .returning(|_, _| Ok(Vec::new()));
    store.expect_purge().times(3).returning(|records, _| {
        assert_eq!(
            records,
            Records::Events,
            "the run stops before the other kinds"
        );
        Ok(Purged {
            removed: 5,
            has_more: true,
        })
    });
    let throttle = StopAfter(3, AtomicUsize::new(0));
    let on = with_retention(store);
    let report = on
        .purge_expired
        .run(&Caller::Operator, &throttle)
        .await
        .unwrap();
    assert_eq!(counts(&report), [("users", 0), ("events", 15)]);
    assert_eq!(throttle.waits(), 3);
    assert!(report.was_stopped && !report.is_whole() && !report.has_failed());
}

#[tokio::test]
async fn a_stopped_purge_makes_no_more_calls() {
    let throttle = StopAfter(0, AtomicUsize::new(0));
    let on = with_retention(MockRetention::new());
    let report = on
        .purge_expired
        .run(&Caller::Operator, &throttle)
        .await
        .unwrap();
    assert!(report.was_stopped);
}

#[tokio::test]
async fn a_restored_user_is_never_purged() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    for kind in [Change::Delete, Change::Restore, set_name("Alice")] {
        change_user(&fakes, id, &kind).await;
    }
    purge(&at(&fakes, start().plus(User::RESTORE_PERIOD * 100))).await;
    let found = fakes.store.find(&UserKey::Id(id)).await.unwrap();
    assert_eq!(found.map(|user| user.version.get()), Some(4));
}
