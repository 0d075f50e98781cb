use async_trait::async_trait;

use super::StoreError;
use crate::values::Timestamp;

/// Keeps the counts of relationships cheap to read and true, a small batch a call.
///
/// What [`Relationships`](super::Relationships) tells is right whether or not this is called, and while it runs. Several
/// callers at once do no harm, and share the work.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait RelationshipUpkeep: Send + Sync {
    /// Settles with the counts of others some of those who have come or gone, at most [`Settled::MOST`] relationships,
    /// and removes what those were to others who are erased.
    async fn settle(&self) -> Result<Settled, StoreError>;

    /// Counts the relationships of some users again, and corrects what was counted wrongly.
    ///
    /// It goes on where the last call left off, of whichever replica. When it has come to the end it does nothing until
    /// [`Recounted::EVERY`] after it began.
    async fn recount(&self, at: Timestamp) -> Result<Recounted, StoreError>;
}

/// What settling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// How many relationships were looked at.
    pub relationships: u64,
    /// How many users are left with whom there is more to settle, those included whom others are at just now.
    pub waiting: u64,
    /// Whether another call may find more to do now.
    pub has_more: bool,
}

/// What a recount did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recounted {
    /// How many users were counted.
    pub users: u64,
    /// By how many the counts of followers were wrong, too many or too few.
    pub followers_drift: u64,
    /// By how many the counts of those followed were wrong, too many or too few.
    pub following_drift: u64,
    /// Whether there are more to count now.
    pub has_more: bool,
}

impl Settled {
    /// The most relationships of one batch.
    pub const MOST: u16 = 500;
}

impl Recounted {
    /// How long after the beginning of one pass the next may begin.
    pub const EVERY: std::time::Duration = std::time::Duration::from_mins(50);
}
