//! `user revoke-role`

use user_domain::caller::Caller;
use user_domain::values::Role;

use super::{INVALID_ROLE, INVALID_USER_KEY, parse_user_key, print_user, with_use_cases};
use crate::cli::CommandOutcome;
use crate::commands::{fail, print_message};

pub(crate) async fn run(user: &str, role: &str) -> CommandOutcome {
    let Some(key) = parse_user_key(user) else {
        print_message(INVALID_USER_KEY);
        return CommandOutcome::InvalidUsage;
    };
    let Ok(role) = Role::parse(role) else {
        print_message(INVALID_ROLE);
        return CommandOutcome::InvalidUsage;
    };
    with_use_cases(async |_, use_cases| {
        let revoke = &use_cases.revoke_role;
        match revoke.run(&Caller::Operator, &key, role).await {
            Ok(written) => print_user(&written.view),
            Err(error) => fail(&error),
        }
    })
    .await
}
