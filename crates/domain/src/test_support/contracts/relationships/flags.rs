//! Relationship flags between users, and users hidden by blocks.

use std::collections::HashSet;

use super::RelationshipsUnderTest;
use crate::ports::Perspective;
use crate::relationship::{RelationshipChange, RelationshipFlags};
use crate::test_support::samples::user_id;
use crate::user::Change;
use crate::values::UserId;

const NONE: RelationshipFlags = RelationshipFlags {
    following: false,
    followed_by: false,
    blocking: false,
};

/// There is one result for each requested user, in order. Absent users have none.
pub async fn flags_keep_request_order_with_duplicates_and_missing_users(
    store: &RelationshipsUnderTest,
) {
    let [alice, bob, carol, dave, deleted] = store.people().await;
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    store.follow(carol, alice).await;
    store.follow(alice, deleted).await;
    store.block(alice, dave).await;
    store.changed(deleted, &Change::Delete).await;
    let friends = RelationshipFlags {
        following: true,
        followed_by: true,
        blocking: false,
    };
    let follower = RelationshipFlags {
        followed_by: true,
        ..NONE
    };
    let blocked = RelationshipFlags {
        blocking: true,
        ..NONE
    };
    let others = [carol, user_id(), bob, alice, dave, deleted, bob, carol];
    let wanted = [
        Some(follower),
        None,
        Some(friends),
        Some(NONE),
        Some(blocked),
        None,
        Some(friends),
        Some(follower),
    ];
    for perspective in [Perspective::Own, Perspective::All] {
        assert_eq!(
            store.flags_seen_with(alice, &others, perspective).await,
            wanted
        );
    }
    assert_eq!(store.flags(alice, &[]).await, []);
}

/// A user does not learn that another blocks it. With [`Perspective::All`], the two have no relationship.
pub async fn a_blocked_user_cannot_see_its_blocker(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.block(bob, alice).await;
    assert_eq!(
        store.flags_seen_with(alice, &[bob], Perspective::Own).await,
        [None]
    );
    let seen = store.flags_seen_with(alice, &[bob], Perspective::All).await;
    assert_eq!(seen, [Some(NONE)]);
    let blocked = RelationshipFlags {
        blocking: true,
        ..NONE
    };
    let own = store.flags_seen_with(bob, &[alice], Perspective::Own).await;
    assert_eq!(own, [Some(blocked)]);
    store.relate(bob, RelationshipChange::Unblock, alice).await;
    let own = store.flags_seen_with(alice, &[bob], Perspective::Own).await;
    assert_eq!(own, [Some(NONE)]);
}

/// Flags are unaffected by a suspension and are back after a deletion and restoration.
pub async fn flags_outlive_suspension_and_return_after_restoration(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    let friends = store.flags_between(alice, bob).await;
    assert!(friends.following && friends.followed_by);
    store.changed(bob, &Change::suspend()).await;
    assert_eq!(store.flags_between(alice, bob).await, friends);
    store.changed(bob, &Change::Delete).await;
    assert_eq!(store.flags(alice, &[bob]).await, [None]);
    store.apply_all_pending().await;
    assert_eq!(store.flags(alice, &[bob]).await, [None]);
    store.changed(bob, &Change::Restore).await;
    assert_eq!(store.flags_between(alice, bob).await, friends);
}

/// Users are hidden from each other if either blocks the other.
pub async fn a_block_hides_both_users_from_each_other(store: &RelationshipsUnderTest) {
    let [alice, bob, carol, dave] = store.people().await;
    store.block(alice, bob).await;
    store.block(carol, alice).await;
    let users = [alice, bob, carol, dave, user_id(), bob];
    let hidden = async |viewer: UserId| store.hidden_from(viewer, &users).await;
    assert_eq!(hidden(alice).await, HashSet::from([bob, carol]));
    assert_eq!(hidden(bob).await, HashSet::from([alice]));
    assert_eq!(hidden(carol).await, HashSet::from([alice]));
    assert_eq!(hidden(dave).await, HashSet::new());
    assert_eq!(store.hidden_from(alice, &[]).await, HashSet::new());
    assert_eq!(store.hidden_from(alice, &[dave]).await, HashSet::new());
    store.relate(alice, RelationshipChange::Unblock, bob).await;
    assert_eq!(hidden(alice).await, HashSet::from([carol]));
    assert_eq!(hidden(bob).await, HashSet::new());
}

/// The largest request is accepted in one call.
pub async fn flags_of_200_users_are_one_call(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(201).await;
    let (user, others) = crowd.split_first().expect("a user");
    for other in others.iter().step_by(10) {
        store.follow(*user, *other).await;
    }
    let first = others.first().expect("a user");
    store.block(*first, *user).await;
    let flags = store.flags(*user, others).await;
    assert_eq!(flags.len(), 200);
    for (number, flags) in flags.iter().enumerate() {
        let following = number % 10 == 0 && number > 0;
        assert_eq!(
            flags.map(|flags| flags.following),
            Some(following),
            "{number}"
        );
    }
    let hidden = store.hidden_from(*user, others).await;
    assert_eq!(hidden, HashSet::from([*first]));
}
