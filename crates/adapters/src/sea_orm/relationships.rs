//! What users are to each other.

use std::collections::HashSet;

use async_trait::async_trait;
use user_domain::StoreError;
use user_domain::ports::{
    Eyes, Recounted, RelationshipUpkeep, RelationshipWritten, Relationships, Settled,
};
use user_domain::relationship::{
    Counts, FollowOutcome, NewFollow, RelatedPage, RelatedRequest, RelationshipWrite, Ties,
};
use user_domain::values::{Timestamp, UserId};
use user_domain::write::{WriteContext, WriteError};

use super::SeaOrmUsers;

#[async_trait]
impl Relationships for SeaOrmUsers {
    async fn relate(
        &self,
        _write: &RelationshipWrite,
        _context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError> {
        todo!()
    }

    async fn follow_many(
        &self,
        _follows: &[NewFollow],
        _context: &WriteContext,
    ) -> Result<Vec<FollowOutcome>, WriteError> {
        todo!()
    }

    async fn hidden_from(
        &self,
        _viewer: UserId,
        _others: &[UserId],
    ) -> Result<HashSet<UserId>, StoreError> {
        todo!()
    }

    async fn ties(
        &self,
        _user: UserId,
        _others: &[UserId],
        _eyes: Eyes,
    ) -> Result<Vec<Option<Ties>>, StoreError> {
        todo!()
    }

    async fn related(&self, _request: &RelatedRequest) -> Result<RelatedPage, StoreError> {
        todo!()
    }

    async fn counts(
        &self,
        _users: &[UserId],
        _viewer: Option<UserId>,
    ) -> Result<Vec<Counts>, StoreError> {
        todo!()
    }
}

#[async_trait]
impl RelationshipUpkeep for SeaOrmUsers {
    async fn settle(&self) -> Result<Settled, StoreError> {
        todo!()
    }

    async fn recount(&self, _at: Timestamp) -> Result<Recounted, StoreError> {
        todo!()
    }
}
