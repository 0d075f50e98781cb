//! What users are to each other, and how many are: one operation a file. Why the counts are true is said in
//! [`presence`](super::presence).

mod counters;
mod counts;
mod edges;
mod follow_many;
mod hidden_from;
mod known;
mod recount;
mod relate;
mod related;
mod settle;
mod ties;

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
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError> {
        let _turn = self.gates.pass_for_user(write.edge.from()).await?;
        let (writes, guards) = (&self.connections.writes, self.guards);
        let work = relate::relate(writes, guards, write, context);
        self.timed("change_relationship", work).await
    }

    async fn follow_many(
        &self,
        follows: &[NewFollow],
        context: &WriteContext,
    ) -> Result<Vec<FollowOutcome>, WriteError> {
        let (writes, guards) = (&self.connections.writes, self.guards);
        let work = follow_many::follow_many(writes, guards, follows, context);
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

    async fn ties(
        &self,
        user: UserId,
        others: &[UserId],
        eyes: Eyes,
    ) -> Result<Vec<Option<Ties>>, StoreError> {
        let work = ties::ties(&self.connections.reads, user, others, eyes);
        self.timed("find_ties", work).await
    }

    async fn related(&self, request: &RelatedRequest) -> Result<RelatedPage, StoreError> {
        let work = async {
            // A page may pass over many who are not shown.
            let _turn = self.listing().await?;
            related::related(&self.connections.reads, request).await
        };
        self.timed("page_related", work).await
    }

    async fn counts(
        &self,
        users: &[UserId],
        viewer: Option<UserId>,
    ) -> Result<Vec<Counts>, StoreError> {
        let work = counts::counts(&self.connections.reads, users, viewer);
        self.timed("count_relationships", work).await
    }
}

#[async_trait]
impl RelationshipUpkeep for SeaOrmUsers {
    async fn settle(&self) -> Result<Settled, StoreError> {
        let work = settle::settle(&self.connections.reads, &self.connections.writes);
        self.timed("settle_relationships", work).await
    }

    async fn recount(&self, at: Timestamp) -> Result<Recounted, StoreError> {
        let (reads, writes) = (&self.connections.reads, &self.connections.writes);
        let work = recount::recount(reads, writes, self.guards, at);
        self.timed("recount_relationships", work).await
    }
}
