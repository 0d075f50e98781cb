//! Relationships of users and their counts, one operation a file. [`locking`] explains why the counts are correct.

mod change_relationship;
mod count_audit;
mod counters;
mod counts;
mod edges;
mod follow_many;
mod hidden_from;
pub(super) mod locking;
mod lookup;
mod pending_counts;
mod related;
mod relationship_flags;

use std::collections::HashSet;

use async_trait::async_trait;
use user_domain::StoreError;
use user_domain::ports::{
    CountAuditBatch, FollowCountMaintenance, PendingCountsBatch, Perspective, RelationshipWritten,
    Relationships,
};
use user_domain::relationship::{
    Counts, FollowList, FollowOutcome, NewFollow, RelatedNames, RelatedPage, RelatedRequest,
    RelationshipFlags, RelationshipWrite,
};
use user_domain::values::{Timestamp, UserId};
use user_domain::write::{WriteContext, WriteError};

use super::SeaOrmUsers;

#[async_trait]
impl Relationships for SeaOrmUsers {
    async fn change_relationship(
        &self,
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError> {
        let _lock = self.write_locks.lock_user(write.edge.from()).await?;
        let digests = self.name_digests().await?;
        let writes = &self.connections.writes;
        let work = change_relationship::change_relationship(writes, digests, write, context);
        self.timed("change_relationship", work).await
    }

    async fn follow_many(
        &self,
        follows: &[NewFollow],
        context: &WriteContext,
    ) -> Result<Vec<FollowOutcome>, WriteError> {
        let writes = &self.connections.writes;
        let work = follow_many::follow_many(writes, follows, context);
        self.timed("follow_many", work).await
    }

    async fn hidden_from(
        &self,
        viewer: UserId,
        others: &[UserId],
    ) -> Result<HashSet<UserId>, StoreError> {
        let work = hidden_from::hidden_from(&self.connections.reads, viewer, others);
        self.timed("find_hidden", work).await
    }

    async fn relationship_flags(
        &self,
        user: UserId,
        others: &[UserId],
        perspective: Perspective,
    ) -> Result<Vec<Option<RelationshipFlags>>, StoreError> {
        let work = relationship_flags::relationship_flags(
            &self.connections.reads,
            user,
            others,
            perspective,
        );
        self.timed("find_ties", work).await
    }

    async fn related(
        &self,
        request: &RelatedRequest<FollowList>,
    ) -> Result<RelatedPage, StoreError> {
        // Long, since a page may skip many users that are hidden.
        let work = self.routed(
            true,
            |db| async move { related::related(&*db, request).await },
        );
        self.timed("page_related", work).await
    }

    async fn related_names(&self, request: &RelatedRequest) -> Result<RelatedNames, StoreError> {
        let work = self.routed(true, |db| async move {
            related::related_names(&*db, request).await
        });
        self.timed("page_related_names", work).await
    }

    async fn counts(
        &self,
        users: &[UserId],
        viewer: Option<UserId>,
    ) -> Result<Vec<Counts>, StoreError> {
        let work = self.routed(false, |db| async move {
            counts::counts(&*db, users, viewer).await
        });
        self.timed("count_relationships", work).await
    }
}

#[async_trait]
impl FollowCountMaintenance for SeaOrmUsers {
    async fn apply_pending(&self) -> Result<PendingCountsBatch, StoreError> {
        let work = pending_counts::apply(&self.connections.reads, &self.connections.writes);
        self.timed("settle_relationships", work).await
    }

    async fn audit(&self, at: Timestamp) -> Result<CountAuditBatch, StoreError> {
        let (reads, writes) = (&self.connections.reads, &self.connections.writes);
        let work = count_audit::audit(reads, writes, at);
        self.timed("recount_relationships", work).await
    }
}
