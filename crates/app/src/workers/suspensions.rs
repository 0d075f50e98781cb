//! Ends expired suspensions.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use user_domain::caller::Caller;
use user_domain::use_cases::{EndSuspensions, Ports, UseCases};

use crate::lifecycle::{StopSignal, WorkerGroup};

/// How often the worker looks for expired suspensions.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the worker waits after the store has failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// The pause between two batches, in which requests can use the store.
const BATCH_PAUSE: Duration = Duration::from_millis(20);

/// A counter of ended suspensions.
const ENDED: &str = "suspensions_ended_total";
/// A gauge: 1 while suspensions cannot be ended.
const FAILING: &str = "suspensions_ending_failing";

/// Starts the worker.
pub(crate) fn start(group: &WorkerGroup, ports: &Ports) {
    let end_suspensions = UseCases::new(ports).end_suspensions;
    counter!(ENDED).increment(0);
    gauge!(FAILING).set(0.0);
    let stop_signal = group.stop_signal(BATCH_PAUSE);
    group.start(
        "suspensions",
        end_periodically(end_suspensions, stop_signal),
    );
}

async fn end_periodically(end_suspensions: EndSuspensions, stop_signal: StopSignal) {
    let mut wait = INTERVAL;
    while stop_signal.wait(wait).await {
        match end_suspensions.run(&Caller::Operator, &stop_signal).await {
            Ok(ended) => {
                counter!(ENDED).increment(ended);
                gauge!(FAILING).set(0.0);
                wait = INTERVAL;
            }
            Err(error) => {
                // A failure of the store is logged once, not at every attempt.
                if wait == INTERVAL {
                    tracing::warn!(%error, "expired suspensions cannot be ended at the moment");
                }
                gauge!(FAILING).set(1.0);
                wait = RETRY_INTERVAL;
            }
        }
    }
}

/// Registers the descriptions of the metrics of the worker.
pub(crate) fn describe_metrics() {
    describe_counter!(
        ENDED,
        Unit::Count,
        "Suspensions that were ended because they had expired"
    );
    describe_gauge!(
        FAILING,
        "1 while expired suspensions cannot be ended, 0 otherwise"
    );
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;
    use user_domain::ports::UserWriter as _;
    use user_domain::test_support::fakes::{Fakes, FixedClock, with_clock};
    use user_domain::test_support::samples;
    use user_domain::user::{Change, Status, Suspension};

    use super::*;

    async fn pass(time: Duration) {
        for _ in 0..time.as_millis() / 10 {
            advance(Duration::from_millis(10)).await;
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_suspension_ends_within_seconds_and_not_before() {
        let fakes = Fakes::default();
        let user = samples::registered(&samples::new_user("ann"), &samples::context());
        fakes.store.put(&user);
        let id = user.user.id;
        let suspend = Change::Suspend(Suspension {
            reason: None,
            until: Some(samples::seconds(60)),
        });
        let suspended = fakes.store.change(id, &suspend, &samples::context()).await;
        suspended.unwrap();
        let clock = std::sync::Arc::new(FixedClock::from(samples::seconds(59)));
        let group = WorkerGroup::default();
        start(&group, &with_clock(&clock, fakes.ports()));
        pass(INTERVAL * 3).await;
        assert_eq!(fakes.store.find_by_id(id).status(), Status::Suspended);
        clock.set(samples::seconds(60));
        pass(INTERVAL * 2).await;
        assert_eq!(fakes.store.find_by_id(id).status(), Status::Active);
        group.stop().await;
    }
}
