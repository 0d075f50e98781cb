//! Updates the follow counts of other users after a user was deleted, suspended, restored or erased.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use user_domain::caller::Caller;
use user_domain::ports::PendingCountsBatch;
use user_domain::use_cases::{MaintainFollowCounts, Ports, UseCases};

use crate::lifecycle::{StopSignal, WorkerGroup};

/// How often the worker looks for users whose relationships are not settled yet.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the worker waits after the store has failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// The pause between two batches, in which requests can use the store.
pub(crate) const BATCH_PAUSE: Duration = Duration::from_millis(20);

/// A counter of settled relationships.
const SETTLED: &str = "relationships_settled_total";
/// A gauge of users whose relationships are not all settled.
const WAITING: &str = "relationships_unsettled_users";

/// Starts the worker.
pub(crate) fn start(group: &WorkerGroup, ports: &Ports) {
    let maintain = UseCases::new(ports).maintain_follow_counts;
    counter!(SETTLED).increment(0);
    gauge!(WAITING).set(0.0);
    let stop_signal = group.stop_signal(BATCH_PAUSE);
    group.start("follow counts", update_periodically(maintain, stop_signal));
}

async fn update_periodically(maintain: MaintainFollowCounts, stop_signal: StopSignal) {
    let mut wait = INTERVAL;
    let mut has_failed = false;
    while stop_signal.wait(wait).await {
        match maintain
            .apply_pending(&Caller::Operator, &stop_signal, record_batch)
            .await
        {
            Ok(_) => {
                wait = INTERVAL;
                has_failed = false;
            }
            Err(error) => {
                // A failure of the store is logged once, not at every attempt.
                if !has_failed {
                    tracing::warn!(%error, "follow counts cannot be updated at the moment");
                }
                // The number of waiting users is unknown, and is at least not known to be zero.
                gauge!(WAITING).set(1.0);
                wait = RETRY_INTERVAL;
                has_failed = true;
            }
        }
    }
}

fn record_batch(batch: &PendingCountsBatch) {
    counter!(SETTLED).increment(batch.relationships);
    #[expect(clippy::cast_precision_loss, reason = "users are far fewer than 2^52")]
    gauge!(WAITING).set(batch.waiting as f64);
}

/// Registers the descriptions of the metrics of the worker.
pub(crate) fn describe_metrics() {
    describe_counter!(
        SETTLED,
        Unit::Count,
        "Relationships of deleted, suspended, restored or erased users that were settled with the follow counts of others"
    );
    describe_gauge!(
        WAITING,
        Unit::Count,
        "Deleted, suspended, restored or erased users whose relationships are not all settled yet; 1 while settling fails"
    );
}

#[cfg(test)]
mod tests;
