//! Removes what is over its time and counts relationships again, every hour while the service runs.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use user_domain::caller::Caller;
use user_domain::permissions::Denied;
use user_domain::ports::{Clock, Records, Recounted, Settled};
use user_domain::use_cases::{
    Pace, Ports, PurgeExpired, PurgeReport, TendRelationships, TendRelationshipsError, UseCases,
};

use crate::breaks::Breaks;
use crate::settling;

/// How long it is from one run to the next.
const INTERVAL: Duration = Duration::from_hours(1);
/// When the first run comes at the earliest: not in the middle of a rollout.
const FIRST: Duration = Duration::from_mins(5);
/// How much later the first one may come by chance, so that replicas started together do not run together.
const SPREAD: Duration = Duration::from_mins(10);
/// How long requests have the database to themselves between two batches.
const REST: Duration = Duration::from_millis(100);

/// What was removed, by kind.
const REMOVED: &str = "retention_removed_total";
/// The runs that came to an end, by outcome.
const RUNS: &str = "retention_runs_total";
/// By how much relationships were counted wrongly, by which count.
const DRIFT: &str = "relationships_count_drift_total";
/// When a run last removed everything that was due.
const LAST_SUCCESS: &str = "retention_last_success_timestamp_seconds";

/// The runs of one replica, until they are stopped.
pub(crate) struct Retention {
    stop: watch::Sender<bool>,
    runs: JoinHandle<()>,
}

impl Retention {
    /// Begins: the first run comes some minutes from now. Without it nothing is removed, and nothing counted.
    pub(crate) fn start(ports: &Ports, is_on: bool) -> Self {
        let (stop, pace) = Breaks::of(REST);
        let use_cases = UseCases::new(ports);
        let runs = Runs {
            purge: use_cases.purge_expired,
            tend: use_cases.tend_relationships,
            clock: ports.clock.clone(),
            pace,
        };
        start_counting(is_on);
        let runs = tokio::spawn(async move {
            if is_on {
                runs.keep_running(FIRST + by_chance(SPREAD)).await;
            }
        });
        Self { stop, runs }
    }

    /// Lets no other batch begin, from now on; the future ends when the batch under way has.
    pub(crate) fn stop(self) -> impl Future<Output = ()> {
        self.stop.send_replace(true);
        async move {
            if let Err(error) = self.runs.await {
                tracing::error!(%error, "the retention has failed");
            }
        }
    }
}

/// One run after another.
struct Runs {
    purge: PurgeExpired,
    tend: TendRelationships,
    clock: Arc<dyn Clock>,
    pace: Breaks,
}

impl Runs {
    async fn keep_running(&self, first: Duration) {
        let mut wait = first;
        while self.pace.pause(wait).await {
            match self.purge.run(&Caller::Operator, &self.pace).await {
                Ok(report) => self.tell(&report),
                Err(error) => tracing::error!(%error, "the purge was refused"),
            }
            if !self.pace.is_over() {
                recount(&self.tend, &self.pace).await;
            }
            wait = INTERVAL;
        }
    }

    fn tell(&self, report: &PurgeReport) {
        tell(report);
        for done in &report.kinds {
            counter!(REMOVED, "kind" => done.kind).increment(done.removed);
        }
        if report.has_failed() {
            counter!(RUNS, "outcome" => "error").increment(1);
        } else if report.is_whole() {
            counter!(RUNS, "outcome" => "ok").increment(1);
            #[expect(
                clippy::cast_precision_loss,
                reason = "seconds since 1970 are far below 2^52"
            )]
            gauge!(LAST_SUCCESS).set(self.clock.now().as_utc().timestamp() as f64);
        }
    }
}

/// Removes what is over its time now, in one run to its end.
///
/// # Errors
/// None to the operator, who runs it.
pub(crate) async fn run_once(ports: &Ports) -> Result<PurgeReport, Denied> {
    let (_stop, pace) = Breaks::of(REST);
    let purge = UseCases::new(ports).purge_expired;
    purge.run(&Caller::Operator, &pace).await
}

/// Settles with all who have come or gone, and counts relationships again if that is due, in one run to its end.
///
/// # Errors
/// The store's.
pub(crate) async fn tend_once(
    ports: &Ports,
) -> Result<(Settled, Recounted), TendRelationshipsError> {
    let (_stop, pace) = Breaks::of(settling::REST);
    let tend = UseCases::new(ports).tend_relationships;
    let recounted = tend.recount(&Caller::Operator, &pace, note_drift).await?;
    let settled = tend.settle(&Caller::Operator, &pace, |_| {}).await?;
    Ok((settled, recounted))
}

/// Counts relationships again.
async fn recount(tend: &TendRelationships, pace: &Breaks) {
    let recounted = tend.recount(&Caller::Operator, pace, note_drift).await;
    if let Err(error) = recounted {
        tracing::warn!(%error, "not all relationships were counted again");
    }
}

/// Tells by how much relationships were counted wrongly.
fn note_drift(batch: &Recounted) {
    counter!(DRIFT, "count" => "followers").increment(batch.followers_drift);
    counter!(DRIFT, "count" => "following").increment(batch.following_drift);
    if batch.followers_drift + batch.following_drift > 0 {
        tracing::warn!(
            followers = batch.followers_drift,
            following = batch.following_drift,
            "relationships were counted wrongly, and the counts are corrected"
        );
    }
}

fn tell(report: &PurgeReport) {
    for done in &report.kinds {
        match &done.failure {
            Some(error) => tracing::warn!(
                kind = done.kind,
                removed = done.removed,
                %error,
                "not all that is over its time was removed"
            ),
            None if done.removed > 0 => tracing::info!(
                kind = done.kind,
                removed = done.removed,
                "what is over its time was removed"
            ),
            None => {}
        }
    }
}

/// Shows every figure from the start on, so that an alert can tell zero from nothing.
fn start_counting(is_on: bool) {
    let kinds = Records::ALL.map(Records::as_str);
    for kind in std::iter::once(PurgeReport::USERS).chain(kinds) {
        counter!(REMOVED, "kind" => kind).increment(0);
    }
    for outcome in ["ok", "error"] {
        counter!(RUNS, "outcome" => outcome).increment(0);
    }
    for count in ["followers", "following"] {
        counter!(DRIFT, "count" => count).increment(0);
    }
    // Where nothing is to run, nothing is late.
    if is_on {
        gauge!(LAST_SUCCESS).increment(0.0);
    }
}

/// Says what each figure is, for whoever reads them.
pub(crate) fn describe_metrics() {
    describe_counter!(
        REMOVED,
        Unit::Count,
        "What was removed because its time was over, by kind"
    );
    describe_counter!(
        RUNS,
        Unit::Count,
        "Runs of the retention that came to an end, by outcome"
    );
    describe_counter!(
        DRIFT,
        Unit::Count,
        "By how much the counts of followers and of those followed were found wrong, and corrected"
    );
    describe_gauge!(
        LAST_SUCCESS,
        Unit::Seconds,
        "When a run last removed all that was due, in Unix time; 0 before the first"
    );
}

/// Draws a time of at most this much.
fn by_chance(most: Duration) -> Duration {
    let mut draw = [0; 4];
    // Without randomness the replicas run together, which does no harm.
    let _ = getrandom::fill(&mut draw);
    most.mul_f64(f64::from(u32::from_le_bytes(draw)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
