//! Removing what is over its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::Denied;
use crate::ports::{ExpiredUser, Lookup, MockRetention, Purged, Records, UserKey};
use crate::test_support::fakes::FixedClock;
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{
    administrator, call, context_under, person, rename, seconds, service, start, user_id,
};
use crate::use_cases::*;
use crate::user::{Change, User};
use crate::values::Timestamp;
use crate::write::NAME_REST;

/// A pace without rests that ends after this many.
struct RestsUntil(usize, AtomicUsize);

impl RestsUntil {
    fn rests(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Pace for RestsUntil {
    async fn rest(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.rests() >= self.0
    }
}

fn without_end() -> RestsUntil {
    RestsUntil(usize::MAX, AtomicUsize::new(0))
}

fn away() -> StoreError {
    StoreError::Unavailable("the pool is empty".to_owned())
}

/// Use cases on the fakes at a moment.
fn at(fakes: &Fakes, now: Timestamp) -> UseCases {
    UseCases::new(&Ports {
        clock: Arc::new(FixedClock::from(now)),
        ..fakes.ports()
    })
}

/// Use cases on this retention, a clock and ids.
fn with_retention(retention: MockRetention) -> UseCases {
    let fakes = Fakes::default();
    UseCases::new(&Ports {
        retention: Arc::new(retention),
        clock: fakes.clock,
        ids: fakes.ids,
        ..untouched_ports()
    })
}

async fn purge(on: &UseCases) -> PurgeReport {
    let pace = without_end();
    on.purge_expired
        .run(&Caller::Operator, &pace)
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

async fn change(fakes: &Fakes, id: UserId, change: &Change) {
    fakes.store.change(id, change, &context()).await.unwrap();
}

#[tokio::test]
async fn what_is_over_its_time_goes_and_the_rest_stays() {
    let fakes = Fakes::default();
    let (leaver, stayer) = (
        stored_user(&fakes, "leaver").user.id,
        stored_user(&fakes, "stayer").user.id,
    );
    change(&fakes, leaver, &Change::Delete).await;
    let under_a_key = context_under("key", 1);
    let rename = rename("stays");
    let renamed = fakes.store.change(stayer, &rename, &under_a_key).await;
    renamed.unwrap();

    let almost = start()
        .plus(User::RESTORABLE)
        .minus(Duration::from_micros(1));
    let report = purge(&at(&fakes, almost)).await;
    let expected = [
        ("users", 0),
        ("events", 0),
        ("idempotency_keys", 1),
        ("usernames", 0),
        ("login_attempts", 0),
    ];
    assert_eq!(counts(&report), expected);
    assert!(report.is_whole());

    // Four events of the past; the leaver's erasure is one of today.
    let now = start().plus(User::RESTORABLE);
    let report = purge(&at(&fakes, now)).await;
    let expected = [
        ("users", 1),
        ("events", 4),
        ("idempotency_keys", 0),
        ("usernames", 0),
        ("login_attempts", 0),
    ];
    assert_eq!(counts(&report), expected);
    let left = fakes.store.about(leaver).await.unwrap();
    let left: Vec<_> = left
        .iter()
        .map(|event| (event.kind, event.actor.as_str(), event.at))
        .collect();
    assert_eq!(left, [(EventKind::Erased, "retention", now)]);

    let report = purge(&at(&fakes, now.plus(NAME_REST))).await;
    let expected = [
        ("users", 0),
        ("events", 1),
        ("idempotency_keys", 0),
        ("usernames", 2),
        ("login_attempts", 0),
    ];
    assert_eq!(counts(&report), expected);
    let stayer = fakes.store.find(&UserKey::Id(stayer)).await.unwrap();
    assert_eq!(stayer.unwrap().username.as_str(), "stays");
}

#[tokio::test]
async fn nobody_but_the_operator_purges() {
    let on = UseCases::new(&untouched_ports());
    for caller in [service("auth"), administrator(), person(user_id())] {
        let purged = on.purge_expired.run(&caller, &without_end()).await;
        assert_eq!(purged, Err(Denied::Forbidden), "{caller:?}");
    }
}

#[tokio::test]
async fn the_cache_forgets_whom_time_erased() {
    let fakes = Fakes::default();
    let leaver = stored_user(&fakes, "leaver").user.id;
    let now = start().plus(User::RESTORABLE);
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
    purge(&at(&fakes, now.plus(User::RESTORABLE))).await;
    assert!(matches!(
        fakes.cache.look_up(&[leaver]).await.pop(),
        Some(Lookup::Miss(..))
    ));
}

#[tokio::test]
async fn the_cache_forgets_whom_time_may_have_erased_and_nobody_else() {
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
    let known = fakes.cache.look_up(&ids).await;
    assert!(
        matches!(known.as_slice(), [Lookup::Miss(..), Lookup::Hit(_)]),
        "{known:?}"
    );
}

#[tokio::test]
async fn a_kind_that_fails_does_not_keep_the_others_from_being_purged() {
    let mut store = MockRetention::new();
    store
        .expect_expired()
        .times(1)
        .returning(|_, _| Err(away()));
    store
        .expect_purge()
        .times(4)
        .returning(|records, _| match records {
            Records::IdempotencyKeys => Err(away()),
            Records::Events | Records::Usernames | Records::LoginAttempts => Ok(Purged {
                removed: 7,
                has_more: false,
            }),
        });
    let report = purge(&with_retention(store)).await;
    let expected = [
        ("users", 0),
        ("events", 7),
        ("idempotency_keys", 0),
        ("usernames", 7),
        ("login_attempts", 7),
    ];
    assert_eq!(counts(&report), expected);
    let failures: Vec<_> = report
        .kinds
        .iter()
        .map(|done| done.failure.clone())
        .collect();
    assert_eq!(failures, [Some(away()), None, Some(away()), None, None]);
    assert!(report.has_failed() && !report.is_whole());
}

fn expired(number: u64) -> ExpiredUser {
    ExpiredUser {
        deleted_at: seconds(number),
        id: user_id(),
    }
}

#[tokio::test]
async fn a_user_that_cannot_be_read_does_not_keep_the_next_batch_from_being_erased() {
    let (broken, sound, next) = (expired(1), expired(2), expired(3));
    let mut store = MockRetention::new();
    store.expect_expired().times(3).returning(move |_, after| {
        Ok(match after {
            None => vec![broken, sound],
            Some(place) if place == sound => vec![next],
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
async fn a_store_that_is_away_is_not_asked_for_each_user() {
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
async fn a_purge_rests_between_batches_and_can_be_stopped_there() {
    let mut store = MockRetention::new();
    store
        .expect_expired()
        .times(1)
        .returning(|_, _| Ok(Vec::new()));
    store.expect_purge().times(3).returning(|records, _| {
        assert_eq!(records, Records::Events, "it was stopped before the others");
        Ok(Purged {
            removed: 5,
            has_more: true,
        })
    });
    let pace = RestsUntil(3, AtomicUsize::new(0));
    let on = with_retention(store);
    let report = on
        .purge_expired
        .run(&Caller::Operator, &pace)
        .await
        .unwrap();
    assert_eq!(counts(&report), [("users", 0), ("events", 15)]);
    assert_eq!(pace.rests(), 3);
    assert!(report.was_stopped && !report.is_whole() && !report.has_failed());
}

#[tokio::test]
async fn a_stopped_purge_touches_nothing_more() {
    let pace = RestsUntil(0, AtomicUsize::new(0));
    let on = with_retention(MockRetention::new());
    let report = on
        .purge_expired
        .run(&Caller::Operator, &pace)
        .await
        .unwrap();
    assert!(report.was_stopped);
}

#[tokio::test]
async fn a_restored_user_outlives_every_purge() {
    let fakes = Fakes::default();
    let id = stored_user(&fakes, "alice").user.id;
    for kind in [Change::Delete, Change::Restore, call("Alice")] {
        change(&fakes, id, &kind).await;
    }
    purge(&at(&fakes, start().plus(User::RESTORABLE * 100))).await;
    let found = fakes.store.find(&UserKey::Id(id)).await.unwrap();
    assert_eq!(found.map(|user| user.version.get()), Some(4));
}
