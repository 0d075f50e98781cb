use std::cmp::Ordering;
use std::collections::HashSet;

use async_trait::async_trait;
use uuid::Uuid;

use super::{EventPosition, StoreError, UserEvent};
use crate::relationship::RelationshipEventKind;
use crate::user::EventKind;
use crate::values::UserId;

/// Reads the events about all users and their relationships, in the order in which other services receive them.
///
/// Events are ordered by their positions. Concurrent writes become visible in another order, so a reader must not read
/// past the frontier ([`crate::event_frontier::FrontierTracker`]), which is computed from [`EventFeed::look`].
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait EventFeed: Send + Sync {
    /// Returns the newest visible event, and then the writes that are open.
    ///
    /// Every write that may still add an event before the newest one is among them. If the newest event is that of
    /// `settled`, they are not looked up.
    async fn look(&self, settled: Option<Frontier>) -> Result<FeedLook, StoreError>;

    /// Returns one page of the events up to the frontier `until`. If the database has another history than the frontier,
    /// or another event at it, the store is unavailable until the next look.
    ///
    /// Consecutive pages hold each matching event exactly once, in the order of the positions. The events of one user
    /// are in the order of its revisions. Events about service tokens are not included. A page reads at most
    /// [`FeedRequest::MAX_SCANNED`] events, so it can be empty although more events follow.
    ///
    /// # Errors
    /// [`FeedError::Expired`] for a position before a purged event. [`FeedError::Lost`] for a position of another store,
    /// and if the event at the position is another one now.
    async fn page(&self, request: &FeedRequest) -> Result<FeedPage, FeedError>;
}

/// How far the event feed may be read at present.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait EventFrontier: Send + Sync {
    /// Returns the frontier. Waits until it is known.
    async fn settled(&self) -> Frontier;

    /// Waits until the frontier is another one.
    async fn moved_from(&self, frontier: &Frontier);
}

/// How far the feed may be read: up to an event that no open write can precede.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    /// The history of the database. Positions of different histories must not be compared.
    pub history: String,
    /// The position of the event.
    pub at: EventPosition,
    /// The id of the event; none if it is purged, or if there never was one.
    pub event: Option<Uuid>,
}

/// One observation of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedLook {
    /// The newest visible event, or the last purged one if its position is greater.
    pub newest: Frontier,
    /// The writes that were open after the newest event was read, by names that are not used again.
    pub open_writes: HashSet<String>,
}

/// The request for one page of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRequest {
    /// Where the page starts.
    pub start: FeedStart,
    /// How far the page may be read.
    pub until: Frontier,
    /// The kinds of events to return.
    pub kinds: Vec<FeedEventKind>,
    /// Returns only events with this user as their subject.
    pub subject: Option<UserId>,
    /// The maximum number of events.
    pub limit: u16,
}

/// Where a page of the feed starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedStart {
    /// At the oldest event after the last purged one.
    Oldest,
    /// After the last event that may be read: the page is empty.
    Newest,
    /// After a position.
    After(FeedPosition),
}

/// A position in the feed of one store: directly after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPosition {
    /// The id of the store.
    pub store: Uuid,
    /// The position of the event.
    pub at: EventPosition,
    /// The first bytes of the event's id, by which a store that was set back is recognised. Zero if the event is purged.
    pub tag: [u8; 8],
}

/// One page of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    /// The events, at most as many as requested.
    pub events: Vec<FeedEvent>,
    /// The position after the last event that was read.
    pub end: FeedPosition,
    /// Whether the next page can be read at once.
    pub has_more: bool,
}

/// An event in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    /// Its position.
    pub at: EventPosition,
    /// The event.
    pub event: UserEvent,
}

/// The kind of an event in the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedEventKind {
    /// About a user.
    User(EventKind),
    /// About a relationship.
    Relationship(RelationshipEventKind),
}

/// Why a page of the feed was not returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// Events after the position were purged.
    #[error("events after the position were purged")]
    Expired,
    /// The position is not in this store's history: the store was replaced, restored or lost its last writes.
    #[error("the position is not in the history of the store")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FeedRequest {
    /// The maximum number of events that are read for a page.
    pub const MAX_SCANNED: u16 = 10_000;
}

impl Frontier {
    /// Whether the database has not gone back since an earlier frontier.
    pub fn continues(&self, earlier: &Self) -> bool {
        self.history == earlier.history
            && match self.at.cmp(&earlier.at) {
                Ordering::Less => false,
                Ordering::Equal => self.event.is_none() || self.event == earlier.event,
                Ordering::Greater => true,
            }
    }
}

impl FeedPosition {
    /// Creates the position after an event; `None` is a purged event.
    pub fn after(store: Uuid, at: EventPosition, event: Option<Uuid>) -> Self {
        Self {
            store,
            at,
            tag: event.map(Self::tag_of).unwrap_or_default(),
        }
    }

    /// Checks that the position can be continued in a store, from the store's id, its last purged event, and the event
    /// that is now at the position.
    ///
    /// # Errors
    /// [`FeedError::Expired`] or [`FeedError::Lost`].
    pub fn check(
        &self,
        store: Uuid,
        purged: EventPosition,
        event: Option<Uuid>,
    ) -> Result<(), FeedError> {
        if self.store != store {
            return Err(FeedError::Lost);
        }
        if self.at < purged {
            return Err(FeedError::Expired);
        }
        match event {
            Some(event) if Self::tag_of(event) == self.tag => Ok(()),
            None if self.at == purged => Ok(()),
            _ => Err(FeedError::Lost),
        }
    }

    fn tag_of(event: Uuid) -> [u8; 8] {
        event.as_u64_pair().0.to_be_bytes()
    }
}

impl FeedEventKind {
    /// Returns all kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        let users = EventKind::ALL.into_iter().map(Self::User);
        users.chain(
            RelationshipEventKind::ALL
                .into_iter()
                .map(Self::Relationship),
        )
    }

    /// The event's type on the wire and in the outbox.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User(kind) => kind.as_str(),
            Self::Relationship(kind) => kind.as_str(),
        }
    }

    /// Finds a kind by its type.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.as_str() == name)
    }

    /// Whether the event is about a block, which only readers of private data may see.
    pub fn is_about_blocks(self) -> bool {
        match self {
            Self::User(_) => false,
            Self::Relationship(kind) => kind.is_about_blocks(),
        }
    }
}
