//! Relationship changes with idempotency keys.

use super::RelationshipsUnderTest;
use crate::ports::RelationshipWritten;
use crate::relationship::{RelationshipChange, RelationshipFlags};
use crate::test_support::samples::context_with_key;
use crate::user::Change;
use crate::write::WriteError;

/// A change with one key is applied once, even if the relationship has changed since.
pub async fn a_change_with_one_idempotency_key_applies_once(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let follow = RelationshipChange::Follow;
    let key = context_with_key("follow", 1);
    store.relate_with(alice, follow, bob, &key).await;
    store.relate(alice, RelationshipChange::Unfollow, bob).await;
    let again = store.try_change_with(alice, follow, bob, &key).await;
    assert_eq!(again, Ok(RelationshipWritten::Replayed));
    assert_eq!(
        store.flags_between(alice, bob).await,
        RelationshipFlags::default()
    );
    assert_eq!(store.count(bob).await, (0, 0));

    let key = context_with_key("block", 1);
    let block = RelationshipChange::Block;
    store.relate_with(alice, block, bob, &key).await;
    let revision = store.user(alice).await.revision;
    store.relate(alice, RelationshipChange::Unblock, bob).await;
    let again = store.try_change_with(alice, block, bob, &key).await;
    assert_eq!(again, Ok(RelationshipWritten::Replayed));
    assert_eq!(store.user(alice).await.revision, revision.next());
    assert_eq!(store.blocks(alice).await, []);
}

/// A change without effect is recorded, so its replay changes nothing either.
pub async fn a_relationship_change_without_effect_is_replayed(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let unfollow = RelationshipChange::Unfollow;
    let key = context_with_key("unfollow", 1);
    let first = store.try_change_with(alice, unfollow, bob, &key).await;
    assert_eq!(first, Ok(RelationshipWritten::Unchanged));
    store.follow(alice, bob).await;
    let again = store.try_change_with(alice, unfollow, bob, &key).await;
    assert_eq!(again, Ok(RelationshipWritten::Replayed));
    assert_eq!(store.following(alice).await, [bob]);
}

/// A key identifies one request across changes of relationships and of users.
pub async fn a_key_of_another_request_is_refused(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let follow = RelationshipChange::Follow;
    let first = context_with_key("key", 1);
    store.relate_with(alice, follow, bob, &first).await;
    let other = context_with_key("key", 2);
    let reused = store
        .try_change_with(alice, RelationshipChange::Unfollow, bob, &other)
        .await;
    assert_eq!(reused, Err(WriteError::KeyReused));
    let reused = store.writer.change(alice, &Change::suspend(), &other).await;
    assert_eq!(reused, Err(WriteError::KeyReused));
    assert_eq!(store.followers(bob).await, [alice]);
}

/// A refused change may be repeated with its key.
pub async fn a_refused_relationship_change_leaves_no_record(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.changed(bob, &Change::Delete).await;
    let key = context_with_key("key", 1);
    let follow = RelationshipChange::Follow;
    let refused = store.try_change_with(alice, follow, bob, &key).await;
    assert_eq!(refused, Err(WriteError::NotFound));
    store.changed(bob, &Change::Restore).await;
    store.relate_with(alice, follow, bob, &key).await;
    assert_eq!(store.followers(bob).await, [alice]);
}
