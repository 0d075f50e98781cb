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
    telemetry::start_logging(&settings.log);
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    match Service::start(&settings).await {
        Ok(service) => service.run_until_signalled().await,
        Err(error) => failed(&error),
    }
}
