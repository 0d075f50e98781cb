//! `user delete`

use serde_json::json;
use user_domain::caller::Caller;
use user_domain::use_cases::{UseCases, WriteConditions};
use user_domain::values::UserId;

use super::with_user;
use crate::cli::CommandOutcome;
use crate::commands::{fail, print_result};

pub(crate) async fn run(user: &str, erase: bool) -> CommandOutcome {
    with_user(user, async |use_cases, id| {
        delete(use_cases, id, erase).await
    })
    .await
}

/// Deletes a user (soft delete) or erases it, and prints its id and the outcome.
async fn delete(use_cases: &UseCases, id: UserId, erase: bool) -> CommandOutcome {
    let (caller, conditions) = (Caller::Operator, WriteConditions::default());
    let (done, outcome) = if erase {
        let erased = use_cases.erase_user.run(&caller, id, conditions).await;
        (erased, "erased")
    } else {
        let deleted = use_cases.delete_user.run(&caller, id, conditions).await;
        (deleted, "deleted")
    };
    match done {
        Ok(_) => {
            print_result(json!({"id": id, "outcome": outcome}));
            CommandOutcome::Success
        }
        Err(error) => fail(&error),
    }
}
