//! Maintenance of follow counts.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::ports::{CountAuditBatch, MockFollowCountMaintenance, PendingCountsBatch};

/// A throttle that stops after a number of waits.
struct StopAfter(usize, AtomicUsize);

#[async_trait]
impl BatchThrottle for StopAfter {
    async fn pause(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }

    fn should_stop(&self) -> bool {
        self.1.load(Ordering::SeqCst) >= self.0
    }
}

fn until(waits: usize) -> StopAfter {
    StopAfter(waits, AtomicUsize::new(0))
}

fn use_case_on(maintenance: MockFollowCountMaintenance) -> MaintainFollowCounts {
    let ports = Ports {
        follow_count_maintenance: Arc::new(maintenance),
        clock: Arc::new(SteppingClock::from(start())),
        ..untouched_ports()
    };
    UseCases::new(&ports).maintain_follow_counts
}

fn mock_applying(batches: usize) -> MockFollowCountMaintenance {
    let mut maintenance = MockFollowCountMaintenance::new();
    let mut left = batches;
    maintenance
        .expect_apply_pending()
        .times(batches)
        .returning(move || {
            left -= 1;
            Ok(PendingCountsBatch {
                relationships: 10,
                waiting: u64::try_from(left).unwrap(),
                has_more: left > 0,
            })
        });
    maintenance
}

#[tokio::test]
async fn only_the_operator_maintains_follow_counts() {
    for caller in [person(user_id()), administrator(), service("feed")] {
        let use_case = UseCases::new(&untouched_ports()).maintain_follow_counts;
        let denied = MaintainFollowCountsError::Denied(Denied::Forbidden);
        let applied = use_case.apply_pending(&caller, &until(9), |_| {}).await;
        assert_eq!(applied, Err(denied.clone()));
        assert_eq!(
            use_case.audit(&caller, &until(9), |_| {}).await,
            Err(denied)
        );
    }
}

#[tokio::test]
async fn pending_counts_are_applied_until_none_are_left() {
    let throttle = until(usize::MAX);
    let applied = use_case_on(mock_applying(4))
        .apply_pending(&Caller::Operator, &throttle, |_| {})
        .await;
    let done = PendingCountsBatch {
        relationships: 40,
        waiting: 0,
        has_more: false,
    };
    assert_eq!((applied, throttle.1.into_inner()), (Ok(done), 3));
}

#[tokio::test]
async fn a_stopped_run_reports_the_remaining_pending_counts() {
    let mut maintenance = MockFollowCountMaintenance::new();
    let batch = PendingCountsBatch {
        relationships: 10,
        waiting: 5,
        has_more: true,
    };
    maintenance
        .expect_apply_pending()
        .times(3)
        .returning(move || Ok(batch));
    let applied = use_case_on(maintenance)
        .apply_pending(&Caller::Operator, &until(2), |_| {})
        .await;
    let done = PendingCountsBatch {
        relationships: 30,
        ..batch
    };
    assert_eq!(applied, Ok(done));
}

#[tokio::test]
async fn an_audit_covers_all_users_and_sums_the_drift() {
    let batch = CountAuditBatch {
        users: 200,
        followers_drift: 2,
        following_drift: 1,
        has_more: true,
    };
    for (batches, waits) in [(3_u64, usize::MAX), (2, 1)] {
        let mut maintenance = MockFollowCountMaintenance::new();
        let mut calls = 0;
        let times = usize::try_from(batches).unwrap();
        maintenance.expect_audit().times(times).returning(move |_| {
            calls += 1;
            Ok(CountAuditBatch {
                has_more: calls < 3,
                ..batch
            })
        });
        let audited = use_case_on(maintenance)
            .audit(&Caller::Operator, &until(waits), |_| {})
            .await;
        let done = CountAuditBatch {
            users: 200 * batches,
            followers_drift: 2 * batches,
            following_drift: batches,
            has_more: batches < 3,
        };
        assert_eq!(audited, Ok(done));
    }
}

#[tokio::test]
async fn a_failed_batch_ends_the_run_with_its_error() {
    let mut maintenance = MockFollowCountMaintenance::new();
    maintenance
        .expect_apply_pending()
        .times(1)
        .return_once(|| Err(away()));
    let use_case = use_case_on(maintenance);
    let applied = use_case
        .apply_pending(&Caller::Operator, &until(9), |_| {})
        .await;
    assert_eq!(applied, Err(MaintainFollowCountsError::Store(away())));
}

#[tokio::test]
async fn an_audit_continues_after_a_failed_batch() {
    let batch = CountAuditBatch {
        users: 200,
        followers_drift: 3,
        following_drift: 0,
        has_more: true,
    };
    let failing = |failures: u32| {
        let mut maintenance = MockFollowCountMaintenance::new();
        let mut calls = 0;
        maintenance.expect_audit().returning(move |_| {
            calls += 1;
            match calls {
                1 => Ok(batch),
                call if call <= 1 + failures => Err(away()),
                _ => Ok(CountAuditBatch {
                    has_more: false,
                    ..batch
                }),
            }
        });
        use_case_on(maintenance)
    };
    let drift = std::sync::atomic::AtomicU64::new(0);
    let note = |batch: &CountAuditBatch| {
        let order = std::sync::atomic::Ordering::Relaxed;
        drift.fetch_add(batch.followers_drift, order);
    };
    let throttle = until(usize::MAX);
    let few = failing(MaintainFollowCounts::MAX_FAILURES - 1);
    let audited = few.audit(&Caller::Operator, &throttle, note).await;
    assert_eq!(audited.unwrap().followers_drift, 6);
    let many = failing(MaintainFollowCounts::MAX_FAILURES);
    let audited = many.audit(&Caller::Operator, &throttle, note).await;
    assert_eq!(audited, Err(MaintainFollowCountsError::Store(away())));
    assert_eq!(
        drift.into_inner(),
        9,
        "repaired batches are reported before the failure"
    );
}
