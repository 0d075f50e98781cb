//! The cache policy for blocks, which change the blocking user.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::StoreError;
use crate::ports::{Perspective, RelationshipWritten, Relationships, UserCache};
use crate::relationship::{
    Counts, FollowList, FollowOutcome, NewFollow, RelatedNames, RelatedPage, RelatedRequest,
    RelationshipFlags, RelationshipWrite,
};
use crate::values::UserId;
use crate::write::{WriteContext, WriteError};

/// Updates the cache with the users that relationship writes change. Relationships themselves are not cached.
#[derive(Clone)]
pub struct CachedRelationships {
    relationships: Arc<dyn Relationships>,
    cache: Arc<dyn UserCache>,
}

impl CachedRelationships {
    /// Wraps a store. Writes through the wrapper also update the cache.
    pub fn new(relationships: Arc<dyn Relationships>, cache: Arc<dyn UserCache>) -> Self {
        Self {
            relationships,
            cache,
        }
    }
}

#[async_trait]
impl Relationships for CachedRelationships {
    async fn change_relationship(
        &self,
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError> {
        if !write.change.is_about_blocks() {
            return self.relationships.change_relationship(write, context).await;
        }
        let actor = write.edge.from();
        let lease = self.cache.lease(actor);
        let written = self.relationships.change_relationship(write, context).await;
        match &written {
            Ok(RelationshipWritten::Applied(Some(user))) => {
                self.cache.put(lease, Arc::new(user.clone())).await;
            }
            // The cached copy may be older than a block by another replica; the user would then see users that it blocks.
            Ok(
                RelationshipWritten::Applied(None)
                | RelationshipWritten::Unchanged
                | RelationshipWritten::Replayed,
            )
            | Err(WriteError::Store(StoreError::OutcomeUnknown(_))) => {
                self.cache.forget(actor).await;
            }
            Err(
                WriteError::NotFound
                | WriteError::Taken(_)
                | WriteError::KeyReused
                | WriteError::Refused(_)
                | WriteError::Store(StoreError::Unavailable(_) | StoreError::Internal(_)),
            ) => {}
        }
        written
    }

    async fn follow_many(
        &self,
        follows: &[NewFollow],
        context: &WriteContext,
    ) -> Result<Vec<FollowOutcome>, WriteError> {
        self.relationships.follow_many(follows, context).await
    }

    async fn hidden_from(
        &self,
        viewer: UserId,
        others: &[UserId],
    ) -> Result<HashSet<UserId>, StoreError> {
        self.relationships.hidden_from(viewer, others).await
    }

    async fn relationship_flags(
        &self,
        user: UserId,
        others: &[UserId],
        perspective: Perspective,
    ) -> Result<Vec<Option<RelationshipFlags>>, StoreError> {
        self.relationships
            .relationship_flags(user, others, perspective)
            .await
    }

    async fn related(
        &self,
        request: &RelatedRequest<FollowList>,
    ) -> Result<RelatedPage, StoreError> {
        self.relationships.related(request).await
    }

    async fn related_names(&self, request: &RelatedRequest) -> Result<RelatedNames, StoreError> {
        self.relationships.related_names(request).await
    }

    async fn counts(
        &self,
        users: &[UserId],
        viewer: Option<UserId>,
    ) -> Result<Vec<Counts>, StoreError> {
        self.relationships.counts(users, viewer).await
    }
}
