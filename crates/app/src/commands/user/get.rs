//! `user get`

use std::io::{IsTerminal as _, stdout};

use user_domain::Freshness;
use user_domain::caller::Caller;
use user_domain::ports::UserKey;
use user_domain::use_cases::Sought;
use user_domain::view::UserView;
use user_http::UserRecord;

use super::{key, line, on_users};
use crate::cli::Outcome;
use crate::commands::{failed, result, say};

pub(crate) async fn run(user: &str) -> Outcome {
    let Some(key) = key(user) else {
        say("user-service: give a user's id, username, email address, or external:ID");
        return Outcome::Misused;
    };
    on_users(async |_, use_cases| {
        let found = use_cases
            .find_user
            .run(&Caller::Operator, &sought(&key), Freshness::Current)
            .await;
        match found {
            Ok(found) => show(&found.view),
            Err(error) => failed(&error),
        }
    })
    .await
}

pub(super) fn sought(key: &UserKey) -> Sought {
    match key {
        UserKey::Id(id) => Sought::Id(id.to_string()),
        UserKey::Username(name) => Sought::Username(name.as_str().to_owned()),
        UserKey::Email(email) => Sought::Email(email.as_str().to_owned()),
        UserKey::ExternalId(id) => Sought::ExternalId(id.as_str().to_owned()),
    }
}

fn show(view: &UserView) -> Outcome {
    let written = if stdout().is_terminal() {
        serde_json::to_string_pretty(&UserRecord::from(view)).map_err(|error| error.to_string())
    } else {
        line(view).map_err(|error| error.to_string())
    };
    match written {
        Ok(written) => {
            result(written);
            Outcome::Done
        }
        Err(error) => failed(&error),
    }
}
