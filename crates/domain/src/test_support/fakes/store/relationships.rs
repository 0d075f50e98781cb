use std::collections::HashSet;

use async_trait::async_trait;

use super::FakeStore;
use crate::StoreError;
use crate::ports::{
    CountAuditBatch, FollowCountMaintenance, PendingCountsBatch, Perspective, RelationshipWritten,
    Relationships,
};
use crate::relationship::{
    Counts, FollowList, FollowOutcome, NewFollow, RelatedNames, RelatedPage, RelatedRequest,
    RelationshipFlags, RelationshipWrite,
};
use crate::values::{Timestamp, UserId};
use crate::write::{WriteContext, WriteError};

#[async_trait]
impl Relationships for FakeStore {
    async fn change_relationship(
        &self,
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError> {
        self.state().change_relationship(write, context)
    }

    async fn follow_many(
        &self,
        follows: &[NewFollow],
        context: &WriteContext,
    ) -> Result<Vec<FollowOutcome>, WriteError> {
        Ok(self.state().follow_many(follows, context))
    }

    async fn hidden_from(
        &self,
        viewer: UserId,
        others: &[UserId],
    ) -> Result<HashSet<UserId>, StoreError> {
        Ok(self.state().hidden_from(viewer, others))
    }

    async fn relationship_flags(
        &self,
        user: UserId,
        others: &[UserId],
        perspective: Perspective,
    ) -> Result<Vec<Option<RelationshipFlags>>, StoreError> {
        let state = self.state();
        let others = others.iter();
        Ok(others
            .map(|other| state.relationship_flags(user, *other, perspective))
            .collect())
    }

    async fn related(
        &self,
        request: &RelatedRequest<FollowList>,
    ) -> Result<RelatedPage, StoreError> {
        Ok(self.state().related(request))
    }

    async fn related_names(&self, request: &RelatedRequest) -> Result<RelatedNames, StoreError> {
        Ok(self.state().related_names(request))
    }

    async fn counts(
        &self,
        users: &[UserId],
        viewer: Option<UserId>,
    ) -> Result<Vec<Counts>, StoreError> {
        let state = self.state();
        let users = users.iter();
        Ok(users.map(|user| state.counts(*user, viewer)).collect())
    }
}

/// The fake counts at each request, so there is nothing to maintain.
#[async_trait]
impl FollowCountMaintenance for FakeStore {
    async fn apply_pending(&self) -> Result<PendingCountsBatch, StoreError> {
        Ok(PendingCountsBatch::default())
    }

    async fn audit(&self, _: Timestamp) -> Result<CountAuditBatch, StoreError> {
        Ok(CountAuditBatch::default())
    }
}
