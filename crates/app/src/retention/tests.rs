use tokio::time::{Instant, advance};
use user_domain::StoreError;
use user_domain::ports::{MockRetention, Purged, UserKey, UserReader as _, UserWriter as _};
use user_domain::test_support::fakes::{Fakes, FixedClock};
use user_domain::test_support::samples;
use user_domain::user::{Change, User};
use user_domain::values::UserId;

use super::*;

/// Ports on fakes whose clock stands where a user deleted in it is over its time.
async fn with_a_leaver() -> (Fakes, Ports, UserId) {
    let fakes = Fakes::default();
    let leaver = samples::registered(&samples::new_user("leaver"), &samples::context());
    let id = leaver.user.id;
    fakes.store.put(&leaver);
    let context = samples::context();
    let deleted = fakes.store.change(id, &Change::Delete, &context).await;
    deleted.unwrap();
    let now = samples::start().plus(User::RESTORABLE);
    let ports = Ports {
        clock: Arc::new(FixedClock::from(now)),
        ..fakes.ports()
    };
    (fakes, ports, id)
}

async fn is_there(fakes: &Fakes, id: UserId) -> bool {
    fakes.store.find(&UserKey::Id(id)).await.unwrap().is_some()
}

/// Lets time pass, and everybody do what it is time for.
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
async fn the_first_run_comes_some_minutes_after_the_start_and_not_at_once() {
    let (fakes, ports, leaver) = with_a_leaver().await;
    let retention = Retention::start(&ports, true);
    pass(FIRST.saturating_sub(Duration::from_secs(30))).await;
    assert!(is_there(&fakes, leaver).await);
    pass(SPREAD + Duration::from_mins(1)).await;
    assert!(!is_there(&fakes, leaver).await);
    retention.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_comes_every_hour_though_the_ones_before_it_failed() {
    let (_, ports, _) = with_a_leaver().await;
    let mut failing = MockRetention::new();
    failing
        .expect_expired()
        .times(3)
        .returning(|_, _| Err(StoreError::Unavailable("the pool is empty".to_owned())));
    failing
        .expect_purge()
        .times(12)
        .returning(|_, _| Err(StoreError::Unavailable("the pool is empty".to_owned())));
    let ports = Ports {
        retention: Arc::new(failing),
        ..ports
    };
    let retention = Retention::start(&ports, true);
    pass(FIRST + SPREAD + INTERVAL * 2).await;
    retention.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_removed_while_it_is_switched_off() {
    let (fakes, ports, leaver) = with_a_leaver().await;
    let retention = Retention::start(&ports, false);
    pass(INTERVAL * 3).await;
    assert!(is_there(&fakes, leaver).await);
    retention.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_of_a_run_lets_no_other_batch_begin() {
    let (_, ports, _) = with_a_leaver().await;
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
    let retention = Retention::start(&ports, true);
    pass(FIRST + SPREAD + Duration::from_secs(30)).await;
    let runs = retention.runs.abort_handle();
    assert!(!runs.is_finished());
    retention.stop().await;
    assert!(runs.is_finished());
}
