//! Everything that is stored about a user.

use serde::{Deserialize, Serialize};
use user_domain::values::{Timestamp, UserId};

use crate::call::Read;
use crate::client::Client;
use crate::events::HistoryEvent;
use crate::operation;
use crate::relationships::RelatedUser;
use crate::transport::Answer;
use crate::user::{Counts, User};

/// Everything that is stored about a user and that the caller may see. Each list has its newest 1,000 entries and its own
/// cursor. With cursors in the request, only the user and the lists of these cursors are present.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Export {
    /// The user.
    pub user: User,
    /// The credentials, without their values.
    #[serde(default)]
    pub credentials: Vec<CredentialKind>,
    /// When the user last signed out. Tokens issued before are invalid.
    #[serde(default)]
    pub signed_out_at: Option<Timestamp>,
    /// The stored logins.
    #[serde(default)]
    pub login_attempts: Option<LoginAttempts>,
    /// The former usernames that are reserved for the user.
    #[serde(default)]
    pub released_usernames: Vec<ReleasedUsername>,
    /// The number of stored idempotency keys of the user's own writes, at most 1,000.
    #[serde(default)]
    pub idempotency_keys: Option<u64>,
    /// The events, oldest first.
    #[serde(default)]
    pub events: Option<Vec<HistoryEvent>>,
    /// The cursor of older events.
    #[serde(default)]
    pub events_cursor: Option<String>,
    /// The follows and blocks.
    pub relationships: RelatedUsers,
}

/// A credential of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CredentialKind {
    /// The kind, such as `password`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// The stored logins of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoginAttempts {
    /// The number of consecutive failures.
    pub failures: u32,
    /// When the last failure was.
    pub failed_at: Option<Timestamp>,
    /// Until when further attempts are refused.
    pub blocked_until: Option<Timestamp>,
    /// When the last success was.
    pub succeeded_at: Option<Timestamp>,
    /// The number of known sources.
    pub sources: u64,
    /// The number of sources that are delayed.
    pub blocked_sources: u64,
}

/// A former username that is reserved for its user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReleasedUsername {
    /// The username.
    pub username: Option<String>,
    /// When the user took another one.
    pub released_at: Timestamp,
    /// Until when no other user can take it.
    pub reserved_until: Timestamp,
}

/// The follows and blocks of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RelatedUsers {
    /// The counts.
    #[serde(default)]
    pub counts: Option<Counts>,
    /// The followers.
    #[serde(default)]
    pub followers: Option<RelatedUserList>,
    /// The followed users.
    #[serde(default)]
    pub following: Option<RelatedUserList>,
    /// The blocked users.
    #[serde(default)]
    pub blocks: Option<RelatedUserList>,
}

/// A part of a list of related users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RelatedUserList {
    /// The users, newest first.
    pub users: Vec<RelatedUser>,
    /// The cursor of the next part.
    pub next_cursor: Option<String>,
}

/// The lists of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportedList {
    /// The events.
    Events,
    /// The followers.
    Followers,
    /// The followed users.
    Following,
    /// The blocked users.
    Blocks,
}

impl Client {
    /// Reads everything that is stored about a user. For the user itself, administrators, and services with
    /// `users:read_private`.
    ///
    /// # Errors
    /// Not found (404).
    pub fn export_user(&self, id: UserId) -> Read<Export> {
        self.read(operation::EXPORT_USER, &[&id.to_string()], Answer::json)
    }
}

impl Read<Export> {
    /// Reads the next part of a list, and no other list without a cursor of its own.
    pub fn continue_list(self, list: ExportedList, cursor: &str) -> Self {
        let name = match list {
            ExportedList::Events => "events_cursor",
            ExportedList::Followers => "followers_cursor",
            ExportedList::Following => "following_cursor",
            ExportedList::Blocks => "blocks_cursor",
        };
        self.change(|request| {
            request.query(name, cursor);
            Ok(())
        })
    }
}
