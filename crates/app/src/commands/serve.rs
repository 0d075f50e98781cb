//! `serve`

use super::{failed, settings};
use crate::cli::Outcome;
use crate::serve::Service;
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
    let outcome = match Service::start(&settings).await {
        Ok(service) => service.run_until_signalled().await,
        Err(error) => failed(&error),
    };
    traces.stop().await;
    outcome
}
