use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::time::{Instant, advance};
use user_domain::StoreError;
use user_domain::ports::{MockRelationshipUpkeep, Settled};
use user_domain::test_support::fakes::Fakes;

use super::*;

fn ports(upkeep: MockRelationshipUpkeep) -> Ports {
    Ports {
        relationship_upkeep: Arc::new(upkeep),
        ..Fakes::default().ports()
    }
}

/// Lets time pass, and everybody do what it is time for.
async fn pass(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        advance(Duration::from_millis(10)).await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
}

/// An upkeep that counts how often it is asked, and answers like this.
fn counting(
    answer: impl Fn(u32) -> Result<Settled, StoreError> + Send + 'static,
) -> (Arc<AtomicU32>, MockRelationshipUpkeep) {
    let calls = Arc::new(AtomicU32::new(0));
    let mut upkeep = MockRelationshipUpkeep::new();
    let counted = calls.clone();
    upkeep
        .expect_settle()
        .returning(move || answer(counted.fetch_add(1, Ordering::Relaxed)));
    (calls, upkeep)
}

#[tokio::test(start_paused = true)]
async fn somebody_to_settle_with_is_looked_for_every_second_and_settled_with_to_the_end() {
    let (calls, upkeep) = counting(|call| {
        Ok(Settled {
            relationships: 500,
            waiting: 1,
            has_more: call < 4,
        })
    });
    let settling = Settling::start(&ports(upkeep));
    pass(INTERVAL + REST * 6).await;
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    pass(INTERVAL).await;
    assert_eq!(calls.load(Ordering::Relaxed), 6);
    settling.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_has_failed_is_left_alone_for_a_while() {
    let (calls, upkeep) =
        counting(|_| Err(StoreError::Unavailable("the pool is empty".to_owned())));
    let settling = Settling::start(&ports(upkeep));
    pass(INTERVAL + RETRY / 2).await;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    pass(RETRY).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    settling.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_no_other_batch_begin() {
    let (calls, upkeep) = counting(|_| {
        Ok(Settled {
            relationships: 500,
            waiting: 1,
            has_more: true,
        })
    });
    let settling = Settling::start(&ports(upkeep));
    pass(INTERVAL + REST * 3).await;
    settling.stop().await;
    let then = calls.load(Ordering::Relaxed);
    assert!(then > 1);
    pass(INTERVAL * 2).await;
    assert_eq!(calls.load(Ordering::Relaxed), then);
}
