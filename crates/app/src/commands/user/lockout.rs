//! `user lockout` and `user unlock`

use user_domain::Freshness;
use user_domain::caller::Caller;
use user_domain::use_cases::{FindUserError, UseCases};
use user_domain::values::UserId;

use super::get::sought;
use super::{key, on_users};
use crate::cli::Outcome;
use crate::commands::{failed, result, say};

/// Prints the user's id, its failures in a row, until when it is kept out, and how many sources are.
pub(crate) async fn show(user: &str) -> Outcome {
    on_user(user, async |use_cases, id| {
        let shown = use_cases.show_lockout.run(&Caller::Operator, id).await?;
        let until = shown
            .blocked_until
            .map_or_else(|| "-".to_owned(), |until| until.to_string());
        result(format_args!(
            "{id} {} {until} {}",
            shown.failures, shown.blocked_sources
        ));
        Ok(())
    })
    .await
}

/// Forgets all failures.
pub(crate) async fn clear(user: &str) -> Outcome {
    on_user(user, async |use_cases, id| {
        use_cases.clear_lockout.run(&Caller::Operator, id).await?;
        result(id);
        Ok(())
    })
    .await
}

async fn on_user(
    user: &str,
    work: impl AsyncFnOnce(&UseCases, UserId) -> Result<(), FindUserError>,
) -> Outcome {
    let Some(key) = key(user) else {
        say("user-service: give a user's id, username, email address, or external:ID");
        return Outcome::Misused;
    };
    on_users(async |_, use_cases| {
        let done = async {
            let found = use_cases
                .find_user
                .run(&Caller::Operator, &sought(&key), Freshness::Current)
                .await?;
            work(&use_cases, found.view.public().id).await
        };
        match done.await {
            Ok(()) => Outcome::Done,
            Err(error) => failed(&error),
        }
    })
    .await
}
