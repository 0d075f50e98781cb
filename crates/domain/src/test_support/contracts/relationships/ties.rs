//! What users are to each other, and who hides from whom.

use std::collections::HashSet;

use super::RelationshipsUnderTest;
use crate::ports::Eyes;
use crate::relationship::{RelationshipChange, Ties};
use crate::test_support::samples::user_id;
use crate::user::Change;
use crate::values::UserId;

const NONE: Ties = Ties {
    following: false,
    followed_by: false,
    blocking: false,
};

/// There is an answer for each of the others, in their order; none where nobody is.
pub async fn ties_come_in_the_order_of_the_others_with_duplicates_and_gaps(
    store: &RelationshipsUnderTest,
) {
    let [alice, bob, carol, dave, deleted] = store.people().await;
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    store.follow(carol, alice).await;
    store.follow(alice, deleted).await;
    store.block(alice, dave).await;
    store.changed(deleted, &Change::Delete).await;
    let friends = Ties {
        following: true,
        followed_by: true,
        blocking: false,
    };
    let follower = Ties {
        followed_by: true,
        ..NONE
    };
    let blocked = Ties {
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
    for eyes in [Eyes::Own, Eyes::All] {
        assert_eq!(store.ties_seen(alice, &others, eyes).await, wanted);
    }
    assert_eq!(store.ties(alice, &[]).await, []);
}

/// A user does not learn who blocks it; whoever sees everything sees that they have nothing to do with each other.
pub async fn who_blocks_a_user_is_nobody_to_its_own_eyes(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    store.block(bob, alice).await;
    assert_eq!(store.ties_seen(alice, &[bob], Eyes::Own).await, [None]);
    let seen = store.ties_seen(alice, &[bob], Eyes::All).await;
    assert_eq!(seen, [Some(NONE)]);
    let blocked = Ties {
        blocking: true,
        ..NONE
    };
    let own = store.ties_seen(bob, &[alice], Eyes::Own).await;
    assert_eq!(own, [Some(blocked)]);
    store.relate(bob, RelationshipChange::Unblock, alice).await;
    let own = store.ties_seen(alice, &[bob], Eyes::Own).await;
    assert_eq!(own, [Some(NONE)]);
}

/// Who is suspended is what it is to others all the same; who is restored is again what it was.
pub async fn ties_outlive_a_suspension_and_come_back_with_a_restoration(
    store: &RelationshipsUnderTest,
) {
    let [alice, bob] = store.people().await;
    store.follow(alice, bob).await;
    store.follow(bob, alice).await;
    let friends = store.tie(alice, bob).await;
    assert!(friends.following && friends.followed_by);
    store.changed(bob, &Change::Suspend).await;
    assert_eq!(store.tie(alice, bob).await, friends);
    store.changed(bob, &Change::Delete).await;
    assert_eq!(store.ties(alice, &[bob]).await, [None]);
    store.settle_all().await;
    assert_eq!(store.ties(alice, &[bob]).await, [None]);
    store.changed(bob, &Change::Restore).await;
    assert_eq!(store.tie(alice, bob).await, friends);
}

/// Two hide from each other where either blocks the other.
pub async fn a_block_hides_each_from_the_other(store: &RelationshipsUnderTest) {
    let [alice, bob, carol, dave] = store.people().await;
    store.block(alice, bob).await;
    store.block(carol, alice).await;
    let everybody = [alice, bob, carol, dave, user_id(), bob];
    let hidden = async |viewer: UserId| store.hidden_from(viewer, &everybody).await;
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

/// Two hundred others are answered for at once.
pub async fn two_hundred_others_are_answered_for_at_once(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(201).await;
    let (user, others) = crowd.split_first().expect("somebody");
    for other in others.iter().step_by(10) {
        store.follow(*user, *other).await;
    }
    let first = others.first().expect("somebody");
    store.block(*first, *user).await;
    let ties = store.ties(*user, others).await;
    assert_eq!(ties.len(), 200);
    for (number, ties) in ties.iter().enumerate() {
        let following = number % 10 == 0 && number > 0;
        assert_eq!(ties.map(|ties| ties.following), Some(following), "{number}");
    }
    let hidden = store.hidden_from(*user, others).await;
    assert_eq!(hidden, HashSet::from([*first]));
}
