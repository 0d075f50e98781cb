//! `user suspend`

use user_domain::caller::Caller;
use user_domain::use_cases::{SuspendUserError, WriteConditions};
use user_domain::user::SuspensionInput;

use super::{print_user, usage_error, with_user};
use crate::cli::CommandOutcome;
use crate::commands::fail;

pub(crate) async fn run(
    user: &str,
    reason: Option<String>,
    until: Option<String>,
) -> CommandOutcome {
    let input = SuspensionInput {
        reason,
        until,
        unexpected_fields: Vec::new(),
    };
    with_user(user, async |use_cases, id| {
        let suspend = &use_cases.suspend_user;
        let conditions = WriteConditions::default();
        match suspend.run(&Caller::Operator, id, &input, conditions).await {
            Ok(written) => print_user(&written.view),
            Err(SuspendUserError::Invalid(faults)) => usage_error(&faults),
            Err(error) => fail(&error),
        }
    })
    .await
}
