//! `purge`

use super::{composition, failed, result, say, settings};
use crate::cli::Outcome;
use crate::retention;

pub(crate) async fn run() -> Outcome {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(outcome) => return outcome,
    };
    let composition = match composition(&settings).await {
        Ok(composition) => composition,
        Err(outcome) => return outcome,
    };
    let report = match retention::run_once(&composition.ports).await {
        Ok(report) => report,
        Err(error) => return failed(&error),
    };
    for done in &report.kinds {
        result(format_args!("{} {}", done.kind, done.removed));
        if let Some(error) = &done.failure {
            say(format_args!("user-service: {}: {error}", done.kind));
        }
    }
    if report.has_failed() {
        Outcome::Failed
    } else {
        Outcome::Done
    }
}
