//! Events of relationships, which must not appear as changes of users.

use super::follows::all_follows_between;
use super::{RelationshipsUnderTest, new_follow};
use crate::ports::{Changes, EventsRequest, Records, UserEvent};
use crate::relationship::{NewFollow, RelationshipChange, RelationshipEventKind};
use crate::test_support::samples::{context, context_at, context_with_key, start};
use crate::user::{Change, Event};
use crate::values::{Timestamp, UserId};

impl RelationshipsUnderTest {
    /// Purges the events and returns how many were removed. All stored events expire at the same moment.
    async fn events_removed(&self, at: Timestamp) -> u64 {
        let mut removed = 0;
        loop {
            let purged = self.retention.purge(Records::Events, at).await;
            let purged = purged.expect("a result");
            removed += purged.removed;
            if !purged.has_more {
                return removed;
            }
        }
    }

    /// Removes all events of [`start`].
    async fn remove_events(&self) {
        self.events_removed(start().plus(Event::RETENTION)).await;
    }

    /// Removes and counts the events of [`start`] since the last removal.
    async fn event_count(&self) -> u64 {
        self.events_removed(start().plus(Event::RETENTION)).await
    }
}

/// Each relationship that begins or ends has one event. Refused changes, replays and changes without effect have none.
pub async fn each_relationship_change_has_one_event(store: &RelationshipsUnderTest) {
    let [alice, bob, carol] = store.people().await;
    store.remove_events().await;
    let key = context_with_key("key", 1);
    let follow = RelationshipChange::Follow;
    store.relate_with(alice, follow, bob, &key).await;
    for again in [&key, &context()] {
        let done = store.try_change_with(alice, follow, bob, again).await;
        assert!(done.is_ok(), "{done:?}");
    }
    assert_eq!(store.event_count().await, 1);
    store
        .follow_many(&[new_follow(bob, alice), new_follow(alice, bob)])
        .await;
    assert_eq!(store.event_count().await, 1);
    // The ends of two follows, the block, and the change of the blocking user.
    store.block(alice, bob).await;
    assert_eq!(store.event_count().await, 4);
    store.block(alice, carol).await;
    assert_eq!(store.event_count().await, 1);
    let refused = store.try_change(bob, follow, alice).await;
    assert!(refused.is_err());
    let again = store
        .try_change(alice, RelationshipChange::Block, bob)
        .await;
    assert!(again.is_ok());
    assert_eq!(store.event_count().await, 0);
    store.relate(alice, RelationshipChange::Unblock, bob).await;
    assert_eq!(store.event_count().await, 1);
    store.follow(alice, bob).await;
    store.relate(alice, RelationshipChange::Unfollow, bob).await;
    assert_eq!(store.event_count().await, 2);
}

/// The events of a user contain the relationships that it began and ended, not those of other users with it.
pub async fn the_events_of_a_user_include_its_own_relationship_changes(
    store: &RelationshipsUnderTest,
) {
    let [alice, bob] = store.people().await;
    store.follow(alice, bob).await;
    store.follow_many(&[new_follow(bob, alice)]).await;
    store.block(alice, bob).await;
    store.relate(alice, RelationshipChange::Unblock, bob).await;
    let request = EventsRequest {
        user: alice,
        before: None,
        limit: 100,
    };
    let page = store.change_log.about(&request).await.expect("a page");
    let kinds = page.events.iter().filter_map(|event| match event {
        UserEvent::User(_) => None,
        UserEvent::Relationship(event) => {
            assert_eq!((event.edge.from(), event.edge.to()), (alice, bob));
            assert_eq!((&event.actor, event.at), (&context().actor, start()));
            Some(event.kind)
        }
    });
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [
            RelationshipEventKind::Unblocked,
            RelationshipEventKind::Blocked,
            RelationshipEventKind::Unfollowed,
            RelationshipEventKind::Followed,
        ]
    );
}

/// A relationship event has the same retention as any other.
pub async fn a_relationship_event_is_kept_for_30_days(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.remove_events().await;
    store
        .relate_with(alice, RelationshipChange::Follow, bob, &context_at(start()))
        .await;
    let end = start().plus(Event::RETENTION);
    let early = end.minus(std::time::Duration::from_micros(1));
    assert_eq!(store.events_removed(early).await, 0);
    assert_eq!(store.events_removed(end).await, 1);
}

/// Changes of relationships are not changes of users, neither in the log nor among the events of either user.
pub async fn relationship_changes_are_not_user_changes(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let before = [store.events(alice).await, store.events(bob).await];
    let position = store.change_log.position().await.expect("a result");
    store.follow(alice, bob).await;
    store.follow_many(&[new_follow(bob, alice)]).await;
    store.relate(alice, RelationshipChange::Unfollow, bob).await;
    let quiet = store.change_log.since(&position).await.expect("a result");
    assert_eq!((quiet.changed, quiet.complete), (vec![], true));
    assert_eq!(quiet.tokens, []);
    assert_eq!([store.events(alice).await, store.events(bob).await], before);

    // A first block is a change of the blocking user only.
    store.block(alice, bob).await;
    let result = store.change_log.since(&position).await.expect("a result");
    assert!(result.complete && !result.changed.is_empty());
    assert!(result.changed.iter().all(|changed| changed.id == alice));
    let last = store.user(alice).await.revision;
    assert_eq!(
        result.changed.iter().map(|one| one.revision).max(),
        Some(last)
    );
    assert_eq!(store.events(bob).await.len(), 1);
}

/// The log returns all changes of users, however many follows are between them.
pub async fn many_follows_displace_no_user_change_from_the_log(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(102).await;
    let position = store.change_log.position().await.expect("a result");
    let changed = crowd.first().copied();
    let changed: UserId = changed.expect("a user");
    store.changed(changed, &Change::suspend()).await;
    let follows: Vec<NewFollow> = all_follows_between(&crowd).collect();
    assert!(follows.len() > Changes::MAX_CHANGES);
    for batch in follows.chunks(1000) {
        store.follow_many(batch).await;
    }
    let result = store.change_log.since(&position).await.expect("a result");
    assert!(result.complete);
    assert!(result.changed.iter().all(|one| one.id == changed));
    assert!(!result.changed.is_empty());
}
