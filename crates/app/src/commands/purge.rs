//! `purge`

use super::{failed, on_store, result, say};
use crate::cli::Outcome;
use crate::compose::Composition;
use crate::retention;

pub(crate) async fn run() -> Outcome {
    on_store(async |_, composition| purge(composition).await).await
}

async fn purge(composition: &Composition) -> Outcome {
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
    let tended = retention::tend_once(&composition.ports).await;
    match &tended {
        Ok((settled, recounted)) => {
            let drift = recounted.followers_drift + recounted.following_drift;
            result(format_args!(
                "relationships_settled {}",
                settled.relationships
            ));
            result(format_args!("relationships_drift {drift}"));
        }
        Err(error) => say(format_args!("user-service: relationships: {error}")),
    }
    if report.has_failed() || tended.is_err() {
        Outcome::Failed
    } else {
        Outcome::Done
    }
}
