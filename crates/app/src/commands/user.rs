//! The commands on users. They call the use cases as the operator, on the store of the settings.

mod activate;
mod backoff;
mod create;
mod delete;
mod export;
mod get;
mod grant_role;
mod import;
mod list;
mod lockout;
mod pages;
mod release_name;
mod revoke_role;
mod suspend;

use user_domain::caller::Caller;
use user_domain::ports::UserKey;
use user_domain::use_cases::{ChangeStatusError, UseCases, WrittenView};
use user_domain::values::{EmailKey, ExternalId, UserId, UsernameKey};
use user_domain::view::UserView;
use user_domain::{Fault, Freshness, StoreError};
use user_http::UserRecord;

use self::get::{print_user, user_selector};
use super::{fail, print_message, with_use_cases};
use crate::cli::{CommandOutcome, User};

pub(super) async fn run(command: User) -> CommandOutcome {
    match command {
        User::Get { user } => get::run(&user).await,
        User::Create(arguments) => create::run(arguments).await,
        User::RevokeRole { user, role } => revoke_role::run(&user, &role).await,
        User::Suspend {
            user,
            reason,
            until,
        } => suspend::run(&user, reason, until).await,
        User::Activate { user } => activate::run(&user).await,
        User::Delete { user, erase } => delete::run(&user, erase).await,
        User::List(arguments) => list::run(&arguments).await,
        User::Import(arguments) => import::run(&arguments).await,
        User::Export(arguments) => export::run(&arguments).await,
        User::Lockout { user } => lockout::show(&user).await,
        User::Unlock { user } => lockout::clear(&user).await,
        User::ReleaseName { name } => release_name::run(&name).await,
        User::GrantRole { user, role } => grant_role::run(&user, &role).await,
    }
}

/// The message for an argument that cannot identify a user.
const INVALID_USER_KEY: &str =
    "user-service: give a user's id, username, email address, or external:ID";

/// The message for an invalid role.
const INVALID_ROLE: &str = "user-service: give a role of 1 to 64 of a-z 0-9 : _ -";

/// Runs the work of a command on the user that the operator named. Only an id can name a deleted user.
async fn with_user(
    text: &str,
    work: impl AsyncFnOnce(&UseCases, UserId) -> CommandOutcome,
) -> CommandOutcome {
    let Some(key) = parse_user_key(text) else {
        print_message(INVALID_USER_KEY);
        return CommandOutcome::InvalidUsage;
    };
    with_use_cases(async |_, use_cases| {
        if let UserKey::Id(id) = &key {
            return work(&use_cases, *id).await;
        }
        let found = use_cases
            .find_user
            .run(&Caller::Operator, &user_selector(&key), Freshness::Current)
            .await;
        match found {
            Ok(found) => work(&use_cases, found.view.public().id).await,
            Err(error) => fail(&error),
        }
    })
    .await
}

/// Prints a user after a change of its status.
fn print_status_change(written: Result<WrittenView, ChangeStatusError>) -> CommandOutcome {
    match written {
        Ok(written) => print_user(&written.view),
        Err(error) => fail(&error),
    }
}

/// Parses an id, an email address, a username or `external:ID`. Each text has at most one of these meanings.
fn parse_user_key(text: &str) -> Option<UserKey> {
    if let Some(id) = text.strip_prefix("external:") {
        return ExternalId::parse(id).ok().map(UserKey::ExternalId);
    }
    if let Ok(id) = UserId::parse(text) {
        return Some(UserKey::Id(id));
    }
    if text.contains('@') {
        return EmailKey::parse(text).ok().map(UserKey::Email);
    }
    UsernameKey::parse(text).ok().map(UserKey::Username)
}

/// Serializes a user as one line of JSON, which an import accepts.
fn to_json_line(view: &UserView) -> Result<String, StoreError> {
    serde_json::to_string(&UserRecord::from(view))
        .map_err(|error| StoreError::Internal(format!("a user cannot be written: {error}")))
}

/// Prints what is wrong with the options of a command, by the names of the options.
fn usage_error(faults: &[Fault]) -> CommandOutcome {
    for fault in faults {
        let option = fault.path().join(".").replace('_', "-");
        print_message(format_args!("user-service: --{option}: {}", fault.detail()));
    }
    CommandOutcome::InvalidUsage
}
