//! `user activate`

use user_domain::caller::Caller;
use user_domain::use_cases::{StatusChange, WriteConditions};

use super::{print_status_change, with_user};
use crate::cli::CommandOutcome;

pub(crate) async fn run(user: &str) -> CommandOutcome {
    with_user(user, async |use_cases, id| {
        let (wanted, conditions) = (StatusChange::Activate, WriteConditions::default());
        let change = &use_cases.change_status;
        print_status_change(change.run(&Caller::Operator, id, wanted, conditions).await)
    })
    .await
}
