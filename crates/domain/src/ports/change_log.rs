use async_trait::async_trait;
use uuid::Uuid;

use super::StoreError;
use crate::relationship::RelationshipEvent;
use crate::user::{Event, EventKind};
use crate::values::{Revision, ServiceTokenId, Timestamp, UserId};

/// Reads the change log, which is the outbox table.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ChangeLog: Send + Sync {
    /// Returns one page of the events about a user and about the relationships that it started and ended, newest first.
    ///
    /// Every applied write has its event, in order of revision; an unchanged, refused or replayed write has none.
    /// A user's events outlive its erasure; each is kept for [`Event::RETENTION`]. Events about anything else are not
    /// included. Consecutive pages hold each event exactly once.
    async fn about(&self, request: &EventsRequest) -> Result<EventPage, StoreError>;

    /// Returns the current position, from which later changes can be read.
    async fn position(&self) -> Result<LogPosition, StoreError>;

    /// Returns the users and the service tokens that changed since a position, and the current position.
    ///
    /// A change that was committed before the call is returned by this call or by an earlier one. A change that is
    /// committed later is returned by a later call, however long its transaction was open. Order and uniqueness are not
    /// guaranteed: a consumer must order changes by their revisions.
    ///
    /// Events past their retention period are not returned. The answer is incomplete ([`Changes::complete`]) for a
    /// position before a removed event, for one that this log did not issue, and for one in the future. After a restore it
    /// stays incomplete until the users match the log.
    async fn since(&self, position: &LogPosition) -> Result<Changes, StoreError>;

    /// Returns the changes of users among the newest events before a position, reading at most `limit` events.
    ///
    /// Events about anything else count towards `limit` but are not returned. Consecutive pages, starting at the newest
    /// event, hold every change that was committed before the first page was read, as long as its event is retained.
    async fn before(
        &self,
        position: Option<EventPosition>,
        limit: u16,
    ) -> Result<PastChanges, StoreError>;
}

/// One page of the events about a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventsRequest {
    /// The user.
    pub user: UserId,
    /// The page contains only events older than the one at this position; it starts at the newest event if none.
    pub before: Option<EventPosition>,
    /// The maximum number of events.
    pub limit: u16,
}

/// The position of an event among all events, as the store numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPosition(i64);

/// Events about a user, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventPage {
    /// The events, at most as many as requested.
    pub events: Vec<UserEvent>,
    /// The position of the last event, if older events follow it.
    pub next: Option<EventPosition>,
}

/// An event about a user, or about a relationship of which the user is the subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserEvent {
    /// About the user itself.
    User(Event),
    /// About a relationship that the user started or ended.
    Relationship(RelationshipEvent),
}

impl UserEvent {
    /// The user that the event is about; for a relationship, the user that started or ended it.
    pub fn subject(&self) -> UserId {
        match self {
            Self::User(event) => event.subject_id,
            Self::Relationship(event) => event.edge.from(),
        }
    }

    /// The id of the event.
    pub fn id(&self) -> Uuid {
        match self {
            Self::User(event) => event.id,
            Self::Relationship(event) => event.id,
        }
    }

    /// The type of the event.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(event) => event.kind.as_str(),
            Self::Relationship(event) => event.kind.as_str(),
        }
    }

    /// The time of the event.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::User(event) => event.at,
            Self::Relationship(event) => event.at,
        }
    }
}

impl EventPosition {
    /// Creates a position from the number that a store or a cursor holds.
    pub fn from_store(number: i64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// A position in the change log, in the store's own format.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogPosition(String);

/// The changes since a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The users that changed.
    pub changed: Vec<Changed>,
    /// The service tokens that were issued or revoked.
    pub tokens: Vec<ServiceTokenId>,
    /// Whether these are all changes. False if there are more than [`Changes::MAX_CHANGES`], or if the position is
    /// unknown or too old.
    pub complete: bool,
    /// How the log differs from the one that the position belongs to; none if it continues there. Such changes are never
    /// complete.
    pub discontinuity: Option<Discontinuity>,
    /// The position to read from next.
    pub position: LogPosition,
}

/// How a log differs from one that was read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discontinuity {
    /// Its server was restarted, or is another one.
    Server,
    /// It was replaced, or went back to an earlier state.
    Restore,
}

/// One change of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Changed {
    /// The user that changed.
    pub id: UserId,
    /// The revision after the change.
    pub revision: Revision,
    /// The kind of change; [`EventKind::Updated`] for a kind that this release does not support.
    pub kind: EventKind,
    /// When the change was made, by the clock of the replica that wrote it.
    pub at: Timestamp,
}

/// One page of the changes of users, read backwards from the newest event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastChanges {
    /// The users that changed.
    pub changed: Vec<Changed>,
    /// The latest time of all events in the page, of any kind; none if the page is empty.
    pub latest: Option<Timestamp>,
    /// The position of the oldest event of the page, before which the next page starts; none if there are no older
    /// events. The next page may be empty.
    pub next: Option<EventPosition>,
}

impl Changes {
    /// The maximum number of changes in one answer, users and tokens together.
    pub const MAX_CHANGES: usize = 10_000;
}

impl LogPosition {
    /// Creates a position from the text that a store issued.
    pub fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The position, in the store's own format.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
