//! The contract of [`crate::ports::Relationships`] and [`crate::ports::FollowCountMaintenance`].

mod blocks;
mod counts;
mod flags;
mod follows;
mod idempotency;
mod lists;
mod log;
mod model;
mod races;

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub use blocks::*;
pub use counts::*;
pub use flags::*;
pub use follows::*;
pub use idempotency::*;
pub use lists::*;
pub use log::*;
pub use model::*;
pub use races::*;

use super::{ImportUnderTest, StoreUnderTest};
use crate::import::ImportLedger;
use crate::ports::{
    ChangeLog, Erasures, EventFeed, EventRelays, FollowCountMaintenance, PendingCountsBatch,
    Perspective, RelationshipWritten, Relationships, Retention, ServiceTokenRegistry,
    SuspensionEnds, UserDirectory, UserImport, UserReader, UserRecords, UserWriter, WriteRecords,
};
use crate::relationship::{
    Counts, Edge, FollowList, FollowOutcome, NewFollow, RelatedList, RelatedRequest,
    RelationshipChange, RelationshipFlags, RelationshipWrite,
};
use crate::test_support::fakes::{FakeStore, SequentialIds};
use crate::test_support::samples::{context, import, new_user, record, user_id};
use crate::user::User;
use crate::values::UserId;
use crate::write::{WriteContext, WriteError};
use crate::{StoreError, ports::IdGenerator as _};

/// Far from the ids of the samples, which may be in the same store.
static EVENT_IDS: SequentialIds = SequentialIds::starting_at(1 << 40);

/// More batches than any contract test needs. Maintenance that never ends fails instead of looping forever.
const MAX_BATCHES: usize = 300;

/// An empty store and its ports for relationships.
#[derive(Clone)]
pub struct RelationshipsUnderTest {
    /// The store.
    pub store: ImportUnderTest,
    /// Stores relationships.
    pub relationships: Arc<dyn Relationships>,
    /// Maintains the follow counts.
    pub count_maintenance: Arc<dyn FollowCountMaintenance>,
}

impl fmt::Debug for RelationshipsUnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelationshipsUnderTest")
    }
}

impl AsRef<Self> for RelationshipsUnderTest {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Deref for RelationshipsUnderTest {
    type Target = StoreUnderTest;

    fn deref(&self) -> &StoreUnderTest {
        &self.store
    }
}

impl<S> From<Arc<S>> for RelationshipsUnderTest
where
    S: UserReader
        + UserWriter
        + UserDirectory
        + ChangeLog
        + Erasures
        + EventFeed
        + EventRelays
        + UserRecords
        + Retention
        + ServiceTokenRegistry
        + WriteRecords
        + SuspensionEnds
        + UserImport
        + Relationships
        + FollowCountMaintenance
        + 'static,
{
    /// Uses one value as all these ports.
    fn from(store: Arc<S>) -> Self {
        Self {
            relationships: store.clone(),
            count_maintenance: store.clone(),
            store: store.into(),
        }
    }
}

impl Default for RelationshipsUnderTest {
    /// Returns an empty [`FakeStore`].
    fn default() -> Self {
        Self::from(Arc::new(FakeStore::default()))
    }
}

impl RelationshipsUnderTest {
    /// Keeps a value alive for as long as the store.
    #[must_use]
    pub fn with_resource(mut self, resource: impl Any + Send + Sync) -> Self {
        self.store = self.store.with_resource(resource);
        self
    }

    /// Adds users and returns their ids in ascending order.
    async fn people<const N: usize>(&self) -> [UserId; N] {
        let people = self.crowd(N).await;
        people.try_into().expect("all added users")
    }

    /// Adds up to 500 users in one batch and returns their ids in ascending order.
    async fn crowd(&self, size: usize) -> Vec<UserId> {
        let names = (0..size).map(|number| format!("person{number:03}"));
        let batch: Vec<_> = names.map(|name| import(record(new_user(&name)))).collect();
        let ledger = ImportLedger::default();
        let plan = self.store.import.import(&batch, &ledger).await;
        let outcomes = plan.expect("a batch").outcomes;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        batch.iter().map(|one| one.fresh_id).collect()
    }

    /// Adds users with unique usernames and returns their ids in ascending order.
    async fn people_with_unique_names(&self, size: usize) -> Vec<UserId> {
        let mut crowd = Vec::new();
        for _ in 0..size {
            let id = user_id();
            let name = id.to_string().replace('-', "");
            let name = name.get(name.len() - 24..).expect("a name").to_owned();
            crowd.push(self.added(&new_user(&name)).await.id);
        }
        crowd
    }

    async fn user(&self, id: UserId) -> Arc<User> {
        self.find(id).await.expect("the user")
    }

    async fn try_change(
        &self,
        from: UserId,
        change: RelationshipChange,
        to: UserId,
    ) -> Result<RelationshipWritten, WriteError> {
        self.try_change_with(from, change, to, &context()).await
    }

    async fn try_change_with(
        &self,
        from: UserId,
        change: RelationshipChange,
        to: UserId,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError> {
        let write = write(from, change, to);
        self.relationships
            .change_relationship(&write, context)
            .await
    }

    /// Changes a relationship and asserts that the write was applied.
    async fn relate(&self, from: UserId, change: RelationshipChange, to: UserId) {
        self.relate_with(from, change, to, &context()).await;
    }

    async fn relate_with(
        &self,
        from: UserId,
        change: RelationshipChange,
        to: UserId,
        context: &WriteContext,
    ) {
        let written = self.try_change_with(from, change, to, context).await;
        assert!(
            matches!(written, Ok(RelationshipWritten::Applied(_))),
            "{written:?}"
        );
    }

    async fn follow(&self, from: UserId, to: UserId) {
        self.relate(from, RelationshipChange::Follow, to).await;
    }

    async fn block(&self, from: UserId, to: UserId) {
        self.relate(from, RelationshipChange::Block, to).await;
    }

    async fn follow_many(&self, follows: &[NewFollow]) -> Vec<FollowOutcome> {
        let done = self.relationships.follow_many(follows, &context()).await;
        done.expect("a batch of follows")
    }

    /// Returns the flags between a user and others, without hiding blocks.
    async fn flags(&self, user: UserId, others: &[UserId]) -> Vec<Option<RelationshipFlags>> {
        self.flags_seen_with(user, others, Perspective::All).await
    }

    async fn flags_seen_with(
        &self,
        user: UserId,
        others: &[UserId],
        perspective: Perspective,
    ) -> Vec<Option<RelationshipFlags>> {
        let flags = self
            .relationships
            .relationship_flags(user, others, perspective)
            .await;
        flags.expect("a result")
    }

    /// Returns the flags between two existing users.
    async fn flags_between(&self, user: UserId, other: UserId) -> RelationshipFlags {
        let flags = self.flags(user, &[other]).await;
        flags.into_iter().flatten().next().expect("the other user")
    }

    async fn hidden_from(&self, viewer: UserId, others: &[UserId]) -> HashSet<UserId> {
        let hidden = self.relationships.hidden_from(viewer, others).await;
        hidden.expect("a result")
    }

    /// Returns a complete list of at most 200 users in its order.
    async fn list(&self, user: UserId, list: FollowList, viewer: Option<UserId>) -> Vec<UserId> {
        let request = RelatedRequest {
            user,
            list,
            viewer,
            after: None,
            limit: RelatedRequest::MAX_LIMIT,
        };
        let page = self.relationships.related(&request).await.expect("a page");
        assert_eq!(page.next, None, "the list has more than one page");
        page.related.iter().map(|one| one.user.id).collect()
    }

    async fn followers(&self, user: UserId) -> Vec<UserId> {
        self.list(user, FollowList::Followers, None).await
    }

    async fn following(&self, user: UserId) -> Vec<UserId> {
        self.list(user, FollowList::Following, None).await
    }

    async fn blocks(&self, user: UserId) -> Vec<UserId> {
        let blocks = self.blocks_with_names(user).await;
        blocks.into_iter().map(|(id, _)| id).collect()
    }

    /// Returns the at most 200 users that a user blocks, with the usernames stored with the blocks.
    async fn blocks_with_names(&self, user: UserId) -> Vec<(UserId, Option<String>)> {
        let request = RelatedRequest {
            user,
            list: RelatedList::Blocks,
            viewer: None,
            after: None,
            limit: RelatedRequest::MAX_LIMIT,
        };
        let page = self.relationships.related_names(&request).await;
        let page = page.expect("a page");
        assert_eq!(page.next, None, "the list has more than one page");
        let names = page.names.into_iter();
        names.map(|one| (one.id, one.username)).collect()
    }

    async fn counts(&self, users: &[UserId], viewer: Option<UserId>) -> Vec<Counts> {
        let counts = self.relationships.counts(users, viewer).await;
        let counts = counts.expect("a result");
        assert_eq!(counts.len(), users.len());
        counts
    }

    /// Returns the numbers of followers and followed users of one user, without hiding blocks.
    async fn count(&self, user: UserId) -> (u64, u64) {
        let counts = self.counts(&[user], None).await;
        let counts = counts.first().expect("a count");
        (counts.followers, counts.following)
    }

    /// Applies pending counts until none are left.
    async fn apply_all_pending(&self) {
        for _ in 0..MAX_BATCHES {
            let batch = self.apply_pending().await.expect("a result");
            assert!(batch.relationships <= u64::from(PendingCountsBatch::MAX_RELATIONSHIPS));
            if !batch.has_more && batch.waiting == 0 {
                return;
            }
        }
        panic!("pending counts remain");
    }

    async fn apply_pending(&self) -> Result<PendingCountsBatch, StoreError> {
        self.count_maintenance.apply_pending().await
    }

    /// Asserts that the counts of all existing users equal the lengths of their lists, for every viewer.
    async fn assert_counts_match_lists(&self, people: &[UserId]) {
        let mut there = Vec::new();
        for user in people {
            let found = self.find(*user).await;
            there.extend(found.filter(|user| !user.is_deleted()).map(|user| user.id));
        }
        let viewers = there.iter().copied().map(Some).chain([None]);
        for viewer in viewers {
            self.assert_counts_match_lists_for(&there, viewer).await;
        }
    }

    async fn assert_counts_match_lists_for(&self, users: &[UserId], viewer: Option<UserId>) {
        let counts = self.counts(users, viewer).await;
        for (user, counts) in users.iter().zip(counts) {
            let followers = self.list(*user, FollowList::Followers, viewer).await;
            let following = self.list(*user, FollowList::Following, viewer).await;
            assert_eq!(
                (counts.followers, counts.following),
                (length(&followers), length(&following)),
                "{user} as {viewer:?} sees it: {followers:?}, {following:?}"
            );
        }
    }
}

fn length<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).expect("a length")
}

fn edge(from: UserId, to: UserId) -> Edge {
    Edge::between(from, to).expect("two users")
}

fn write(from: UserId, change: RelationshipChange, to: UserId) -> RelationshipWrite {
    RelationshipWrite {
        edge: edge(from, to),
        change,
        event_ids: std::array::from_fn(|_| EVENT_IDS.event_id()),
    }
}

fn new_follow(from: UserId, to: UserId) -> NewFollow {
    NewFollow {
        edge: edge(from, to),
        event_id: EVENT_IDS.event_id(),
    }
}
