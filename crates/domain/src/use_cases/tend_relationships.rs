//! Keeps the counts of relationships cheap to read and true.

use std::sync::Arc;

use super::Pace;
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{Clock, Recounted, RelationshipUpkeep, Settled};

/// Why the relationships were not tended to the end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TendRelationshipsError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed; what was done before stays.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps the counts of relationships cheap to read and true.
#[derive(Clone)]
pub struct TendRelationships {
    pub(super) upkeep: Arc<dyn RelationshipUpkeep>,
    pub(super) clock: Arc<dyn Clock>,
}

impl TendRelationships {
    /// After so many batches that failed a recount is given up.
    pub const MOST_FAILURES: u32 = 3;

    /// Settles, batch by batch, with the counts of others all who have come or gone, and tells of each batch; gives what it
    /// looked at, and how many are left because others are at them or it was stopped.
    ///
    /// # Errors
    /// [`TendRelationshipsError`], at the first batch that fails.
    pub async fn settle(
        &self,
        caller: &Caller,
        pace: &dyn Pace,
        told: impl Fn(&Settled) + Send,
    ) -> Result<Settled, TendRelationshipsError> {
        permit(caller, Action::TendRelationships)?;
        let mut done = Settled::default();
        loop {
            let batch = self.upkeep.settle().await?;
            told(&batch);
            done = Settled {
                relationships: done.relationships + batch.relationships,
                ..batch
            };
            if !batch.has_more || pace.is_over() {
                return Ok(done);
            }
            pace.rest().await;
        }
    }

    /// Counts again, batch by batch, until everybody has been counted, and tells of each batch; gives by how much the counts
    /// were wrong. A batch that fails is left for the next time, and the others are counted all the same.
    ///
    /// # Errors
    /// [`TendRelationshipsError`], when [`Self::MOST_FAILURES`] batches have failed.
    pub async fn recount(
        &self,
        caller: &Caller,
        pace: &dyn Pace,
        told: impl Fn(&Recounted) + Send,
    ) -> Result<Recounted, TendRelationshipsError> {
        permit(caller, Action::TendRelationships)?;
        let mut done = Recounted::default();
        let mut failures = 0;
        loop {
            match self.upkeep.recount(self.clock.now()).await {
                Ok(batch) => {
                    told(&batch);
                    done = Recounted {
                        users: done.users + batch.users,
                        followers_drift: done.followers_drift + batch.followers_drift,
                        following_drift: done.following_drift + batch.following_drift,
                        has_more: batch.has_more,
                    };
                    if !batch.has_more {
                        return Ok(done);
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures == Self::MOST_FAILURES {
                        return Err(error.into());
                    }
                }
            }
            if pace.is_over() {
                return Ok(done);
            }
            pace.rest().await;
        }
    }
}
