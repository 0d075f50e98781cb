//! `user grant-role`

use user_domain::caller::Caller;
use user_domain::ports::UserKey;
use user_domain::use_cases::GrantRoleError;
use user_domain::values::Role;

use super::key;
use crate::cli::Outcome;
use crate::commands::{on_store, result, say};
use crate::compose::Composition;

pub(crate) async fn run(user: &str, role: &str) -> Outcome {
    let (Some(key), Ok(role)) = (key(user), Role::parse(role)) else {
        say(
            "user-service: give a user's id, username or email address, and a role of 1 to 64 of a-z 0-9 : _ -",
        );
        return Outcome::Misused;
    };
    on_store(async |_, composition| grant(composition, &key, role).await).await
}

async fn grant(composition: &Composition, key: &UserKey, role: Role) -> Outcome {
    match composition
        .use_cases()
        .grant_role
        .run(&Caller::Operator, key, role)
        .await
    {
        Ok(written) => {
            let user = written.view.public();
            let roles = written.view.own().map_or_else(Vec::new, |own| {
                own.roles.iter().map(ToString::to_string).collect()
            });
            result(format_args!(
                "{} {} {}",
                user.id,
                user.username,
                roles.join(",")
            ));
            Outcome::Done
        }
        Err(error) => {
            say(format_args!("user-service: {}", describe(&error)));
            Outcome::Failed
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
