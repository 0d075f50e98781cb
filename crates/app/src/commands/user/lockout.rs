//! `user lockout` and `user unlock`

use user_domain::caller::Caller;

use super::with_user;
use crate::cli::CommandOutcome;
use crate::commands::{fail, print_result};

/// Prints the id of the user, its consecutive failures, until when it is locked out, and the number of blocked sources.
pub(crate) async fn show(user: &str) -> CommandOutcome {
    with_user(user, async |use_cases, id| {
        let shown = match use_cases.show_lockout.run(&Caller::Operator, id).await {
            Ok(shown) => shown,
            Err(error) => return fail(&error),
        };
        let until = shown
            .blocked_until
            .map_or_else(|| "-".to_owned(), |until| until.to_string());
        print_result(format_args!(
            "{id} {} {until} {}",
            shown.failures, shown.blocked_sources
        ));
        CommandOutcome::Success
    })
    .await
}

/// Deletes all recorded failures.
pub(crate) async fn clear(user: &str) -> CommandOutcome {
    with_user(user, async |use_cases, id| {
        match use_cases.clear_lockout.run(&Caller::Operator, id).await {
            Ok(()) => {
                print_result(id);
                CommandOutcome::Success
            }
            Err(error) => fail(&error),
        }
    })
    .await
}
