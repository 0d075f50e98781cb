use async_trait::async_trait;

use super::StoreError;
use crate::values::Timestamp;

/// Maintains the stored follow counts, one small batch per call.
///
/// The counts that [`Relationships`](super::Relationships) returns are correct whether or not this is called, and while
/// it runs. Concurrent callers are safe and share the work.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait FollowCountMaintenance: Send + Sync {
    /// Applies pending count changes of deleted, suspended, restored and activated users to the counts of the users
    /// that they are related to. One call handles at most [`PendingCountsBatch::MAX_RELATIONSHIPS`] relationships.
    ///
    /// It also removes the relationships of erased users.
    async fn apply_pending(&self) -> Result<PendingCountsBatch, StoreError>;

    /// Counts the relationships of some users again, and corrects stored counts that are wrong.
    ///
    /// It continues where the last call of any replica ended. After the last user it does nothing until
    /// [`CountAuditBatch::INTERVAL`] after the pass started.
    async fn audit(&self, at: Timestamp) -> Result<CountAuditBatch, StoreError>;
}

/// The result of one batch of pending count changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PendingCountsBatch {
    /// The number of relationships that were processed.
    pub relationships: u64,
    /// The number of users with pending count changes, including those that another replica is processing.
    pub waiting: u64,
    /// Whether another call may find more work now.
    pub has_more: bool,
}

/// The result of one batch of the count audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CountAuditBatch {
    /// The number of users that were counted.
    pub users: u64,
    /// The sum of the absolute errors of the follower counts.
    pub followers_drift: u64,
    /// The sum of the absolute errors of the following counts.
    pub following_drift: u64,
    /// Whether more users are left to count now.
    pub has_more: bool,
}

impl PendingCountsBatch {
    /// The maximum number of relationships in one batch.
    pub const MAX_RELATIONSHIPS: u16 = 500;
}

impl CountAuditBatch {
    /// The minimum time between the starts of two passes.
    pub const INTERVAL: std::time::Duration = std::time::Duration::from_mins(50);
}
