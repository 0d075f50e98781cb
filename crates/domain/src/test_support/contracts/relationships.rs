//! The promises of [`crate::ports::Relationships`] and [`crate::ports::RelationshipUpkeep`].

mod blocks;
mod counts;
mod follows;
mod idempotency;
mod lists;
mod log;
mod ties;

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub use blocks::*;
pub use counts::*;
pub use follows::*;
pub use idempotency::*;
pub use lists::*;
pub use log::*;
pub use ties::*;

use super::{ImportUnderTest, StoreUnderTest};
use crate::ports::{
    ChangeLog, Eyes, RelationshipUpkeep, RelationshipWritten, Relationships, Retention,
    ServiceTokenRegistry, Settled, UserDirectory, UserImport, UserReader, UserWriter,
};
use crate::relationship::{
    Counts, Edge, FollowOutcome, NewFollow, RelatedList, RelatedRequest, RelationshipChange,
    RelationshipWrite, Ties,
};
use crate::test_support::fakes::{FakeStore, SequentialIds};
use crate::test_support::samples::{context, import, new_user, record};
use crate::user::User;
use crate::values::UserId;
use crate::write::{WriteContext, WriteError};
use crate::{StoreError, ports::IdGenerator as _};

/// Far from the ids of samples, which may stand in the same store.
static EVENT_IDS: SequentialIds = SequentialIds::starting_at(1 << 40);

/// More batches than any settling of a contract needs: one that does not end fails instead of going on for ever.
const MOST_BATCHES: usize = 300;

/// An empty store, and the ports of relationships on it.
#[derive(Clone)]
pub struct RelationshipsUnderTest {
    /// The store.
    pub store: ImportUnderTest,
    /// What keeps relationships.
    pub relationships: Arc<dyn Relationships>,
    /// What keeps their counts.
    pub upkeep: Arc<dyn RelationshipUpkeep>,
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
        + Retention
        + ServiceTokenRegistry
        + UserImport
        + Relationships
        + RelationshipUpkeep
        + 'static,
{
    /// Tries one value that is all these ports.
    fn from(store: Arc<S>) -> Self {
        Self {
            relationships: store.clone(),
            upkeep: store.clone(),
            store: store.into(),
        }
    }
}

impl Default for RelationshipsUnderTest {
    /// Gives an empty [`FakeStore`].
    fn default() -> Self {
        Self::from(Arc::new(FakeStore::default()))
    }
}

impl RelationshipsUnderTest {
    /// Keeps something alive for as long as the store.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.store = self.store.keeping(kept);
        self
    }

    /// Adds some users, in the order of their ids.
    async fn people<const N: usize>(&self) -> [UserId; N] {
        let people = self.crowd(N).await;
        people.try_into().expect("as many as were added")
    }

    /// Adds many users, at most 500, in the order of their ids.
    async fn crowd(&self, size: usize) -> Vec<UserId> {
        let names = (0..size).map(|number| format!("person{number:03}"));
        let batch: Vec<_> = names.map(|name| import(record(new_user(&name)))).collect();
        let outcomes = self.store.import.import(&batch).await.expect("a batch");
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        batch.iter().map(|one| one.fresh_id).collect()
    }

    async fn user(&self, id: UserId) -> Arc<User> {
        self.find(id).await.expect("the user")
    }

    async fn try_to(
        &self,
        from: UserId,
        change: RelationshipChange,
        to: UserId,
    ) -> Result<RelationshipWritten, WriteError> {
        self.try_with(from, change, to, &context()).await
    }

    async fn try_with(
        &self,
        from: UserId,
        change: RelationshipChange,
        to: UserId,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError> {
        let write = write(from, change, to);
        self.relationships.relate(&write, context).await
    }

    /// Makes a change that nothing stands in the way of.
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
        let written = self.try_with(from, change, to, context).await;
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

    /// Gives what a user is to others, to whoever sees everything.
    async fn ties(&self, user: UserId, others: &[UserId]) -> Vec<Option<Ties>> {
        self.ties_seen(user, others, Eyes::All).await
    }

    async fn ties_seen(&self, user: UserId, others: &[UserId], eyes: Eyes) -> Vec<Option<Ties>> {
        let ties = self.relationships.ties(user, others, eyes).await;
        ties.expect("an answer")
    }

    /// Gives what two users who are there are to each other.
    async fn tie(&self, user: UserId, other: UserId) -> Ties {
        let ties = self.ties(user, &[other]).await;
        ties.into_iter().flatten().next().expect("the other")
    }

    async fn hidden_from(&self, viewer: UserId, others: &[UserId]) -> HashSet<UserId> {
        let hidden = self.relationships.hidden_from(viewer, others).await;
        hidden.expect("an answer")
    }

    /// Gives a whole list in its order, at most 200.
    async fn list(&self, user: UserId, list: RelatedList, viewer: Option<UserId>) -> Vec<UserId> {
        let request = RelatedRequest {
            user,
            list,
            viewer,
            after: None,
            limit: RelatedRequest::MOST,
        };
        let page = self.relationships.related(&request).await.expect("a page");
        assert_eq!(page.next, None, "a longer list than this counts");
        page.related.iter().map(|one| one.user.id).collect()
    }

    async fn followers(&self, user: UserId) -> Vec<UserId> {
        self.list(user, RelatedList::Followers, None).await
    }

    async fn following(&self, user: UserId) -> Vec<UserId> {
        self.list(user, RelatedList::Following, None).await
    }

    async fn blocks(&self, user: UserId) -> Vec<UserId> {
        self.list(user, RelatedList::Blocks, None).await
    }

    async fn counts(&self, users: &[UserId], viewer: Option<UserId>) -> Vec<Counts> {
        let counts = self.relationships.counts(users, viewer).await;
        let counts = counts.expect("an answer");
        assert_eq!(counts.len(), users.len());
        counts
    }

    /// Counts one user's followers and those it follows, for whoever sees everything.
    async fn count(&self, user: UserId) -> (u64, u64) {
        let counts = self.counts(&[user], None).await;
        let counts = counts.first().expect("a count");
        (counts.followers, counts.following)
    }

    /// Settles until nothing is left.
    async fn settle_all(&self) {
        for _ in 0..MOST_BATCHES {
            let settled = self.settle().await.expect("an answer");
            assert!(settled.relationships <= u64::from(Settled::MOST));
            if !settled.has_more && settled.waiting == 0 {
                return;
            }
        }
        panic!("there is always more to settle");
    }

    async fn settle(&self) -> Result<Settled, StoreError> {
        self.upkeep.settle().await
    }

    /// Asserts that each of some users, as far as they are there, is counted as its lists say, through everybody's eyes.
    async fn assert_counts_are_lists(&self, people: &[UserId]) {
        let mut there = Vec::new();
        for user in people {
            let found = self.find(*user).await;
            there.extend(found.filter(|user| !user.is_deleted()).map(|user| user.id));
        }
        let viewers = there.iter().copied().map(Some).chain([None]);
        for viewer in viewers {
            self.assert_counts_are_lists_for(&there, viewer).await;
        }
    }

    async fn assert_counts_are_lists_for(&self, users: &[UserId], viewer: Option<UserId>) {
        let counts = self.counts(users, viewer).await;
        for (user, counts) in users.iter().zip(counts) {
            let followers = self.list(*user, RelatedList::Followers, viewer).await;
            let following = self.list(*user, RelatedList::Following, viewer).await;
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
