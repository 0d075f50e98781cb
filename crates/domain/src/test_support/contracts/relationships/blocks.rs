//! Blocks between users.

use super::{RelationshipsUnderTest, new_follow};
use crate::ports::{Perspective, RelationshipWritten};
use crate::relationship::{FollowOutcome, RelationshipChange, RelationshipFlags};
use crate::test_support::contracts::{assert_same, expected};
use crate::test_support::samples::{context, context_at, seconds, user_id};
use crate::user::{Change, UserEdits};
use crate::values::Username;
use crate::write::WriteError;

/// A block ends the follows in both directions and prevents new ones.
pub async fn a_block_ends_follows_both_ways_and_prevents_new_ones(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    store.block(alice, bob).await;
    let blocking = RelationshipFlags {
        blocking: true,
        ..RelationshipFlags::default()
    };
    assert_eq!(store.flags_between(alice, bob).await, blocking);
    assert_eq!(
        store.flags_between(bob, alice).await,
        RelationshipFlags::default()
    );
    for user in [alice, bob] {
        assert_eq!(store.followers(user).await, []);
        assert_eq!(store.following(user).await, []);
        assert_eq!(store.count(user).await, (0, 0));
    }
    assert_eq!(store.blocks(alice).await, [bob]);
    assert_eq!(store.blocks(bob).await, []);

    for (from, to) in [(alice, bob), (bob, alice)] {
        let follow = store.try_change(from, RelationshipChange::Follow, to).await;
        assert_eq!(follow, Err(WriteError::NotFound));
        let many = store.follow_many(&[new_follow(from, to)]).await;
        assert_eq!(many, [FollowOutcome::NoSuchUser]);
    }
    let unfollow = store
        .try_change(alice, RelationshipChange::Unfollow, bob)
        .await;
    assert_eq!(unfollow, Ok(RelationshipWritten::Unchanged));
    assert_eq!(store.flags_between(alice, bob).await, blocking);
}

/// A blocked user can neither follow nor unfollow its blocker, as if the blocker did not exist. It can block back.
/// Ending one block leaves the other.
pub async fn a_blocked_user_can_only_block_back(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.block(alice, bob).await;
    for change in [RelationshipChange::Follow, RelationshipChange::Unfollow] {
        let refused = store.try_change(bob, change, alice).await;
        assert_eq!(refused, Err(WriteError::NotFound), "{change:?}");
    }
    let nothing = store
        .try_change(bob, RelationshipChange::Unblock, alice)
        .await;
    assert_eq!(nothing, Ok(RelationshipWritten::Unchanged));
    store.block(bob, alice).await;
    assert!(store.user(bob).await.has_blocks);
    assert_eq!(store.blocks(bob).await, [alice]);
    assert_eq!(store.blocks(alice).await, [bob]);
    store.relate(alice, RelationshipChange::Unblock, bob).await;
    assert_eq!(store.blocks(bob).await, [alice]);
    let refused = store
        .try_change(bob, RelationshipChange::Follow, alice)
        .await;
    assert_eq!(refused, Err(WriteError::NotFound));
    let hidden = store.hidden_from(alice, &[bob]).await;
    assert!(hidden.contains(&bob));
    store.relate(bob, RelationshipChange::Unblock, alice).await;
    store.follow(bob, alice).await;
}

/// A block has the same outcome and is listed for any target: a user that blocks the acting user, is suspended, deleted
/// or erased, and an id that never existed.
pub async fn any_id_can_be_blocked_and_stays_listed(store: &RelationshipsUnderTest) {
    let [alice, foe, suspended, deleted, erased] = store.people().await;
    store.block(foe, alice).await;
    store.changed(suspended, &Change::suspend()).await;
    store.changed(deleted, &Change::Delete).await;
    store.erased(erased).await;
    store.apply_all_pending().await;
    let targets = [foe, suspended, deleted, erased, user_id()];
    for (number, target) in (1..).zip(targets) {
        let at = context_at(seconds(number));
        let block = RelationshipChange::Block;
        store.relate_with(alice, block, target, &at).await;
        let again = store.try_change_with(alice, block, target, &at).await;
        assert_eq!(again, Ok(RelationshipWritten::Unchanged));
    }
    let mut newest_first = targets.to_vec();
    newest_first.reverse();
    assert_eq!(store.blocks(alice).await, newest_first);
    store.apply_all_pending().await;
    assert_eq!(store.blocks(alice).await, newest_first);
    let blocking = vec![Some(RelationshipFlags::BLOCKING); targets.len()];
    for perspective in [Perspective::Own, Perspective::All] {
        assert_eq!(
            store.flags_seen_with(alice, &targets, perspective).await,
            blocking
        );
    }
    for target in targets {
        let unblock = RelationshipChange::Unblock;
        store.relate(alice, unblock, target).await;
        let again = store.try_change(alice, unblock, target).await;
        assert_eq!(again, Ok(RelationshipWritten::Unchanged));
    }
    assert_eq!(store.blocks(alice).await, []);
    assert!(!store.user(alice).await.has_blocks);
    let refused = store
        .try_change(deleted, RelationshipChange::Block, alice)
        .await;
    assert_eq!(refused, Err(WriteError::NotFound));
}

/// A block of a deleted user ends its follows, so they do not return with its restoration.
pub async fn a_block_of_a_deleted_user_ends_its_follows(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    store.changed(bob, &Change::Delete).await;
    store.apply_all_pending().await;
    store.block(alice, bob).await;
    store.changed(bob, &Change::Restore).await;
    store.apply_all_pending().await;
    for user in [alice, bob] {
        assert_eq!(store.count(user).await, (0, 0));
        assert_eq!(store.following(user).await, []);
    }
    store.assert_counts_match_lists(&[alice, bob]).await;
}

/// A blocked user is listed by its username at the time of the block, if the blocker could see it then. Later
/// changes of the user do not affect the listed name, except its erasure, which removes it.
pub async fn a_blocked_user_is_listed_by_its_name_when_blocked(store: &RelationshipsUnderTest) {
    let [alice, bob, foe, deleted] = store.people().await;
    store.block(foe, alice).await;
    store.changed(deleted, &Change::Delete).await;
    let name = store.user(bob).await.username.as_str().to_owned();
    for (number, target) in (1..).zip([bob, foe, deleted, user_id()]) {
        let at = context_at(seconds(number));
        let block = RelationshipChange::Block;
        store.relate_with(alice, block, target, &at).await;
    }
    let names = async || -> Vec<Option<String>> {
        let blocks = store.blocks_with_names(alice).await.into_iter();
        blocks.map(|(_, name)| name).collect()
    };
    let seen = [None, None, None, Some(name.clone())];
    assert_eq!(names().await, seen);
    let renamed = UserEdits {
        username: Some(Username::parse("another.name").expect("a name")),
        ..UserEdits::default()
    };
    store.changed(bob, &Change::Edit(Box::new(renamed))).await;
    store.block(bob, alice).await;
    store.changed(bob, &Change::Delete).await;
    store.relate(foe, RelationshipChange::Unblock, alice).await;
    store.changed(deleted, &Change::Restore).await;
    assert_eq!(names().await, seen);
    store.erased(bob).await;
    assert_eq!(names().await, [None, None, None, None]);
    store.apply_all_pending().await;
    assert_eq!(store.blocks(alice).await.len(), 4);
}

/// An unblock does not restore the follows that the block ended. New follows are allowed.
pub async fn an_unblock_restores_no_follow_and_allows_new_ones(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    store.block(alice, bob).await;
    store.relate(alice, RelationshipChange::Unblock, bob).await;
    assert_eq!(
        store.flags_between(alice, bob).await,
        RelationshipFlags::default()
    );
    assert_eq!(
        (store.count(alice).await, store.count(bob).await),
        ((0, 0), (0, 0))
    );
    assert_eq!(store.blocks(alice).await, []);
    let again = store
        .try_change(alice, RelationshipChange::Unblock, bob)
        .await;
    assert_eq!(again, Ok(RelationshipWritten::Unchanged));
    store.follow(bob, alice).await;
    assert_eq!(store.followers(alice).await, [bob]);
    store.block(bob, alice).await;
    assert_eq!(store.blocks(bob).await, [alice]);
}

/// The first block and the end of the last block change the blocking user as the domain defines it. Other blocks
/// change no user.
pub async fn the_first_and_last_block_change_the_blocking_user(store: &RelationshipsUnderTest) {
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
        let written = store.try_change_with(alice, change, other, &context).await;
        let after = store.user(alice).await;
        if let Some(has_blocks) = has_blocks {
            let applied = expected(&before, &Change::SetHasBlocks(has_blocks), &context);
            assert_same(&after, &applied.user);
            assert_eq!(store.events(alice).await.last(), Some(&applied.event));
            let user = Some(applied.user);
            assert_eq!(written, Ok(RelationshipWritten::Applied(user)));
        } else {
            assert_same(&after, &before);
            assert_eq!(store.events(alice).await, events);
            let unchanged = matches!(
                written,
                Ok(RelationshipWritten::Unchanged | RelationshipWritten::Applied(None))
            );
            assert!(unchanged, "{written:?}");
        }
    }
    for user in others {
        assert_same(&*store.user(user.id).await, &user);
    }
}

/// Blocks of and by a user remain while it is suspended or deleted.
pub async fn a_block_outlives_suspension_and_deletion(store: &RelationshipsUnderTest) {
    let [alice, bob, carol] = store.people().await;
    store.changed(bob, &Change::suspend()).await;
    store.block(alice, bob).await;
    store.block(bob, carol).await;
    assert_eq!(store.blocks(alice).await, [bob]);
    assert_eq!(store.blocks(bob).await, [carol]);
    store.changed(bob, &Change::Delete).await;
    store.apply_all_pending().await;
    assert_eq!(store.blocks(alice).await, [bob]);
    assert!(store.user(alice).await.has_blocks);
    store.changed(bob, &Change::Restore).await;
    store.changed(bob, &Change::Activate).await;
    store.apply_all_pending().await;
    assert_eq!(store.blocks(alice).await, [bob]);
    assert_eq!(store.blocks(bob).await, [carol]);
    let refused = store
        .try_change(bob, RelationshipChange::Follow, alice)
        .await;
    assert_eq!(refused, Err(WriteError::NotFound));
}

/// Blocks are listed newest first. A repeated block keeps its time.
pub async fn blocks_are_listed_newest_first(store: &RelationshipsUnderTest) {
    let [alice, bob, carol, dave] = store.people().await;
    for (at, other) in [(1, carol), (2, bob), (3, dave)] {
        let at = context_at(seconds(at));
        store
            .relate_with(alice, RelationshipChange::Block, other, &at)
            .await;
    }
    let at = context_at(seconds(9));
    let again = store
        .try_change_with(alice, RelationshipChange::Block, carol, &at)
        .await;
    assert_eq!(again, Ok(RelationshipWritten::Unchanged));
    assert_eq!(store.blocks(alice).await, [dave, bob, carol]);
    let unblock = RelationshipChange::Unblock;
    store.relate_with(alice, unblock, bob, &context()).await;
    assert_eq!(store.blocks(alice).await, [dave, carol]);
}
