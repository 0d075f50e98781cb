//! Single follows and batches of follows.

use super::{RelationshipsUnderTest, new_follow};
use crate::ports::RelationshipWritten;
use crate::relationship::{FollowOutcome, NewFollow, RelationshipChange, RelationshipFlags};
use crate::test_support::contracts::assert_same;
use crate::test_support::samples::{context_expecting, user_id};
use crate::user::Change;
use crate::values::UserId;
use crate::write::WriteError;

const CHANGES: [RelationshipChange; 4] = [
    RelationshipChange::Follow,
    RelationshipChange::Unfollow,
    RelationshipChange::Block,
    RelationshipChange::Unblock,
];

/// A repeated follow is reported as unchanged and counted once.
pub async fn a_repeated_follow_changes_nothing(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let follow = RelationshipChange::Follow;
    let first = store.try_change(alice, follow, bob).await;
    assert_eq!(first, Ok(RelationshipWritten::Applied(None)));
    let again = store.try_change(alice, follow, bob).await;
    assert_eq!(again, Ok(RelationshipWritten::Unchanged));

    let following = RelationshipFlags {
        following: true,
        ..RelationshipFlags::default()
    };
    let followed = RelationshipFlags {
        followed_by: true,
        ..RelationshipFlags::default()
    };
    assert_eq!(store.flags_between(alice, bob).await, following);
    assert_eq!(store.flags_between(bob, alice).await, followed);
    assert_eq!(store.followers(bob).await, [alice]);
    assert_eq!(store.following(alice).await, [bob]);
    assert_eq!(
        (store.followers(alice).await, store.following(bob).await),
        (vec![], vec![])
    );
    assert_eq!(
        (store.count(alice).await, store.count(bob).await),
        ((0, 1), (1, 0))
    );
}

/// Two users may follow each other. Each ends only its own follow.
pub async fn an_unfollow_ends_one_direction_and_is_idempotent(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let unfollow = RelationshipChange::Unfollow;
    let early = store.try_change(alice, unfollow, bob).await;
    assert_eq!(early, Ok(RelationshipWritten::Unchanged));
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    let first = store.try_change(alice, unfollow, bob).await;
    assert_eq!(first, Ok(RelationshipWritten::Applied(None)));
    let again = store.try_change(alice, unfollow, bob).await;
    assert_eq!(again, Ok(RelationshipWritten::Unchanged));

    let followed = RelationshipFlags {
        followed_by: true,
        ..RelationshipFlags::default()
    };
    assert_eq!(store.flags_between(alice, bob).await, followed);
    assert_eq!(
        (store.count(alice).await, store.count(bob).await),
        ((1, 0), (0, 1))
    );
    store.follow(alice, bob).await;
    assert_eq!(
        (store.count(alice).await, store.count(bob).await),
        ((1, 1), (1, 1))
    );
}

/// Neither user of a follow may be unknown, deleted or erased, nor may the blocking user.
pub async fn a_relationship_with_an_absent_user_is_not_found(store: &RelationshipsUnderTest) {
    let [alice, deleted, erased] = store.people().await;
    store.changed(deleted, &Change::Delete).await;
    store.erased(erased).await;
    for absent in [user_id(), deleted, erased] {
        for change in CHANGES {
            for (from, to) in [(alice, absent), (absent, alice)] {
                // Any id may be blocked.
                let is_block = matches!(
                    change,
                    RelationshipChange::Block | RelationshipChange::Unblock
                );
                if from == alice && is_block {
                    continue;
                }
                let refused = store.try_change(from, change, to).await;
                assert_eq!(refused, Err(WriteError::NotFound), "{change:?}");
            }
        }
    }
    store.changed(deleted, &Change::Restore).await;
    assert_eq!(
        store.flags_between(alice, deleted).await,
        RelationshipFlags::default()
    );
    assert_eq!(store.count(alice).await, (0, 0));
    assert!(!store.user(alice).await.has_blocks && !store.user(deleted).await.has_blocks);
}

/// A suspended user may follow and be followed. It is counted from its activation on.
pub async fn a_suspended_user_is_counted_after_its_activation(store: &RelationshipsUnderTest) {
    let [alice, suspended, carol] = store.people().await;
    let people = [alice, suspended, carol];
    store.changed(suspended, &Change::suspend()).await;
    store.follow(alice, suspended).await;
    store.follow(suspended, carol).await;
    assert!(store.flags_between(alice, suspended).await.following);
    assert_eq!(store.count(alice).await, (0, 0));
    assert_eq!(store.count(carol).await, (0, 0));
    assert_eq!(store.count(suspended).await, (1, 1));
    store.assert_counts_match_lists(&people).await;

    store.changed(suspended, &Change::Activate).await;
    assert_eq!(store.count(alice).await, (0, 1));
    assert_eq!(store.count(carol).await, (1, 0));
    store.assert_counts_match_lists(&people).await;
    store.apply_all_pending().await;
    assert_eq!(store.count(alice).await, (0, 1));
    store.assert_counts_match_lists(&people).await;
}

/// A follow changes neither of its users, not even their versions.
pub async fn a_follow_changes_no_user(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let before = [store.user(alice).await, store.user(bob).await];
    store.follow(alice, bob).await;
    store.follow_many(&[new_follow(bob, alice)]).await;
    store.relate(alice, RelationshipChange::Unfollow, bob).await;
    for user in before {
        assert_same(&*store.user(user.id).await, &user);
    }
}

/// A precondition on a user's version does not apply to its relationships.
pub async fn a_precondition_is_ignored(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    for change in CHANGES {
        let context = context_expecting(99);
        let written = store.try_change_with(alice, change, bob, &context).await;
        assert!(
            matches!(written, Ok(RelationshipWritten::Applied(_))),
            "{change:?}: {written:?}"
        );
    }
}

/// Each follow of a batch has its outcome, in order. A later follow sees the effect of an earlier one. A follow that
/// fails does not affect the others.
pub async fn a_follow_batch_returns_outcomes_in_order(store: &RelationshipsUnderTest) {
    let [alice, bob, carol, deleted, suspended] = store.people().await;
    store.changed(deleted, &Change::Delete).await;
    store.changed(suspended, &Change::suspend()).await;
    store.follow(alice, carol).await;
    store.block(bob, carol).await;
    let follows = [
        (alice, bob),
        (alice, carol),
        (alice, user_id()),
        (user_id(), alice),
        (bob, alice),
        (deleted, alice),
        (alice, deleted),
        (carol, bob),
        (bob, carol),
        (alice, bob),
        (suspended, alice),
    ];
    let follows = follows.map(|(from, to)| new_follow(from, to));
    let (done, unchanged, absent) = (
        FollowOutcome::Followed,
        FollowOutcome::Unchanged,
        FollowOutcome::NoSuchUser,
    );
    assert_eq!(
        store.follow_many(&follows).await,
        [
            done, unchanged, absent, absent, done, absent, absent, absent, absent, unchanged, done
        ]
    );
    let people = [alice, bob, carol, deleted, suspended];
    assert_eq!(store.count(alice).await, (1, 2));
    assert!(store.flags_between(suspended, alice).await.following);
    store.assert_counts_match_lists(&people).await;

    // Repeating the batch changes nothing.
    let again = store.follow_many(&follows).await;
    assert!(!again.contains(&done));
    assert_eq!(store.count(alice).await, (1, 2));
    assert_eq!(store.follow_many(&[]).await, []);
}

/// The largest batch of follows is applied in one call and counted exactly.
pub async fn a_batch_of_1000_follows_is_applied(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(33).await;
    let follows: Vec<NewFollow> = all_follows_between(&crowd).take(1000).collect();
    let outcomes = store.follow_many(&follows).await;
    assert_eq!(outcomes, vec![FollowOutcome::Followed; 1000]);
    let counts = store.counts(&crowd, None).await;
    let followers: u64 = counts.iter().map(|counts| counts.followers).sum();
    let following: u64 = counts.iter().map(|counts| counts.following).sum();
    assert_eq!((followers, following), (1000, 1000));
    store.assert_counts_match_lists_for(&crowd, None).await;
    let again = store.follow_many(&follows).await;
    assert_eq!(again, vec![FollowOutcome::Unchanged; 1000]);
    assert_eq!(store.counts(&crowd, None).await, counts);
}

pub(super) fn all_follows_between(crowd: &[UserId]) -> impl Iterator<Item = NewFollow> {
    let pairs = crowd
        .iter()
        .flat_map(|from| crowd.iter().map(move |to| (*from, *to)));
    pairs
        .filter(|(from, to)| from != to)
        .map(|(from, to)| new_follow(from, to))
}
