//! The upkeep of counts.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::ports::{MockRelationshipUpkeep, Recounted, Settled};

/// A pace that ends after so many rests.
struct Rests(usize, AtomicUsize);

#[async_trait]
impl Pace for Rests {
    async fn rest(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.1.load(Ordering::SeqCst) >= self.0
    }
}

fn until(rests: usize) -> Rests {
    Rests(rests, AtomicUsize::new(0))
}

fn tending(upkeep: MockRelationshipUpkeep) -> TendRelationships {
    let ports = Ports {
        relationship_upkeep: Arc::new(upkeep),
        clock: Arc::new(SteppingClock::from(start())),
        ..untouched_ports()
    };
    UseCases::new(&ports).tend_relationships
}

fn settling(batches: usize) -> MockRelationshipUpkeep {
    let mut upkeep = MockRelationshipUpkeep::new();
    let mut left = batches;
    upkeep.expect_settle().times(batches).returning(move || {
        left -= 1;
        Ok(Settled {
            relationships: 10,
            waiting: u64::try_from(left).unwrap(),
            has_more: left > 0,
        })
    });
    upkeep
}

#[tokio::test]
async fn only_who_runs_the_service_tends_relationships() {
    for caller in [person(user_id()), administrator(), service("feed")] {
        let tend = UseCases::new(&untouched_ports()).tend_relationships;
        let denied = TendRelationshipsError::Denied(Denied::Forbidden);
        let settled = tend.settle(&caller, &until(9), |_| {}).await;
        assert_eq!(settled, Err(denied.clone()));
        assert_eq!(tend.recount(&caller, &until(9), |_| {}).await, Err(denied));
    }
}

#[tokio::test]
async fn settling_goes_on_until_nothing_is_left_and_adds_up_what_it_did() {
    let pace = until(usize::MAX);
    let settled = tending(settling(4))
        .settle(&Caller::Operator, &pace, |_| {})
        .await;
    let done = Settled {
        relationships: 40,
        waiting: 0,
        has_more: false,
    };
    assert_eq!((settled, pace.1.into_inner()), (Ok(done), 3));
}

#[tokio::test]
async fn settling_stops_where_its_time_is_over_and_says_what_is_left() {
    let mut upkeep = MockRelationshipUpkeep::new();
    let batch = Settled {
        relationships: 10,
        waiting: 5,
        has_more: true,
    };
    upkeep.expect_settle().times(3).returning(move || Ok(batch));
    let settled = tending(upkeep)
        .settle(&Caller::Operator, &until(2), |_| {})
        .await;
    let done = Settled {
        relationships: 30,
        ..batch
    };
    assert_eq!(settled, Ok(done));
}

#[tokio::test]
async fn a_recount_goes_on_to_its_end_and_adds_up_what_was_wrong() {
    let batch = Recounted {
        users: 200,
        followers_drift: 2,
        following_drift: 1,
        has_more: true,
    };
    for (batches, rests) in [(3_u64, usize::MAX), (2, 1)] {
        let mut upkeep = MockRelationshipUpkeep::new();
        let mut calls = 0;
        let times = usize::try_from(batches).unwrap();
        upkeep.expect_recount().times(times).returning(move |_| {
            calls += 1;
            Ok(Recounted {
                has_more: calls < 3,
                ..batch
            })
        });
        let recounted = tending(upkeep)
            .recount(&Caller::Operator, &until(rests), |_| {})
            .await;
        let done = Recounted {
            users: 200 * batches,
            followers_drift: 2 * batches,
            following_drift: batches,
            has_more: batches < 3,
        };
        assert_eq!(recounted, Ok(done));
    }
}

#[tokio::test]
async fn a_failure_ends_the_settling_and_is_told() {
    let away = StoreError::Unavailable("the pool is empty".to_owned());
    let mut upkeep = MockRelationshipUpkeep::new();
    let error = away.clone();
    upkeep.expect_settle().times(1).return_once(|| Err(error));
    let tend = tending(upkeep);
    let settled = tend.settle(&Caller::Operator, &until(9), |_| {}).await;
    assert_eq!(settled, Err(TendRelationshipsError::Store(away)));
}

#[tokio::test]
async fn a_recount_goes_on_behind_a_batch_that_failed_and_tells_of_the_others() {
    let batch = Recounted {
        users: 200,
        followers_drift: 3,
        following_drift: 0,
        has_more: true,
    };
    let away = StoreError::Unavailable("the pool is empty".to_owned());
    let failing = |failures: u32| {
        let (mut upkeep, error) = (MockRelationshipUpkeep::new(), away.clone());
        let mut calls = 0;
        upkeep.expect_recount().returning(move |_| {
            calls += 1;
            match calls {
                1 => Ok(batch),
                call if call <= 1 + failures => Err(error.clone()),
                _ => Ok(Recounted {
                    has_more: false,
                    ..batch
                }),
            }
        });
        tending(upkeep)
    };
    let drift = std::sync::atomic::AtomicU64::new(0);
    let note = |batch: &Recounted| {
        let order = std::sync::atomic::Ordering::Relaxed;
        drift.fetch_add(batch.followers_drift, order);
    };
    let pace = until(usize::MAX);
    let few = failing(TendRelationships::MOST_FAILURES - 1);
    let recounted = few.recount(&Caller::Operator, &pace, note).await;
    assert_eq!(recounted.unwrap().followers_drift, 6);
    let many = failing(TendRelationships::MOST_FAILURES);
    let recounted = many.recount(&Caller::Operator, &pace, note).await;
    assert_eq!(recounted, Err(TendRelationshipsError::Store(away)));
    assert_eq!(
        drift.into_inner(),
        9,
        "what was corrected is told all the same"
    );
}
