//! What operators see: the log, and the recorder of metrics.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, LogSettings};

/// Starts the log of this process, on stderr; a second start changes nothing.
pub fn start_logging(settings: &LogSettings) {
    // Other crates' debugging is about their insides, and may hold what a log must not.
    let filter = EnvFilter::new(format!(
        "warn,user_service={0},user_http={0},user_adapters={0}",
        settings.level
    ));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        // It would tell so on stderr, and panic in the midst of a request when that, too, cannot be written.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let started = match settings.format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
        LogFormat::Pretty => builder.compact().with_target(false).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "the log is running already");
    }
}

/// Gives the recorder of this process' metrics, installing it when first asked.
///
/// # Errors
/// When the recorder cannot be made; nothing of it depends on settings.
pub fn metrics() -> Result<PrometheusHandle, BuildError> {
    static RECORDER: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = RECORDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full(user_http::REQUEST_DURATION.to_owned()),
            &user_http::REQUEST_DURATION_BUCKETS,
        )?
        .build_recorder();
    let handle = recorder.handle();
    // The lock keeps a second recorder from being made, so that this one is installed.
    let _ = metrics::set_global_recorder(recorder);
    user_http::describe_metrics();
    user_adapters::cache::describe_metrics();
    *installed = Some(handle.clone());
    Ok(handle)
}
