//! `user get`

use std::io::{IsTerminal as _, stdout};

use user_domain::Freshness;
use user_domain::caller::Caller;
use user_domain::ports::UserKey;
use user_domain::use_cases::UserSelector;
use user_domain::view::UserView;
use user_http::UserRecord;

use super::{INVALID_USER_KEY, parse_user_key, to_json_line, with_use_cases};
use crate::cli::CommandOutcome;
use crate::commands::{fail, print_message, print_result};

pub(crate) async fn run(user: &str) -> CommandOutcome {
    let Some(key) = parse_user_key(user) else {
        print_message(INVALID_USER_KEY);
        return CommandOutcome::InvalidUsage;
    };
    with_use_cases(async |_, use_cases| {
        let found = use_cases
            .find_user
            .run(&Caller::Operator, &user_selector(&key), Freshness::Current)
            .await;
        match found {
            Ok(found) => print_user(&found.view),
            Err(error) => fail(&error),
        }
    })
    .await
}

pub(super) fn user_selector(key: &UserKey) -> UserSelector {
    match key {
        UserKey::Id(id) => UserSelector::Id(id.to_string()),
        UserKey::Username(name) => UserSelector::Username(name.as_str().to_owned()),
        UserKey::Email(email) => UserSelector::Email(email.as_str().to_owned()),
        UserKey::ExternalId(id) => UserSelector::ExternalId(id.as_str().to_owned()),
    }
}

/// Prints a user as JSON: with line breaks on a terminal, otherwise as one line.
pub(super) fn print_user(view: &UserView) -> CommandOutcome {
    let written = if stdout().is_terminal() {
        serde_json::to_string_pretty(&UserRecord::from(view)).map_err(|error| error.to_string())
    } else {
        to_json_line(view).map_err(|error| error.to_string())
    };
    match written {
        Ok(written) => {
            print_result(written);
            CommandOutcome::Success
        }
        Err(error) => fail(&error),
    }
}
