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
    /// Settles, batch by batch, with the counts of others all who have come or gone; tells what it looked at, and how many
    /// are left because others are at them or it was stopped.
    pub async fn settle(
        &self,
        caller: &Caller,
        pace: &dyn Pace,
    ) -> Result<Settled, TendRelationshipsError> {
        permit(caller, Action::TendRelationships)?;
        let mut done = Settled::default();
        loop {
            let batch = self.upkeep.settle().await?;
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

    /// Counts again, batch by batch, until everybody has been counted; tells by how much the counts were wrong.
    pub async fn recount(
        &self,
        caller: &Caller,
        pace: &dyn Pace,
    ) -> Result<Recounted, TendRelationshipsError> {
        permit(caller, Action::TendRelationships)?;
        let mut done = Recounted::default();
        loop {
            let batch = self.upkeep.recount(self.clock.now()).await?;
            done = Recounted {
                users: done.users + batch.users,
                followers_drift: done.followers_drift + batch.followers_drift,
                following_drift: done.following_drift + batch.following_drift,
                has_more: batch.has_more,
            };
            if !batch.has_more || pace.is_over() {
                return Ok(done);
            }
            pace.rest().await;
        }
    }
}
