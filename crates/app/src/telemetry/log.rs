//! The log and its level.

mod queue;

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::settings::{LogFormat, LogLevel, LogSettings};
use queue::LogQueue;

/// A counter of log lines that were dropped.
pub(super) const DROPPED_LINES: &str = "log_lines_dropped_total";

/// Changes the level of the log at run time.
#[derive(Clone)]
pub struct LogControl {
    level: LogLevel,
    filter: Handle<EnvFilter, Registry>,
}

/// The queue of the log of this process.
static QUEUE: OnceLock<LogQueue> = OnceLock::new();
/// The control of the log of this process.
static CURRENT: Mutex<Option<LogControl>> = Mutex::new(None);

impl LogControl {
    /// Returns the shared control of the log of this process.
    pub fn shared() -> Arc<dyn user_http::LogLevel> {
        Arc::new(Shared)
    }

    /// Installs this as the control of the log of this process.
    pub(super) fn install(self) {
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(self);
    }
}

struct Shared;

impl user_http::LogLevel for Shared {
    fn level(&self) -> &'static str {
        let control = CURRENT.lock();
        let control = control.unwrap_or_else(PoisonError::into_inner);
        control
            .as_ref()
            .map_or("off", |control| control.level.as_str())
    }

    fn set_level(&self, name: &str) -> bool {
        let Some(level) = LogLevel::from_name(name) else {
            return false;
        };
        let control = CURRENT.lock();
        let mut control = control.unwrap_or_else(PoisonError::into_inner);
        if let Some(control) = &mut *control {
            control.level = level;
            // It fails only if the log has ended, and then the process ends too.
            let _ = control.filter.reload(filter(level));
        }
        true
    }
}

/// Creates the layer of the log, and its control.
pub(super) fn layer(
    settings: &LogSettings,
) -> (Box<dyn Layer<Registry> + Send + Sync>, LogControl) {
    let (filter, handle) = reload::Layer::new(filter(settings.level));
    let control = LogControl {
        level: settings.level,
        filter: handle,
    };
    let queue = QUEUE.get_or_init(|| LogQueue::start(std::io::stderr(), report_dropped_lines));
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        // Otherwise it reports write errors on stderr, and panics during a request if that fails too.
        .log_internal_errors(false)
        .with_writer(queue.clone());
    let layer = match settings.format {
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
        LogFormat::Pretty => layer
            .compact()
            .with_target(false)
            .with_filter(filter)
            .boxed(),
    };
    (layer, control)
}

fn report_dropped_lines(dropped: u64) {
    tracing::warn!(dropped, "log lines were dropped");
}

/// Returns the number of lines that this process has dropped.
pub(super) fn dropped_lines() -> u64 {
    QUEUE.get().map_or(0, LogQueue::dropped)
}

/// Waits until all lines are written, for at most this time.
pub(super) fn flush(max_wait: Duration) {
    if let Some(queue) = QUEUE.get() {
        queue.flush(max_wait);
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(directives(level.as_str()))
}

/// Returns the filter directives of a level. Other crates log only warnings: their debug messages can contain personal
/// data and secrets. The dispatcher of actix-http is off: it logs malformed requests as errors, although they are
/// errors of the client and the request is logged anyway. So is the driver of RabbitMQ: the relay reports its errors.
pub fn directives(level: &str) -> String {
    format!(
        "warn,actix_http::h1::dispatcher=off,lapin=off,user_service={level},user_http={level},user_adapters={level},user_migrations={level}"
    )
}
