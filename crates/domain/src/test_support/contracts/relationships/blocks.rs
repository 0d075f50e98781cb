//! Blocks.

use super::{RelationshipsUnderTest, new_follow};
use crate::ports::RelationshipWritten;
use crate::relationship::{FollowOutcome, RelationshipChange, Ties};
use crate::test_support::contracts::{assert_same, expected};
use crate::test_support::samples::{context, context_at, seconds};
use crate::user::Change;
use crate::write::WriteError;

/// A block ends the follows between the two, and begins none while it is there.
pub async fn a_block_ends_the_follows_both_ways_and_forbids_new_ones(
    store: &RelationshipsUnderTest,
) {
    let [alice, bob] = store.people().await;
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    store.block(alice, bob).await;
    let blocking = Ties {
        blocking: true,
        ..Ties::default()
    };
    assert_eq!(store.tie(alice, bob).await, blocking);
    assert_eq!(store.tie(bob, alice).await, Ties::default());
    for user in [alice, bob] {
        assert_eq!(store.followers(user).await, []);
        assert_eq!(store.following(user).await, []);
        assert_eq!(store.count(user).await, (0, 0));
    }
    assert_eq!(store.blocks(alice).await, [bob]);
    assert_eq!(store.blocks(bob).await, []);

    for (from, to) in [(alice, bob), (bob, alice)] {
        let follow = store.try_to(from, RelationshipChange::Follow, to).await;
        assert_eq!(follow, Err(WriteError::NotFound));
        let many = store.follow_many(&[new_follow(from, to)]).await;
        assert_eq!(many, [FollowOutcome::NoSuchUser]);
    }
    let unfollow = store.try_to(alice, RelationshipChange::Unfollow, bob).await;
    assert_eq!(unfollow, Ok(RelationshipWritten::Unchanged));
    assert_eq!(store.tie(alice, bob).await, blocking);
}

/// Whoever is blocked may do nothing to who blocks it, as if it were not there.
pub async fn who_is_blocked_may_do_nothing_to_who_blocks_it(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.block(alice, bob).await;
    for change in [
        RelationshipChange::Follow,
        RelationshipChange::Unfollow,
        RelationshipChange::Block,
        RelationshipChange::Unblock,
    ] {
        let refused = store.try_to(bob, change, alice).await;
        assert_eq!(refused, Err(WriteError::NotFound), "{change:?}");
    }
    assert_eq!(store.blocks(bob).await, []);
    assert!(!store.user(bob).await.has_blocks);
}

/// What a block ended stays ended, and may begin anew.
pub async fn an_unblock_brings_no_follow_back_and_allows_new_ones(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    store.block(alice, bob).await;
    store.relate(alice, RelationshipChange::Unblock, bob).await;
    assert_eq!(store.tie(alice, bob).await, Ties::default());
    assert_eq!(
        (store.count(alice).await, store.count(bob).await),
        ((0, 0), (0, 0))
    );
    assert_eq!(store.blocks(alice).await, []);
    let again = store.try_to(alice, RelationshipChange::Unblock, bob).await;
    assert_eq!(again, Ok(RelationshipWritten::Unchanged));
    store.follow(bob, alice).await;
    assert_eq!(store.followers(alice).await, [bob]);
    store.block(bob, alice).await;
    assert_eq!(store.blocks(bob).await, [alice]);
}

/// The first block and the end of the last one change the user who blocks, as the domain does; no other block changes
/// anybody.
pub async fn a_user_is_changed_where_it_begins_and_ceases_to_block(store: &RelationshipsUnderTest) {
    let [alice, bob, carol] = store.people().await;
    let others = [store.user(bob).await, store.user(carol).await];
    let steps = [
        (RelationshipChange::Block, bob, Some(true)),
        (RelationshipChange::Block, bob, None),
        (RelationshipChange::Block, carol, None),
        (RelationshipChange::Unblock, bob, None),
        (RelationshipChange::Unblock, bob, None),
        (RelationshipChange::Unblock, carol, Some(false)),
        (RelationshipChange::Unblock, carol, None),
        (RelationshipChange::Block, carol, Some(true)),
    ];
    for (number, (change, other, has_blocks)) in (1..).zip(steps) {
        let (before, events) = (store.user(alice).await, store.events(alice).await);
        let context = context_at(seconds(number));
        let written = store.try_with(alice, change, other, &context).await;
        let after = store.user(alice).await;
        match has_blocks {
            Some(has_blocks) => {
                let applied = expected(&before, &Change::SetHasBlocks(has_blocks), &context);
                assert_same(&after, &applied.user);
                assert_eq!(store.events(alice).await.last(), Some(&applied.event));
                let user = Some(applied.user);
                assert_eq!(written, Ok(RelationshipWritten::Applied(user)));
            }
            None => {
                assert_same(&after, &before);
                assert_eq!(store.events(alice).await, events);
                let unchanged = matches!(
                    written,
                    Ok(RelationshipWritten::Unchanged | RelationshipWritten::Applied(None))
                );
                assert!(unchanged, "{written:?}");
            }
        }
    }
    for user in others {
        assert_same(&*store.user(user.id).await, &user);
    }
}

/// Who is suspended stays blocked and may block; who is deleted is in no list, and blocked again once it is restored.
pub async fn a_block_outlives_the_suspension_and_the_deletion_of_both(
    store: &RelationshipsUnderTest,
) {
    let [alice, bob, carol] = store.people().await;
    store.changed(bob, &Change::Suspend).await;
    store.block(alice, bob).await;
    store.block(bob, carol).await;
    assert_eq!(store.blocks(alice).await, [bob]);
    assert_eq!(store.blocks(bob).await, [carol]);
    store.changed(bob, &Change::Delete).await;
    store.settle_all().await;
    assert_eq!(store.blocks(alice).await, []);
    assert!(store.user(alice).await.has_blocks);
    store.changed(bob, &Change::Restore).await;
    store.changed(bob, &Change::Activate).await;
    store.settle_all().await;
    assert_eq!(store.blocks(alice).await, [bob]);
    assert_eq!(store.blocks(bob).await, [carol]);
    let refused = store.try_to(bob, RelationshipChange::Follow, alice).await;
    assert_eq!(refused, Err(WriteError::NotFound));
}

/// Blocks are listed the newest first, and a block done again does not make it newer.
pub async fn blocks_are_listed_the_newest_first(store: &RelationshipsUnderTest) {
    let [alice, bob, carol, dave] = store.people().await;
    for (at, other) in [(1, carol), (2, bob), (3, dave)] {
        let at = context_at(seconds(at));
        store
            .relate_with(alice, RelationshipChange::Block, other, &at)
            .await;
    }
    let at = context_at(seconds(9));
    let again = store
        .try_with(alice, RelationshipChange::Block, carol, &at)
        .await;
    assert_eq!(again, Ok(RelationshipWritten::Unchanged));
    assert_eq!(store.blocks(alice).await, [dave, bob, carol]);
    let unblock = RelationshipChange::Unblock;
    store.relate_with(alice, unblock, bob, &context()).await;
    assert_eq!(store.blocks(alice).await, [dave, carol]);
}
