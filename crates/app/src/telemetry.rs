//! What operators see: the log, the recorder of metrics, and traces.

mod log;
mod metrics;
mod traces;

pub use log::{LogControl, directives};
pub(crate) use metrics::exposition;
pub use metrics::metrics;
pub use traces::{TraceError, Traces};

use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::settings::Settings;

/// Starts the log of this process, on stderr, and its traces if the settings name a collector; a second start changes
/// nothing.
///
/// # Errors
/// When the exporter of traces cannot be made.
pub fn start(settings: &Settings) -> Result<Traces, TraceError> {
    let traces = Traces::start(&settings.traces)?;
    let (log, control) = log::layer(&settings.log);
    let registry = Registry::default().with(log);
    // A layer that is none would still have every span be made.
    let started = match traces.layer() {
        Some(layer) => registry.with(layer).try_init(),
        None => registry.try_init(),
    };
    match started {
        Ok(()) => control.take_over(),
        Err(error) => tracing::debug!(%error, "the log is running already"),
    }
    Ok(traces)
}
