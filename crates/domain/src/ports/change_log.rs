use async_trait::async_trait;

use super::StoreError;
use crate::user::Event;
use crate::values::{ServiceTokenId, Timestamp, UserId, Version};

/// What has happened, from the outbox.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ChangeLog: Send + Sync {
    /// Gives the events about one user, oldest first.
    ///
    /// Every applied write has its event, in order of version; an unchanged, refused or replayed one has none.
    /// The events of a user outlive its erasure; each is kept for [`Event::KEPT`]. Events about anything else are not among
    /// them.
    async fn about(&self, user: UserId) -> Result<Vec<Event>, StoreError>;

    /// Tells the position now, from which to ask for what comes later.
    async fn position(&self) -> Result<LogPosition, StoreError>;

    /// Tells which users and which tokens of services have changed since a position, and the position now.
    ///
    /// What was committed before the call is told by it or was told before; what is committed later is told by a later
    /// call, however long its transaction has been open and whatever was committed before it. Order and repetition are
    /// not promised: whoever applies changes goes by their versions.
    /// Events that are no longer kept are not told. A position from before one of them, one that this log did not give,
    /// and one that lies ahead of it are answered as too far back.
    async fn since(&self, position: &LogPosition) -> Result<Changes, StoreError>;
}

/// A place in the log of changes, in the store's own words.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LogPosition(String);

/// What has changed since a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The users that changed.
    pub changed: Vec<Changed>,
    /// The tokens of services that were made or revoked.
    pub tokens: Vec<ServiceTokenId>,
    /// Whether these are all; if not, too much has happened since the position to be told, or nobody knows it.
    pub complete: bool,
    /// From where to ask next.
    pub position: LogPosition,
}

/// One change of one user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Changed {
    /// Who changed.
    pub id: UserId,
    /// The version that the change made.
    pub version: Version,
    /// When, by the clock of the replica that wrote.
    pub at: Timestamp,
}

impl Changes {
    /// The most changes of one answer, of users and tokens together.
    pub const MOST: usize = 10_000;
}

impl LogPosition {
    /// Takes a position in the words of the store that reads it, or as somebody kept it.
    pub fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The position, in the store's words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
