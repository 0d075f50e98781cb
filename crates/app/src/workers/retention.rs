//! Removes expired records and audits follow counts, every hour.

use std::sync::Arc;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use user_domain::caller::Caller;
use user_domain::ports::{Clock, CountAuditBatch, PendingCountsBatch, Records};
use user_domain::use_cases::{
    BatchThrottle, MaintainFollowCounts, MaintainFollowCountsError, Ports, PurgeError,
    PurgeExpired, PurgeReport, UseCases,
};

use crate::lifecycle::{StopSignal, WorkerGroup};
use crate::workers::follow_counts;

/// The time between two runs.
const INTERVAL: Duration = Duration::from_hours(1);
/// The shortest time from the start to the first run, so that it does not run during a rollout.
const MIN_FIRST_DELAY: Duration = Duration::from_mins(5);
/// The largest random delay added to the first run, so that replicas started together do not run together.
const MAX_FIRST_JITTER: Duration = Duration::from_mins(10);
/// The pause between two batches, in which requests can use the database.
const BATCH_PAUSE: Duration = Duration::from_millis(100);

/// A counter of removed records, by kind.
const REMOVED: &str = "retention_removed_total";
/// A counter of completed runs, by outcome.
const RUNS: &str = "retention_runs_total";
/// A counter of the differences that the audit of follow counts found, by count.
const DRIFT: &str = "relationships_count_drift_total";
/// A gauge of the time of the last run that removed everything that was due.
const LAST_SUCCESS: &str = "retention_last_success_timestamp_seconds";

/// Starts the worker. The first run is 5 to 15 minutes later. If it is not enabled, nothing is removed or audited.
pub(crate) fn start(group: &WorkerGroup, ports: &Ports, is_enabled: bool) {
    initialize_metrics(is_enabled);
    if !is_enabled {
        return;
    }
    let use_cases = UseCases::new(ports);
    let runs = RetentionRuns {
        purge: use_cases.purge_expired,
        maintain: use_cases.maintain_follow_counts,
        clock: ports.clock.clone(),
        stop_signal: group.stop_signal(BATCH_PAUSE),
    };
    let first = MIN_FIRST_DELAY + random_delay(MAX_FIRST_JITTER);
    group.start("retention", runs.run_periodically(first));
}

/// What a run needs.
struct RetentionRuns {
    purge: PurgeExpired,
    maintain: MaintainFollowCounts,
    clock: Arc<dyn Clock>,
    stop_signal: StopSignal,
}

impl RetentionRuns {
    async fn run_periodically(self, first: Duration) {
        let mut wait = first;
        while self.stop_signal.wait(wait).await {
            match self.purge.run(&Caller::Operator, &self.stop_signal).await {
                Ok(report) => self.record(&report),
                Err(error) => record_refusal(&error),
            }
            if !self.stop_signal.should_stop() {
                audit_counts(&self.maintain, &self.stop_signal).await;
            }
            wait = INTERVAL;
        }
    }

    fn record(&self, report: &PurgeReport) {
        log_report(report);
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

/// Removes all expired records in one run.
///
/// # Errors
/// [`PurgeError`]; never `Denied`, since the caller is the operator.
pub(crate) async fn purge_once(ports: &Ports) -> Result<PurgeReport, PurgeError> {
    let stop_signal = StopSignal::never(BATCH_PAUSE);
    let purge = UseCases::new(ports).purge_expired;
    purge.run(&Caller::Operator, &stop_signal).await
}

/// Audits follow counts if that is due, and applies all pending changes of follow counts.
///
/// # Errors
/// The store's.
pub(crate) async fn maintain_follow_counts_once(
    ports: &Ports,
) -> Result<(PendingCountsBatch, CountAuditBatch), MaintainFollowCountsError> {
    let stop_signal = StopSignal::never(follow_counts::BATCH_PAUSE);
    let maintain = UseCases::new(ports).maintain_follow_counts;
    let audited = maintain
        .audit(&Caller::Operator, &stop_signal, record_drift)
        .await?;
    let settled = maintain
        .apply_pending(&Caller::Operator, &stop_signal, |_| {})
        .await?;
    Ok((settled, audited))
}

async fn audit_counts(maintain: &MaintainFollowCounts, stop_signal: &StopSignal) {
    let audited = maintain
        .audit(&Caller::Operator, stop_signal, record_drift)
        .await;
    if let Err(error) = audited {
        tracing::warn!(%error, "audit of follow counts is incomplete");
    }
}

/// Logs and counts the differences that an audit found.
fn record_drift(batch: &CountAuditBatch) {
    counter!(DRIFT, "count" => "followers").increment(batch.followers_drift);
    counter!(DRIFT, "count" => "following").increment(batch.following_drift);
    if batch.followers_drift + batch.following_drift > 0 {
        tracing::warn!(
            followers = batch.followers_drift,
            following = batch.following_drift,
            "wrong follow counts were corrected"
        );
    }
}

/// Logs and counts a run that was refused: it was not safe or not possible, and removed nothing.
fn record_refusal(error: &PurgeError) {
    match error {
        PurgeError::ClocksDiffer(clocks) => {
            counter!(RUNS, "outcome" => "clocks_differ").increment(1);
            tracing::error!(
                store = %clocks.store,
                machine = %clocks.machine,
                "expired records are not removed: the clocks of the database and of this machine differ"
            );
        }
        PurgeError::Store(_) => {
            counter!(RUNS, "outcome" => "error").increment(1);
            tracing::warn!(%error, "expired records are not removed: the clock of the database cannot be read");
        }
        PurgeError::Denied(_) => tracing::error!(%error, "purge was denied"),
    }
}

fn log_report(report: &PurgeReport) {
    for done in &report.kinds {
        match &done.failure {
            Some(error) => tracing::warn!(
                kind = done.kind,
                removed = done.removed,
                %error,
                "expired records remain after purge"
            ),
            None if done.removed > 0 => tracing::info!(
                kind = done.kind,
                removed = done.removed,
                "expired records removed"
            ),
            None => {}
        }
    }
}

/// Creates every series at the start, so that alerts can distinguish zero from absent.
fn initialize_metrics(is_enabled: bool) {
    let kinds = Records::ALL.map(Records::as_str);
    for kind in std::iter::once(PurgeReport::USERS).chain(kinds) {
        counter!(REMOVED, "kind" => kind).increment(0);
    }
    for outcome in ["ok", "error", "clocks_differ"] {
        counter!(RUNS, "outcome" => outcome).increment(0);
    }
    for count in ["followers", "following"] {
        counter!(DRIFT, "count" => count).increment(0);
    }
    // An alert on late runs must not fire where no run is due.
    if is_enabled {
        gauge!(LAST_SUCCESS).increment(0.0);
    }
}

/// Registers the descriptions of the metrics of the worker.
pub(crate) fn describe_metrics() {
    describe_counter!(
        REMOVED,
        Unit::Count,
        "Expired records that were removed, by kind"
    );
    describe_counter!(
        RUNS,
        Unit::Count,
        "Completed runs of the retention worker, by outcome"
    );
    describe_counter!(
        DRIFT,
        Unit::Count,
        "Sum of the differences by which counts of followers and of followed users were wrong and were corrected"
    );
    describe_gauge!(
        LAST_SUCCESS,
        Unit::Seconds,
        "Unix time of the last run that removed everything that was due; 0 before the first"
    );
}

/// Returns a random duration up to this maximum.
fn random_delay(max: Duration) -> Duration {
    let mut draw = [0; 4];
    // Without randomness, replicas run at the same time, which is harmless.
    let _ = getrandom::fill(&mut draw);
    max.mul_f64(f64::from(u32::from_le_bytes(draw)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
