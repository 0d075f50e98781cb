//! The event feed, and the history of a user.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use user_domain::values::{Revision, Timestamp, UserId, Version};

use crate::call::Read;
use crate::client::Client;
use crate::error::Error;
use crate::open_enum::open_enum;
use crate::operation;
use crate::page::{Items, Page};
use crate::transport::Answer;
use crate::user::User;
use crate::users::PAGE_SIZE;

open_enum! {
    /// The type of an event.
    EventKind {
        /// A user was created.
        UserCreated "user.created",
        /// Fields, the password or the sessions of a user changed.
        UserUpdated "user.updated",
        /// A user was suspended.
        UserSuspended "user.suspended",
        /// The suspension of a user ended.
        UserActivated "user.activated",
        /// A user was deleted, and can be restored for 30 days.
        UserDeleted "user.deleted",
        /// A deleted user was restored.
        UserRestored "user.restored",
        /// A user was removed permanently: remove every copy.
        UserErased "user.erased",
        /// The subject follows the object.
        UserFollowed "user.followed",
        /// The subject no longer follows the object.
        UserUnfollowed "user.unfollowed",
        /// The subject blocks the object; only with `users:read_private`.
        UserBlocked "user.blocked",
        /// The subject no longer blocks the object; only with `users:read_private`.
        UserUnblocked "user.unblocked",
    }
}

/// An event of the feed: in the form of CloudEvents 1.0, without the members that are the same for all.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct CloudEvent {
    /// The id, the same for each delivery of the event.
    pub id: String,
    /// The service, as `urn:user-service:<store id>`.
    pub source: String,
    /// The type. Ignore what you do not know.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// The user that the event is about.
    pub subject: UserId,
    /// When it happened.
    pub time: Timestamp,
    /// The position in the feed: digits of a fixed length, so that texts compare as numbers.
    pub sequence: String,
    /// What happened.
    pub data: EventData,
}

/// What happened in an event.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct EventData {
    /// The revision of the user after the change; `None` for a relationship.
    #[serde(deserialize_with = "revision")]
    pub revision: Option<Revision>,
    /// The version of the user after the change; `None` for a relationship.
    pub version: Option<Version>,
    /// The dotted paths of the changed fields.
    pub changed: Vec<String>,
    /// The actor: `user:<id>`, `service:<name>`, `operator`, `retention` or `schedule`.
    pub actor: Option<String>,
    /// The other user of a relationship.
    pub object: Option<UserId>,
    /// The user at the time of reading, if it was included; `None` once it is erased.
    pub user: Option<User>,
}

fn revision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Revision>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.and_then(Revision::from_i64))
}

impl CloudEvent {
    /// Whether the event is newer than the greatest revision that the reader has of its subject. An event about a
    /// relationship has no revision, and is compared by [`CloudEvent::sequence`] instead.
    pub fn is_newer_than(&self, known: Option<Revision>) -> bool {
        self.data.revision > known
    }
}

/// A page of the event feed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct EventPage {
    /// The events, oldest first. A page can be empty although there are more.
    pub events: Vec<CloudEvent>,
    /// The position after the page.
    pub cursor: String,
    /// Whether there are more events already.
    pub has_more: bool,
}

/// An event in the history of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryEvent {
    /// The id.
    pub id: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// The kind of the subject: `user` or `relationship`.
    pub subject_kind: String,
    /// The user that the event is about.
    pub subject_id: UserId,
    /// The other user of a relationship.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<UserId>,
    /// The version after the change.
    pub version: Version,
    /// The dotted paths of the changed fields.
    pub changed: Vec<String>,
    /// The actor.
    pub actor: String,
    /// When it happened.
    pub at: Timestamp,
}

#[derive(Deserialize)]
struct HistoryPage {
    events: Vec<HistoryEvent>,
    next_cursor: Option<String>,
}

fn page_of_history(answer: &Answer) -> Result<Page<HistoryEvent>, Error> {
    let page: HistoryPage = answer.json()?;
    Ok(Page::new(page.events, page.next_cursor))
}

impl Client {
    /// Reads a page of the event feed, from the oldest event that is kept. Requires the scope `events:read`.
    ///
    /// [`Client::follow`] reads page after page, and keeps the position.
    ///
    /// # Errors
    /// 410 if events after the cursor are missing: read all users again.
    pub fn list_events(&self) -> Read<EventPage> {
        self.read(operation::LIST_EVENTS, &[], Answer::json)
    }

    /// Reads a page of the events about a user of the last 30 days, newest first. For the user itself, administrators,
    /// and services with `users:read_private`.
    ///
    /// # Errors
    /// Not found (404).
    pub fn list_user_history(&self, id: UserId) -> Read<Page<HistoryEvent>> {
        self.read(
            operation::LIST_USER_HISTORY,
            &[&id.to_string()],
            page_of_history,
        )
    }

    /// Reads all events about a user of the last 30 days, newest first.
    pub fn user_history(&self, id: UserId) -> Items<HistoryEvent> {
        let client = self.clone();
        Items::new(move |cursor| client.list_user_history(id).at(cursor).limit(PAGE_SIZE))
    }
}

impl Read<EventPage> {
    fn parameter(self, name: &str, value: &str) -> Self {
        self.change(|request| {
            request.query(name, value);
            Ok(())
        })
    }

    /// Continues after the page that had this cursor.
    pub fn from(self, cursor: &str) -> Self {
        self.parameter("cursor", cursor)
    }

    /// Reads the current position, without events.
    pub fn now(self) -> Self {
        self.from("now")
    }

    /// Limits the events of the page, 1 to 1,000; 100 by default.
    pub fn limit(self, limit: u32) -> Self {
        self.parameter("limit", &limit.to_string())
    }

    /// Waits for an event if there is none: whole seconds, at most 25.
    pub fn wait(self, time: Duration) -> Self {
        self.parameter("wait", &time.as_secs().to_string())
            .change(|request| {
                request.server_wait = time;
                Ok(())
            })
    }

    /// Reads events of these types only. Repeat it for more.
    pub fn kind(self, kind: &EventKind) -> Self {
        self.parameter("types", kind.as_str())
    }

    /// Reads events about this user only.
    pub fn subject(self, id: UserId) -> Self {
        self.parameter("subject", &id.to_string())
    }

    /// Includes the user, as it is when the event is read. Requires the scope `users:read`.
    pub fn include_user(self) -> Self {
        self.parameter("include", "user")
    }
}
