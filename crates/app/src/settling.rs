//! Settles with the counts of others those who come and go, as long as the service runs.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use user_domain::caller::Caller;
use user_domain::ports::Settled;
use user_domain::use_cases::{Ports, TendRelationships, UseCases};

use crate::breaks::Breaks;

/// How long it is from one look for somebody to settle with to the next.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait for a store that has failed.
const RETRY: Duration = Duration::from_secs(10);
/// How long requests have the store to themselves between two batches.
pub(crate) const REST: Duration = Duration::from_millis(20);

/// Relationships that were settled.
const SETTLED: &str = "relationships_settled_total";
/// Users with whom there is more to settle.
const WAITING: &str = "relationships_unsettled_users";

/// The work of one replica, until it is stopped.
pub(crate) struct Settling {
    stop: watch::Sender<bool>,
    work: JoinHandle<()>,
}

impl Settling {
    /// Begins.
    pub(crate) fn start(ports: &Ports) -> Self {
        let (stop, pace) = Breaks::of(REST);
        let tend = UseCases::new(ports).tend_relationships;
        counter!(SETTLED).increment(0);
        gauge!(WAITING).set(0.0);
        let work = tokio::spawn(async move { keep_settling(&tend, &pace).await });
        Self { stop, work }
    }

    /// Lets no other batch begin, from now on; the future ends when the batch under way has.
    pub(crate) fn stop(self) -> impl Future<Output = ()> {
        self.stop.send_replace(true);
        async move {
            if let Err(error) = self.work.await {
                tracing::error!(%error, "the settling of relationships has failed");
            }
        }
    }
}

async fn keep_settling(tend: &TendRelationships, pace: &Breaks) {
    let mut wait = INTERVAL;
    let mut has_failed = false;
    while pace.pause(wait).await {
        match tend.settle(&Caller::Operator, pace, note).await {
            Ok(_) => {
                wait = INTERVAL;
                has_failed = false;
            }
            Err(error) => {
                // A store that is away is told of once, not at every look.
                if !has_failed {
                    tracing::warn!(%error, "relationships are not settled for the time being");
                }
                // Nobody knows how many wait, and nobody is settled with.
                gauge!(WAITING).set(1.0);
                wait = RETRY;
                has_failed = true;
            }
        }
    }
}

fn note(batch: &Settled) {
    counter!(SETTLED).increment(batch.relationships);
    #[expect(clippy::cast_precision_loss, reason = "users are far fewer than 2^52")]
    gauge!(WAITING).set(batch.waiting as f64);
}

/// Says what each figure is, for whoever reads them.
pub(crate) fn describe_metrics() {
    describe_counter!(
        SETTLED,
        Unit::Count,
        "Relationships of users who came or went that were settled with the counts of others"
    );
    describe_gauge!(
        WAITING,
        Unit::Count,
        "Users who came or went and whose relationships are not all settled yet; 1 while settling fails"
    );
}

#[cfg(test)]
mod tests;
