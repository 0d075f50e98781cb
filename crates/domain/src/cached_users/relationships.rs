//! The same policy where a block changes the user who blocks.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::StoreError;
use crate::ports::{Eyes, RelationshipWritten, Relationships, UserCache};
use crate::relationship::{
    Counts, FollowOutcome, NewFollow, RelatedPage, RelatedRequest, RelationshipWrite, Ties,
};
use crate::values::UserId;
use crate::write::{WriteContext, WriteError};

/// Keeps relationships, and tells a cache of the users that they change. What it tells is never remembered.
#[derive(Clone)]
pub struct CachedRelationships {
    relationships: Arc<dyn Relationships>,
    cache: Arc<dyn UserCache>,
}

impl CachedRelationships {
    /// Puts a cache beside a store.
    pub fn new(relationships: Arc<dyn Relationships>, cache: Arc<dyn UserCache>) -> Self {
        Self {
            relationships,
            cache,
        }
    }
}

#[async_trait]
impl Relationships for CachedRelationships {
    async fn relate(
        &self,
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError> {
        if !write.change.is_of_blocks() {
            return self.relationships.relate(write, context).await;
        }
        let actor = write.edge.from();
        let lease = self.cache.lease(actor);
        let written = self.relationships.relate(write, context).await;
        match &written {
            Ok(RelationshipWritten::Applied(Some(user))) => {
                self.cache.put(lease, Arc::new(user.clone())).await;
            }
            // The user that is remembered may be one from before another replica's block, and would be shown whom it blocks.
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

    async fn ties(
        &self,
        user: UserId,
        others: &[UserId],
        eyes: Eyes,
    ) -> Result<Vec<Option<Ties>>, StoreError> {
        self.relationships.ties(user, others, eyes).await
    }

    async fn related(&self, request: &RelatedRequest) -> Result<RelatedPage, StoreError> {
        self.relationships.related(request).await
    }

    async fn counts(
        &self,
        users: &[UserId],
        viewer: Option<UserId>,
    ) -> Result<Vec<Counts>, StoreError> {
        self.relationships.counts(users, viewer).await
    }
}
