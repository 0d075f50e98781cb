//! What the log of changes is told of relationships, and what it does not mistake for changes of users.

use super::follows::everybody_follows_everybody;
use super::{RelationshipsUnderTest, new_follow};
use crate::ports::{Changes, Records};
use crate::relationship::{NewFollow, RelationshipChange};
use crate::test_support::samples::{context, context_at, context_under, start};
use crate::user::{Change, Event};
use crate::values::{Timestamp, UserId};

impl RelationshipsUnderTest {
    /// Counts the events kept, by removing them when they are over their time; all are of this moment.
    async fn events_removed(&self, at: Timestamp) -> u64 {
        let mut removed = 0;
        loop {
            let purged = self.retention.purge(Records::Events, at).await;
            let purged = purged.expect("an answer");
            removed += purged.removed;
            if !purged.has_more {
                return removed;
            }
        }
    }

    /// Forgets all events of [`start`].
    async fn forget_events(&self) {
        self.events_removed(start().plus(Event::KEPT)).await;
    }

    /// Counts the events of [`start`] since the last were forgotten.
    async fn told(&self) -> u64 {
        self.events_removed(start().plus(Event::KEPT)).await
    }
}

/// Each relationship that begins or ends is told once; what changes nothing, or is refused or repeated, is not told.
pub async fn each_change_of_a_relationship_is_told_once(store: &RelationshipsUnderTest) {
    let [alice, bob, carol] = store.people().await;
    store.forget_events().await;
    let key = context_under("key", 1);
    let follow = RelationshipChange::Follow;
    store.relate_with(alice, follow, bob, &key).await;
    for again in [&key, &context()] {
        let done = store.try_with(alice, follow, bob, again).await;
        assert!(done.is_ok(), "{done:?}");
    }
    assert_eq!(store.told().await, 1);
    store
        .follow_many(&[new_follow(bob, alice), new_follow(alice, bob)])
        .await;
    assert_eq!(store.told().await, 1);
    // The ends of two follows, the block, and the change of who blocks.
    store.block(alice, bob).await;
    assert_eq!(store.told().await, 4);
    store.block(alice, carol).await;
    assert_eq!(store.told().await, 1);
    let refused = store.try_to(bob, follow, alice).await;
    assert!(refused.is_err());
    let again = store.try_to(alice, RelationshipChange::Block, bob).await;
    assert!(again.is_ok());
    assert_eq!(store.told().await, 0);
    store.relate(alice, RelationshipChange::Unblock, bob).await;
    assert_eq!(store.told().await, 1);
    store.follow(alice, bob).await;
    store.relate(alice, RelationshipChange::Unfollow, bob).await;
    assert_eq!(store.told().await, 2);
}

/// An event of a relationship is kept as long as any other.
pub async fn an_event_of_a_relationship_is_kept_for_30_days(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.forget_events().await;
    store
        .relate_with(alice, RelationshipChange::Follow, bob, &context_at(start()))
        .await;
    let end = start().plus(Event::KEPT);
    let early = end.minus(std::time::Duration::from_micros(1));
    assert_eq!(store.events_removed(early).await, 0);
    assert_eq!(store.events_removed(end).await, 1);
}

/// What becomes of relationships is no change of a user, in the log and among the events of either.
pub async fn relationships_are_told_as_no_changes_of_users(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let before = [store.events(alice).await, store.events(bob).await];
    let position = store.change_log.position().await.expect("an answer");
    store.follow(alice, bob).await;
    store.follow_many(&[new_follow(bob, alice)]).await;
    store.relate(alice, RelationshipChange::Unfollow, bob).await;
    let quiet = store.change_log.since(&position).await.expect("an answer");
    assert_eq!((quiet.changed, quiet.complete), (vec![], true));
    assert_eq!(quiet.tokens, []);
    assert_eq!([store.events(alice).await, store.events(bob).await], before);

    // A block is one of who begins to, and of nobody else.
    store.block(alice, bob).await;
    let told = store.change_log.since(&position).await.expect("an answer");
    assert!(told.complete && !told.changed.is_empty());
    assert!(told.changed.iter().all(|changed| changed.id == alice));
    let last = store.user(alice).await.version;
    assert_eq!(told.changed.iter().map(|one| one.version).max(), Some(last));
    assert_eq!(store.events(bob).await.len(), 1);
}

/// However many follow each other, the changes of users are told in full.
pub async fn many_follows_push_no_change_of_a_user_out_of_the_log(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(102).await;
    let position = store.change_log.position().await.expect("an answer");
    let changed = crowd.first().copied();
    let changed: UserId = changed.expect("somebody");
    store.changed(changed, &Change::Suspend).await;
    let follows: Vec<NewFollow> = everybody_follows_everybody(&crowd).collect();
    assert!(follows.len() > Changes::MOST);
    for batch in follows.chunks(1000) {
        store.follow_many(batch).await;
    }
    let told = store.change_log.since(&position).await.expect("an answer");
    assert!(told.complete);
    assert!(told.changed.iter().all(|one| one.id == changed));
    assert!(!told.changed.is_empty());
}
