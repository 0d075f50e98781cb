//! `purge`

use super::{fail, print_message, print_result, with_store};
use crate::cli::CommandOutcome;
use crate::compose::Composition;
use crate::workers::retention;

pub(crate) async fn run() -> CommandOutcome {
    with_store(async |_, composition| purge(composition).await).await
}

async fn purge(composition: &Composition) -> CommandOutcome {
    let report = match retention::purge_once(&composition.ports).await {
        Ok(report) => report,
        Err(error) => return fail(&error),
    };
    for done in &report.kinds {
        print_result(format_args!("{} {}", done.kind, done.removed));
        if let Some(error) = &done.failure {
            print_message(format_args!("user-service: {}: {error}", done.kind));
        }
    }
    let maintained = retention::maintain_follow_counts_once(&composition.ports).await;
    match &maintained {
        Ok((settled, audited)) => {
            let drift = audited.followers_drift + audited.following_drift;
            print_result(format_args!(
                "relationships_settled {}",
                settled.relationships
            ));
            print_result(format_args!("relationships_drift {drift}"));
        }
        Err(error) => print_message(format_args!("user-service: relationships: {error}")),
    }
    if report.has_failed() || maintained.is_err() {
        CommandOutcome::Failure
    } else {
        CommandOutcome::Success
    }
}
