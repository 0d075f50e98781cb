use std::collections::HashSet;

use async_trait::async_trait;

use super::FakeStore;
use crate::StoreError;
use crate::ports::{
    Eyes, Recounted, RelationshipUpkeep, RelationshipWritten, Relationships, Settled,
};
use crate::relationship::{
    Counts, FollowOutcome, NewFollow, RelatedPage, RelatedRequest, RelationshipWrite, Ties,
};
use crate::values::{Timestamp, UserId};
use crate::write::{WriteContext, WriteError};

#[async_trait]
impl Relationships for FakeStore {
    async fn relate(
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

    async fn ties(
        &self,
        user: UserId,
        others: &[UserId],
        eyes: Eyes,
    ) -> Result<Vec<Option<Ties>>, StoreError> {
        let state = self.state();
        let others = others.iter();
        Ok(others.map(|other| state.ties(user, *other, eyes)).collect())
    }

    async fn related(&self, request: &RelatedRequest) -> Result<RelatedPage, StoreError> {
        Ok(self.state().related(request))
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

/// Counts at each question, and so has nothing to tend.
#[async_trait]
impl RelationshipUpkeep for FakeStore {
    async fn settle(&self) -> Result<Settled, StoreError> {
        Ok(Settled::default())
    }

    async fn recount(&self, _: Timestamp) -> Result<Recounted, StoreError> {
        Ok(Recounted::default())
    }
}
