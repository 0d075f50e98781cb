//! Follows, one at a time and many at once.

use super::{RelationshipsUnderTest, new_follow};
use crate::ports::RelationshipWritten;
use crate::relationship::{FollowOutcome, NewFollow, RelationshipChange, Ties};
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

/// A follow is there once, however often it is asked for.
pub async fn a_follow_done_again_changes_nothing(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let follow = RelationshipChange::Follow;
    let first = store.try_to(alice, follow, bob).await;
    assert_eq!(first, Ok(RelationshipWritten::Applied(None)));
    let again = store.try_to(alice, follow, bob).await;
    assert_eq!(again, Ok(RelationshipWritten::Unchanged));

    let following = Ties {
        following: true,
        ..Ties::default()
    };
    let followed = Ties {
        followed_by: true,
        ..Ties::default()
    };
    assert_eq!(store.tie(alice, bob).await, following);
    assert_eq!(store.tie(bob, alice).await, followed);
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

/// Two may follow each other, and each ends its own follow.
pub async fn an_unfollow_ends_one_follow_and_done_again_changes_nothing(
    store: &RelationshipsUnderTest,
) {
    let [alice, bob] = store.people().await;
    let unfollow = RelationshipChange::Unfollow;
    let early = store.try_to(alice, unfollow, bob).await;
    assert_eq!(early, Ok(RelationshipWritten::Unchanged));
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    let first = store.try_to(alice, unfollow, bob).await;
    assert_eq!(first, Ok(RelationshipWritten::Applied(None)));
    let again = store.try_to(alice, unfollow, bob).await;
    assert_eq!(again, Ok(RelationshipWritten::Unchanged));

    let followed = Ties {
        followed_by: true,
        ..Ties::default()
    };
    assert_eq!(store.tie(alice, bob).await, followed);
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

/// Neither end of a change may be unknown, deleted or erased.
pub async fn a_relationship_with_nobody_finds_nobody(store: &RelationshipsUnderTest) {
    let [alice, deleted, erased] = store.people().await;
    store.changed(deleted, &Change::Delete).await;
    store.erased(erased).await;
    for nobody in [user_id(), deleted, erased] {
        for change in CHANGES {
            for (from, to) in [(alice, nobody), (nobody, alice)] {
                let refused = store.try_to(from, change, to).await;
                assert_eq!(refused, Err(WriteError::NotFound), "{change:?}");
            }
        }
    }
    store.changed(deleted, &Change::Restore).await;
    assert_eq!(store.tie(alice, deleted).await, Ties::default());
    assert_eq!(store.count(alice).await, (0, 0));
    assert!(!store.user(alice).await.has_blocks && !store.user(deleted).await.has_blocks);
}

/// Who is suspended may follow and be followed; it counts from its activation on.
pub async fn a_suspended_user_is_counted_from_its_activation_on(store: &RelationshipsUnderTest) {
    let [alice, suspended, carol] = store.people().await;
    let people = [alice, suspended, carol];
    store.changed(suspended, &Change::Suspend).await;
    store.follow(alice, suspended).await;
    store.follow(suspended, carol).await;
    assert!(store.tie(alice, suspended).await.following);
    assert_eq!(store.count(alice).await, (0, 0));
    assert_eq!(store.count(carol).await, (0, 0));
    assert_eq!(store.count(suspended).await, (1, 1));
    store.assert_counts_are_lists(&people).await;

    store.changed(suspended, &Change::Activate).await;
    assert_eq!(store.count(alice).await, (0, 1));
    assert_eq!(store.count(carol).await, (1, 0));
    store.assert_counts_are_lists(&people).await;
    store.settle_all().await;
    assert_eq!(store.count(alice).await, (0, 1));
    store.assert_counts_are_lists(&people).await;
}

/// Neither end of a follow is changed by it, its version included.
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

/// The version that a writer expects of a user says nothing about its relationships.
pub async fn an_expected_version_is_not_looked_at(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    for change in CHANGES {
        let context = context_expecting(99);
        let written = store.try_with(alice, change, bob, &context).await;
        assert!(
            matches!(written, Ok(RelationshipWritten::Applied(_))),
            "{change:?}: {written:?}"
        );
    }
}

/// Each of many follows has its outcome, in order: a later one sees what an earlier one did, and one that cannot be takes
/// no other along.
pub async fn many_follows_have_an_outcome_each_in_order(store: &RelationshipsUnderTest) {
    let [alice, bob, carol, deleted, suspended] = store.people().await;
    store.changed(deleted, &Change::Delete).await;
    store.changed(suspended, &Change::Suspend).await;
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
    let (done, unchanged, nobody) = (
        FollowOutcome::Followed,
        FollowOutcome::Unchanged,
        FollowOutcome::NoSuchUser,
    );
    assert_eq!(
        store.follow_many(&follows).await,
        [
            done, unchanged, nobody, nobody, done, nobody, nobody, nobody, nobody, unchanged, done
        ]
    );
    let people = [alice, bob, carol, deleted, suspended];
    assert_eq!(store.count(alice).await, (1, 2));
    assert!(store.tie(suspended, alice).await.following);
    store.assert_counts_are_lists(&people).await;

    // Done again, all that could be done is.
    let again = store.follow_many(&follows).await;
    assert!(!again.contains(&done));
    assert_eq!(store.count(alice).await, (1, 2));
    assert_eq!(store.follow_many(&[]).await, []);
}

/// A thousand follows are one batch, and are counted one by one.
pub async fn a_thousand_follows_are_done_at_once(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(33).await;
    let follows: Vec<NewFollow> = everybody_follows_everybody(&crowd).take(1000).collect();
    let outcomes = store.follow_many(&follows).await;
    assert_eq!(outcomes, vec![FollowOutcome::Followed; 1000]);
    let counts = store.counts(&crowd, None).await;
    let followers: u64 = counts.iter().map(|counts| counts.followers).sum();
    let following: u64 = counts.iter().map(|counts| counts.following).sum();
    assert_eq!((followers, following), (1000, 1000));
    store.assert_counts_are_lists_for(&crowd, None).await;
    let again = store.follow_many(&follows).await;
    assert_eq!(again, vec![FollowOutcome::Unchanged; 1000]);
    assert_eq!(store.counts(&crowd, None).await, counts);
}

pub(super) fn everybody_follows_everybody(crowd: &[UserId]) -> impl Iterator<Item = NewFollow> {
    let pairs = crowd
        .iter()
        .flat_map(|from| crowd.iter().map(move |to| (*from, *to)));
    pairs
        .filter(|(from, to)| from != to)
        .map(|(from, to)| new_follow(from, to))
}
