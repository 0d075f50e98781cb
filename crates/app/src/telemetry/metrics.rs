//! The metrics recorder.
//!
//! To add a metric:
//! 1. Record it where the event happens, with `counter!`, `gauge!` or `histogram!`, and describe it in the
//!    `describe_metrics` of that module, which [`describe`] calls. A histogram also needs its [`buckets`].
//! 2. Add a row to the table of `docs/operating.md`. Labels have few values, and none of a user.
//! 3. If it needs a panel or an alert, add them to `deploy/grafana/user-service.json` and `deploy/prometheus/rules.yaml`.
//!    `scripts/check-deploy` evaluates each expression against a running service.

use std::sync::{Mutex, PoisonError};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;
use user_http::Exposition;

use crate::compose::Composition;
use crate::connections;
use crate::telemetry::log;

/// A gauge that is always 1. Its label is the release.
const BUILD_INFO: &str = "user_service_build_info";

/// Returns the metrics recorder of this process. The first call installs it.
///
/// # Errors
/// If the recorder cannot be created. This does not depend on settings.
pub fn metrics() -> Result<PrometheusHandle, BuildError> {
    static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let mut builder = PrometheusBuilder::new();
    for (name, buckets) in buckets() {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // This cannot fail: the lock prevents a second recorder.
    let _ = metrics::set_global_recorder(recorder);
    describe();
    *installed = Some(handle.clone());
    Ok(handle)
}

/// Creates the exposition for scrapes: the recorded metrics and the current state of the process and its pools.
pub(crate) fn exposition(recorder: PrometheusHandle, composition: &Composition) -> Exposition {
    let process = Collector::default();
    let connections = composition.connections.clone();
    Exposition::new(recorder, move || {
        process.collect();
        connections.measure();
        metrics::counter!(log::DROPPED_LINES).absolute(log::dropped_lines());
    })
}

fn buckets() -> [(&'static str, &'static [f64]); 4] {
    [
        (
            user_http::REQUEST_DURATION,
            &user_http::REQUEST_DURATION_BUCKETS,
        ),
        (
            user_adapters::operations::OPERATION_DURATION,
            &user_adapters::operations::OPERATION_DURATION_BUCKETS,
        ),
        (
            user_adapters::cache::OUTBOX_LAG,
            &user_adapters::cache::OUTBOX_LAG_BUCKETS,
        ),
        (
            user_adapters::passwords::HASHING_DURATION,
            &user_adapters::passwords::HASHING_DURATION_BUCKETS,
        ),
    ]
}

fn describe() {
    user_http::describe_metrics();
    user_adapters::amqp::describe_metrics();
    user_adapters::cache::describe_metrics();
    user_adapters::event_frontier::describe_metrics();
    user_adapters::operations::describe_metrics();
    user_adapters::passwords::describe_metrics();
    user_adapters::sea_orm::describe_metrics();
    user_adapters::tokens::describe_metrics();
    connections::describe_metrics();
    crate::workers::erasures::describe_metrics();
    crate::workers::event_relay::describe_metrics();
    crate::workers::retention::describe_metrics();
    crate::workers::follow_counts::describe_metrics();
    crate::workers::suspensions::describe_metrics();
    Collector::default().describe();
    metrics::describe_counter!(
        log::DROPPED_LINES,
        metrics::Unit::Count,
        "Log lines that were dropped, because their reader was too slow or they could not be written"
    );
    metrics::describe_gauge!(BUILD_INFO, "Always 1; its label is the release");
    metrics::gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}
