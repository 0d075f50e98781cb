use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::{Instant, advance};
use user_domain::StoreError;
use user_domain::ports::{MockFollowCountMaintenance, PendingCountsBatch};
use user_domain::test_support::fakes::Fakes;

use super::*;

fn ports(upkeep: MockFollowCountMaintenance) -> Ports {
    Ports {
        follow_count_maintenance: Arc::new(upkeep),
        ..Fakes::default().ports()
    }
}

/// Advances the paused clock in steps, and lets the tasks run that are due.
async fn pass(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        advance(Duration::from_millis(10)).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
}

/// A port that counts its calls and returns this answer.
fn counting(
    answer: impl Fn(u32) -> Result<PendingCountsBatch, StoreError> + Send + 'static,
) -> (Arc<AtomicU32>, MockFollowCountMaintenance) {
    let calls = Arc::new(AtomicU32::new(0));
    let mut upkeep = MockFollowCountMaintenance::new();
    let counted = calls.clone();
    upkeep
        .expect_apply_pending()
        .returning(move || answer(counted.fetch_add(1, Ordering::Relaxed)));
    (calls, upkeep)
}

#[tokio::test(start_paused = true)]
async fn pending_counts_are_looked_for_every_second_and_completed_in_batches() {
    let (calls, upkeep) = counting(|call| {
        Ok(PendingCountsBatch {
            relationships: 500,
            waiting: 1,
            has_more: call < 4,
        })
    });
    let group = WorkerGroup::default();
    start(&group, &ports(upkeep));
    pass(INTERVAL + BATCH_PAUSE * 6).await;
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    pass(INTERVAL).await;
    assert_eq!(calls.load(Ordering::Relaxed), 6);
    group.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_store_failure_the_worker_waits_longer() {
    let (calls, upkeep) =
        counting(|_| Err(StoreError::Unavailable("the pool is empty".to_owned())));
    let group = WorkerGroup::default();
    start(&group, &ports(upkeep));
    pass(INTERVAL + RETRY_INTERVAL / 2).await;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    pass(RETRY_INTERVAL).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    group.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_batch_starts_after_a_stop() {
    let (calls, upkeep) = counting(|_| {
        Ok(PendingCountsBatch {
            relationships: 500,
            waiting: 1,
            has_more: true,
        })
    });
    let group = WorkerGroup::default();
    start(&group, &ports(upkeep));
    pass(INTERVAL + BATCH_PAUSE * 3).await;
    group.stop().await;
    let calls_at_stop = calls.load(Ordering::Relaxed);
    assert!(calls_at_stop > 1);
    pass(INTERVAL * 2).await;
    assert_eq!(calls.load(Ordering::Relaxed), calls_at_stop);
}
