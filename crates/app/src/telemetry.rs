//! Telemetry: the log, metrics and traces.

mod log;
mod metrics;
mod traces;

pub use log::{LogControl, directives};
pub(crate) use metrics::exposition;
pub use metrics::metrics;
pub use traces::{TraceError, Traces};

use std::panic::PanicHookInfo;
use std::time::Duration;

use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::{LogSettings, Settings};

/// How long the end of the process waits for the reader of the log.
const EXIT_FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a panic waits for the reader of the log. The thread of the panic may serve requests.
const PANIC_FLUSH_TIMEOUT: Duration = Duration::from_millis(100);

/// Starts the log of this process on stderr, and traces if the settings name a collector. A second start changes
/// nothing.
///
/// # Errors
/// If the exporter of traces cannot be created.
pub fn start(settings: &Settings) -> Result<Traces, TraceError> {
    let traces = Traces::start(&settings.traces)?;
    start_with(&settings.log, &traces);
    Ok(traces)
}

/// Starts only the log of this process, to report why the service cannot start.
pub(crate) fn start_log(settings: &LogSettings) {
    start_with(settings, &Traces::none());
}

/// Writes the last lines of the log before the process ends, for at most a second.
pub fn flush_log() {
    log::flush(EXIT_FLUSH_TIMEOUT);
}

fn start_with(settings: &LogSettings, traces: &Traces) {
    let (log, control) = log::layer(settings);
    let registry = Registry::default().with(log);
    // A layer of `None` would still cause all spans to be created.
    let started = match traces.layer() {
        Some(layer) => registry.with(layer).try_init(),
        None => registry.try_init(),
    };
    match started {
        Ok(()) => {
            control.install();
            std::panic::set_hook(Box::new(log_panic));
        }
        Err(error) => tracing::debug!(%error, "the log is already started"),
    }
}

/// Logs a panic in the format of the log. By default, Rust writes it to stderr in another format. Waits for the line to
/// be written, since the panic may abort the process.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let cause = panic
        .payload_as_str()
        .unwrap_or("a panic without a message");
    let location = panic.location().map(tracing::field::display);
    tracing::error!(cause, location, "a thread panicked");
    log::flush(PANIC_FLUSH_TIMEOUT);
}
