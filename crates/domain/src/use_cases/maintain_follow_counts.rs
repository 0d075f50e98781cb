//! Maintains the stored follow counts.

use std::sync::Arc;

use super::BatchThrottle;
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{Clock, CountAuditBatch, FollowCountMaintenance, PendingCountsBatch};

/// Why the maintenance of follow counts stopped early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaintainFollowCountsError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed; earlier batches stay applied.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Maintains the stored follow counts.
#[derive(Clone)]
pub struct MaintainFollowCounts {
    pub(super) counts: Arc<dyn FollowCountMaintenance>,
    pub(super) clock: Arc<dyn Clock>,
}

impl MaintainFollowCounts {
    /// The number of failed batches after which an audit stops.
    pub const MAX_FAILURES: u32 = 3;

    /// Applies all pending count changes, batch by batch, and calls `on_batch` after each batch.
    ///
    /// Returns the number of processed relationships, and the number of users that are left because other replicas
    /// process them or the throttle stopped the work.
    ///
    /// # Errors
    /// [`MaintainFollowCountsError`], at the first batch that fails.
    pub async fn apply_pending(
        &self,
        caller: &Caller,
        throttle: &dyn BatchThrottle,
        on_batch: impl Fn(&PendingCountsBatch) + Send,
    ) -> Result<PendingCountsBatch, MaintainFollowCountsError> {
        permit(caller, Action::MaintainFollowCounts)?;
        let mut total = PendingCountsBatch::default();
        loop {
            let batch = self.counts.apply_pending().await?;
            on_batch(&batch);
            total = PendingCountsBatch {
                relationships: total.relationships + batch.relationships,
                ..batch
            };
            if !batch.has_more || throttle.should_stop() {
                return Ok(total);
            }
            throttle.pause().await;
        }
    }

    /// Counts the relationships of all users again, batch by batch, and calls `on_batch` after each batch. Returns the
    /// total drift. A failed batch is left for the next audit; the others are still counted.
    ///
    /// # Errors
    /// [`MaintainFollowCountsError`], when [`Self::MAX_FAILURES`] batches have failed.
    pub async fn audit(
        &self,
        caller: &Caller,
        throttle: &dyn BatchThrottle,
        on_batch: impl Fn(&CountAuditBatch) + Send,
    ) -> Result<CountAuditBatch, MaintainFollowCountsError> {
        permit(caller, Action::MaintainFollowCounts)?;
        let mut total = CountAuditBatch::default();
        let mut failures = 0;
        loop {
            match self.counts.audit(self.clock.now()).await {
                Ok(batch) => {
                    on_batch(&batch);
                    total = CountAuditBatch {
                        users: total.users + batch.users,
                        followers_drift: total.followers_drift + batch.followers_drift,
                        following_drift: total.following_drift + batch.following_drift,
                        has_more: batch.has_more,
                    };
                    if !batch.has_more {
                        return Ok(total);
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures == Self::MAX_FAILURES {
                        return Err(error.into());
                    }
                }
            }
            if throttle.should_stop() {
                return Ok(total);
            }
            throttle.pause().await;
        }
    }
}
