//! `serve`

use super::{failed, settings};
use crate::cli::Outcome;
use crate::serve::Service;
use crate::signals::Signals;
use crate::telemetry;

pub(crate) async fn run() -> Outcome {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    let traces = match telemetry::start(&settings) {
        Ok(traces) => traces,
        Err(error) => return failed(&error),
    };
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return failed(&error),
    };
    let started = tokio::select! {
        started = Service::start(&settings) => started,
        () = signals.next() => {
            tracing::info!("stopped before it had started");
            return Outcome::Done;
        }
    };
    let outcome = match started {
        Ok(service) => service.run_until_signalled(signals).await,
        Err(error) => failed(&error),
    };
    if outcome == Outcome::Done {
        traces.stop().await;
    }
    outcome
}
