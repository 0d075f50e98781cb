//! The log, and how much is written to it.

mod lines;

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::settings::{LogFormat, LogLevel, LogSettings};
use lines::Lines;

/// Decides how much this process writes to its log.
#[derive(Clone)]
pub struct LogControl {
    level: LogLevel,
    filter: Handle<EnvFilter, Registry>,
}

static OF_THIS_PROCESS: Mutex<Option<LogControl>> = Mutex::new(None);

impl LogControl {
    /// The control of this process' log, as all who ask share it.
    pub fn shared() -> Arc<dyn user_http::LogLevel> {
        Arc::new(Shared)
    }

    /// Becomes the control of this process' log.
    pub(super) fn take_over(self) {
        *OF_THIS_PROCESS
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(self);
    }
}

struct Shared;

impl user_http::LogLevel for Shared {
    fn level(&self) -> &'static str {
        let control = OF_THIS_PROCESS.lock();
        let control = control.unwrap_or_else(PoisonError::into_inner);
        control
            .as_ref()
            .map_or("off", |control| control.level.as_str())
    }

    fn set_level(&self, name: &str) -> bool {
        let Some(level) = LogLevel::from_name(name) else {
            return false;
        };
        let control = OF_THIS_PROCESS.lock();
        let mut control = control.unwrap_or_else(PoisonError::into_inner);
        if let Some(control) = &mut *control {
            control.level = level;
            // It fails when the log has ended, and the process with it.
            let _ = control.filter.reload(filter(level));
        }
        true
    }
}

/// Makes the log as a layer, and its control.
pub(super) fn layer(
    settings: &LogSettings,
) -> (Box<dyn Layer<Registry> + Send + Sync>, LogControl) {
    let (filter, handle) = reload::Layer::new(filter(settings.level));
    let control = LogControl {
        level: settings.level,
        filter: handle,
    };
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        // It would tell so on stderr, and panic in the midst of a request when that, too, cannot be written.
        .log_internal_errors(false)
        .with_writer(Lines::new(std::io::stderr()));
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

fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(directives(level.as_str()))
}

/// What is written at a level. Other crates' debugging is about their insides, and may hold what a log must not.
pub fn directives(level: &str) -> String {
    format!("warn,user_service={level},user_http={level},user_adapters={level}")
}
