//! Changes of relationships under idempotency keys.

use super::RelationshipsUnderTest;
use crate::ports::RelationshipWritten;
use crate::relationship::{RelationshipChange, Ties};
use crate::test_support::samples::context_under;
use crate::user::Change;
use crate::write::WriteError;

/// Under one key a change happens once, whatever has happened since.
pub async fn a_change_under_one_key_happens_once(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let follow = RelationshipChange::Follow;
    let key = context_under("follow", 1);
    store.relate_with(alice, follow, bob, &key).await;
    store.relate(alice, RelationshipChange::Unfollow, bob).await;
    let again = store.try_with(alice, follow, bob, &key).await;
    assert_eq!(again, Ok(RelationshipWritten::Replayed));
    assert_eq!(store.tie(alice, bob).await, Ties::default());
    assert_eq!(store.count(bob).await, (0, 0));

    let key = context_under("block", 1);
    let block = RelationshipChange::Block;
    store.relate_with(alice, block, bob, &key).await;
    let version = store.user(alice).await.version;
    store.relate(alice, RelationshipChange::Unblock, bob).await;
    let again = store.try_with(alice, block, bob, &key).await;
    assert_eq!(again, Ok(RelationshipWritten::Replayed));
    assert_eq!(store.user(alice).await.version, version.next());
    assert_eq!(store.blocks(alice).await, []);
}

/// What changed nothing the first time changes nothing under the same key.
pub async fn a_repetition_of_what_changed_no_relationship_is_a_repetition(
    store: &RelationshipsUnderTest,
) {
    let [alice, bob] = store.people().await;
    let unfollow = RelationshipChange::Unfollow;
    let key = context_under("unfollow", 1);
    let first = store.try_with(alice, unfollow, bob, &key).await;
    assert_eq!(first, Ok(RelationshipWritten::Unchanged));
    store.follow(alice, bob).await;
    let again = store.try_with(alice, unfollow, bob, &key).await;
    assert_eq!(again, Ok(RelationshipWritten::Replayed));
    assert_eq!(store.following(alice).await, [bob]);
}

/// A key stands for one request, of relationships and users alike.
pub async fn a_key_of_another_request_is_refused(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let follow = RelationshipChange::Follow;
    let first = context_under("key", 1);
    store.relate_with(alice, follow, bob, &first).await;
    let other = context_under("key", 2);
    let reused = store
        .try_with(alice, RelationshipChange::Unfollow, bob, &other)
        .await;
    assert_eq!(reused, Err(WriteError::KeyReused));
    let reused = store.writer.change(alice, &Change::Suspend, &other).await;
    assert_eq!(reused, Err(WriteError::KeyReused));
    assert_eq!(store.followers(bob).await, [alice]);
}

/// What was refused may be tried again under its key.
pub async fn a_refused_relationship_leaves_no_record(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.changed(bob, &Change::Delete).await;
    let key = context_under("key", 1);
    let follow = RelationshipChange::Follow;
    let refused = store.try_with(alice, follow, bob, &key).await;
    assert_eq!(refused, Err(WriteError::NotFound));
    store.changed(bob, &Change::Restore).await;
    store.relate_with(alice, follow, bob, &key).await;
    assert_eq!(store.followers(bob).await, [alice]);
}
