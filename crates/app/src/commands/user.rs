//! The commands on users. They work by the service's use cases, as the operator, on the store of the settings.

pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod grant_role;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod lockout;
mod patience;
mod table;
mod walk;

use user_domain::ports::UserKey;
use user_domain::use_cases::UseCases;
use user_domain::values::{EmailKey, ExternalId, UserId, UsernameKey};
use user_domain::view::UserView;
use user_domain::{Fault, StoreError};
use user_http::UserRecord;

use super::{failed, on_store, say};
use crate::cli::Outcome;
use crate::settings::Settings;

/// Does a command's work on the users of the settings' store, which has to be up to date.
async fn on_users(work: impl AsyncFnOnce(&Settings, UseCases) -> Outcome) -> Outcome {
    on_store(async |settings, composition| {
        match composition.pending_migrations().await {
            Ok(pending) if pending.is_empty() => work(settings, composition.use_cases()).await,
            Ok(_) => {
                say(
                    "user-service: the database is not up to date: run `user-service migrate up` first",
                );
                Outcome::Failed
            }
            Err(error) => failed(&error),
        }
    })
    .await
}

/// Takes an id for an id and an address for an address; the two and a name cannot be confused.
fn key(text: &str) -> Option<UserKey> {
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

/// Writes a user as one line of JSON, which an import takes.
fn line(view: &UserView) -> Result<String, StoreError> {
    serde_json::to_string(&UserRecord::from(view))
        .map_err(|error| StoreError::Internal(format!("a user cannot be written: {error}")))
}

/// Tells what is wrong with the options of a command, by the names that they have there.
fn misused(faults: &[Fault]) -> Outcome {
    for fault in faults {
        let option = fault.path().join(".").replace('_', "-");
        say(format_args!("user-service: --{option}: {}", fault.detail()));
    }
    Outcome::Misused
}
