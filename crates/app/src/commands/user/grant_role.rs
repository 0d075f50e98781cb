//! `user grant-role`

use user_domain::caller::Caller;
use user_domain::ports::UserKey;
use user_domain::use_cases::{GrantRoleError, UseCases};
use user_domain::values::Role;

use super::{INVALID_ROLE, INVALID_USER_KEY, parse_user_key, with_use_cases};
use crate::cli::CommandOutcome;
use crate::commands::{print_message, print_result};

pub(crate) async fn run(user: &str, role: &str) -> CommandOutcome {
    let Some(key) = parse_user_key(user) else {
        print_message(INVALID_USER_KEY);
        return CommandOutcome::InvalidUsage;
    };
    let Ok(role) = Role::parse(role) else {
        print_message(INVALID_ROLE);
        return CommandOutcome::InvalidUsage;
    };
    with_use_cases(async |_, use_cases| grant(&use_cases, &key, role).await).await
}

async fn grant(use_cases: &UseCases, key: &UserKey, role: Role) -> CommandOutcome {
    let grant = &use_cases.grant_role;
    match grant.run(&Caller::Operator, key, role).await {
        Ok(written) => {
            let user = written.view.public();
            let roles = written.view.own().map_or_else(Vec::new, |own| {
                own.roles.iter().map(ToString::to_string).collect()
            });
            print_result(format_args!(
                "{} {} {}",
                user.id,
                user.username,
                roles.join(",")
            ));
            CommandOutcome::Success
        }
        Err(error) => {
            print_message(format_args!("user-service: {}", describe(&error)));
            CommandOutcome::Failure
        }
    }
}

fn describe(error: &GrantRoleError) -> String {
    match error {
        GrantRoleError::Invalid(faults) => faults
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
        GrantRoleError::Denied(_) | GrantRoleError::NotFound | GrantRoleError::Store(_) => {
            error.to_string()
        }
    }
}
