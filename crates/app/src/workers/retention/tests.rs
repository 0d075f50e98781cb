use tokio::time::{Instant, advance};
use user_domain::StoreError;
use user_domain::ports::{MockRetention, Purged, UserKey, UserReader as _, UserWriter as _};
use user_domain::test_support::fakes::{Fakes, FixedClock, with_clock};
use user_domain::test_support::samples;
use user_domain::user::{Change, User};
use user_domain::values::UserId;

use super::*;

/// Fakes with a deleted user, and a clock at the time at which that user is due for removal.
async fn with_expired_user() -> (Fakes, Ports, UserId) {
    let fakes = Fakes::default();
    let leaver = samples::registered(&samples::new_user("leaver"), &samples::context());
    let id = leaver.user.id;
    fakes.store.put(&leaver);
    let context = samples::context();
    let deleted = fakes.store.change(id, &Change::Delete, &context).await;
    deleted.unwrap();
    let now = samples::start().plus(User::RESTORE_PERIOD);
    let ports = with_clock(&Arc::new(FixedClock::from(now)), fakes.ports());
    (fakes, ports, id)
}

async fn exists(fakes: &Fakes, id: UserId) -> bool {
    fakes.store.find(&UserKey::Id(id)).await.unwrap().is_some()
}

/// Advances the paused clock in steps, and lets the tasks run that are due.
async fn pass(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        tokio::task::yield_now().await;
        advance(Duration::from_secs(10)).await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_run_is_minutes_after_the_start() {
    let (fakes, ports, leaver) = with_expired_user().await;
    let group = WorkerGroup::default();
    start(&group, &ports, true);
    pass(MIN_FIRST_DELAY.saturating_sub(Duration::from_secs(30))).await;
    assert!(exists(&fakes, leaver).await);
    pass(MAX_FIRST_JITTER + Duration::from_mins(1)).await;
    assert!(!exists(&fakes, leaver).await);
    group.stop().await;
}

#[tokio::test(start_paused = true)]
async fn runs_continue_every_hour_after_failures() {
    let (_, ports, _) = with_expired_user().await;
    let mut failing = MockRetention::new();
    failing
        .expect_expired()
        .times(3)
        .returning(|_, _| Err(StoreError::Unavailable("the pool is empty".to_owned())));
    failing
        .expect_purge()
        .times(15)
        .returning(|_, _| Err(StoreError::Unavailable("the pool is empty".to_owned())));
    let ports = Ports {
        retention: Arc::new(failing),
        ..ports
    };
    let group = WorkerGroup::default();
    start(&group, &ports, true);
    pass(MIN_FIRST_DELAY + MAX_FIRST_JITTER + INTERVAL * 2).await;
    group.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_disabled_worker_removes_nothing() {
    let (fakes, ports, leaver) = with_expired_user().await;
    let group = WorkerGroup::default();
    start(&group, &ports, false);
    pass(INTERVAL * 3).await;
    assert!(exists(&fakes, leaver).await);
    group.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_run_prevents_the_next_batch() {
    let (_, ports, _) = with_expired_user().await;
    let mut endless = MockRetention::new();
    endless.expect_expired().returning(|_, _| Ok(Vec::new()));
    endless.expect_purge().returning(|_, _| {
        Ok(Purged {
            removed: 1,
            has_more: true,
        })
    });
    let ports = Ports {
        retention: Arc::new(endless),
        ..ports
    };
    let group = WorkerGroup::default();
    start(&group, &ports, true);
    pass(MIN_FIRST_DELAY + MAX_FIRST_JITTER + Duration::from_secs(30)).await;
    assert!(!group.is_empty());
    group.stop().await;
    assert!(group.is_empty());
}
