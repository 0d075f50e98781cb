//! The commands on users. They work by the service's use cases, as the operator, on the store of the settings.

pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod grant_role;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod lockout;
mod patience;
mod walk;

use user_domain::ports::UserKey;
use user_domain::values::{EmailKey, ExternalId, UserId, UsernameKey};
use user_domain::view::UserView;
use user_domain::{Fault, StoreError};
use user_http::UserRecord;

use super::{on_current_store as on_users, say};
use crate::cli::Outcome;

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
