//! `serve`

use std::fmt::Display;

use crate::cli::CommandOutcome;
use crate::serve::Service;
use crate::settings::{Settings, SettingsErrors, Sources};
use crate::signals::Signals;
use crate::telemetry;

pub(crate) async fn run() -> CommandOutcome {
    let settings = match Settings::load(&Sources::from_process()) {
        Ok(settings) => settings,
        Err(errors) => return report_invalid_settings(&errors),
    };
    let traces = match telemetry::start(&settings) {
        Ok(traces) => traces,
        Err(error) => {
            telemetry::start_log(&settings.log);
            return cannot_start(&error);
        }
    };
    log_warnings(&settings.warnings());
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return cannot_start(&error),
    };
    let started = tokio::select! {
        started = Service::start(&settings) => started,
        () = signals.next() => {
            tracing::info!("stopped by a signal during the start");
            return CommandOutcome::Success;
        }
    };
    let outcome = match started {
        Ok(service) => service.run_until_signalled(signals).await,
        Err(error) => cannot_start(&error),
    };
    if outcome == CommandOutcome::Success {
        traces.stop().await;
    }
    outcome
}

/// Logs the errors in the settings, in the configured format of the log.
fn report_invalid_settings(errors: &SettingsErrors) -> CommandOutcome {
    telemetry::start_log(errors.log());
    log_warnings(errors.warnings());
    for error in errors.errors() {
        let (setting, reason) = (&*error.variable, &*error.reason);
        tracing::error!(setting, reason, "invalid setting");
    }
    CommandOutcome::InvalidUsage
}

fn log_warnings(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(warning, "suspicious setting");
    }
}

fn cannot_start(cause: &impl Display) -> CommandOutcome {
    tracing::error!(%cause, "the service cannot start");
    CommandOutcome::Failure
}
