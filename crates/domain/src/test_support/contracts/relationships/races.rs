//! Racing relationship changes.

use super::{RelationshipsUnderTest, new_follow, write};
use crate::ports::RelationshipWritten;
use crate::relationship::{NewFollow, RelationshipChange};
use crate::test_support::contracts::race;
use crate::test_support::samples::{context, context_with_key};
use crate::user::Change;
use crate::values::UserId;
use crate::write::WriteError;

const RACERS: usize = 24;
const ROUNDS: usize = 4;

fn applied(written: &[Result<RelationshipWritten, WriteError>]) -> usize {
    let applied = written
        .iter()
        .filter(|written| matches!(written, Ok(RelationshipWritten::Applied(_))));
    applied.count()
}

/// Identical racing follows are applied and counted once, and so are identical racing unfollows.
pub async fn racing_copies_of_a_follow_count_once(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    for (change, count) in [
        (RelationshipChange::Follow, (0, 1)),
        (RelationshipChange::Unfollow, (0, 0)),
    ] {
        let written = race(store, RACERS, |store, _| async move {
            store.try_change(alice, change, bob).await
        })
        .await;
        assert!(written.iter().all(Result::is_ok), "{written:?}");
        assert_eq!(applied(&written), 1);
        assert_eq!(store.count(alice).await, count);
        store.assert_counts_match_lists(&[alice, bob]).await;
    }
}

/// One of several racing requests with one key is applied, the others are replays.
pub async fn racing_copies_with_one_key_apply_once(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let write = write(alice, RelationshipChange::Block, bob);
    let key = context_with_key("key", 1);
    let written = race(store, RACERS, |store, _| {
        let (write, key) = (write.clone(), key.clone());
        async move { store.relationships.change_relationship(&write, &key).await }
    })
    .await;
    assert_eq!(applied(&written), 1, "{written:?}");
    let replayed = written
        .iter()
        .filter(|one| **one == Ok(RelationshipWritten::Replayed));
    assert_eq!(replayed.count(), RACERS - 1, "{written:?}");
    assert_eq!(store.events(alice).await.len(), 2);
}

/// Concurrent followers of one user are all counted.
pub async fn racing_followers_of_one_user_are_all_counted(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(RACERS + 1).await;
    let (star, fans) = crowd.split_first().expect("a user");
    let (star, fans) = (*star, fans.to_vec());
    let written = race(store, RACERS, |store, number| {
        let fan = *fans.get(number).expect("a fan");
        async move {
            store
                .try_change(fan, RelationshipChange::Follow, star)
                .await
        }
    })
    .await;
    assert_eq!(applied(&written), RACERS, "{written:?}");
    assert_eq!(
        store.count(star).await.0,
        u64::try_from(RACERS).unwrap_or(0)
    );
    store.assert_counts_match_lists_for(&crowd, None).await;
}

/// A pair of users never both follows and blocks, in whichever order the writes run.
pub async fn a_follow_racing_a_block_does_not_survive_it(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    for _ in 0..ROUNDS {
        let written = race(store, 8, |store, number| async move {
            match number {
                0 => {
                    store
                        .try_change(alice, RelationshipChange::Block, bob)
                        .await
                }
                1..4 => {
                    store
                        .try_change(bob, RelationshipChange::Follow, alice)
                        .await
                }
                4..6 => {
                    store
                        .try_change(alice, RelationshipChange::Follow, bob)
                        .await
                }
                _ => {
                    let follows = [new_follow(bob, alice), new_follow(alice, bob)];
                    let done = store.relationships.follow_many(&follows, &context()).await;
                    done.map(|_| RelationshipWritten::Unchanged)
                }
            }
        })
        .await;
        for written in written {
            assert!(
                matches!(written, Ok(_) | Err(WriteError::NotFound)),
                "{written:?}"
            );
        }
        let flags = store.flags_between(alice, bob).await;
        assert!(
            flags.blocking && !flags.following && !flags.followed_by,
            "{flags:?}"
        );
        assert_eq!(store.count(alice).await, (0, 0));
        assert_eq!(store.count(bob).await, (0, 0));
        store.relate(alice, RelationshipChange::Unblock, bob).await;
    }
}

/// Two users that block each other at the same time both succeed.
pub async fn racing_mutual_blocks_both_apply(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    for _ in 0..ROUNDS {
        let written = race(store, 2, |store, number| async move {
            let (from, to) = if number == 0 {
                (alice, bob)
            } else {
                (bob, alice)
            };
            store.try_change(from, RelationshipChange::Block, to).await
        })
        .await;
        assert_eq!(applied(&written), 2, "{written:?}");
        assert_eq!(store.blocks(alice).await, [bob]);
        assert_eq!(store.blocks(bob).await, [alice]);
        for (from, to) in [(alice, bob), (bob, alice)] {
            store.relate(from, RelationshipChange::Unblock, to).await;
        }
        assert_eq!(store.blocks(alice).await, []);
        assert_eq!(store.blocks(bob).await, []);
    }
}

/// `has_blocks` is correct after concurrent blocks and unblocks of one user.
pub async fn racing_blocks_keep_has_blocks_correct(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(9).await;
    let (alice, others) = crowd.split_first().expect("a user");
    let (alice, others) = (*alice, others.to_vec());
    for (change, has_blocks) in [
        (RelationshipChange::Block, true),
        (RelationshipChange::Unblock, false),
    ] {
        let written = race(store, others.len(), |store, number| {
            let other = *others.get(number).expect("another");
            async move { store.try_change(alice, change, other).await }
        })
        .await;
        assert_eq!(applied(&written), others.len(), "{written:?}");
        let user_changes = written
            .iter()
            .filter(|one| matches!(one, Ok(RelationshipWritten::Applied(Some(_)))));
        assert_eq!(user_changes.count(), 1, "{written:?}");
        assert_eq!(store.user(alice).await.has_blocks, has_blocks);
    }
    let last = store.user(alice).await;
    assert_eq!((last.revision.get(), last.version.get()), (3, 1));
}

/// Counts are right after follows that race status changes of both users and the application of pending counts.
pub async fn follows_racing_status_changes_are_counted_right(store: &RelationshipsUnderTest) {
    let people: [UserId; 6] = store.people().await;
    let [star, other, ..] = people;
    let goings = [
        (Change::Delete, Change::Restore),
        (Change::suspend(), Change::Activate),
    ];
    for (leave, back) in goings {
        for change in [leave, back] {
            race(store, 12, |store, number| {
                let change = change.clone();
                async move {
                    let fan = *people.get(2 + number % 4)?;
                    match number {
                        0 => drop(store.writer.change(star, &change, &context()).await),
                        1 => drop(store.apply_pending().await),
                        2..6 => drop(
                            store
                                .try_change(fan, RelationshipChange::Follow, star)
                                .await,
                        ),
                        6..9 => drop(
                            store
                                .try_change(star, RelationshipChange::Follow, fan)
                                .await,
                        ),
                        9 => drop(
                            store
                                .try_change(fan, RelationshipChange::Unfollow, star)
                                .await,
                        ),
                        _ => {
                            let follows = [new_follow(other, star), new_follow(fan, other)];
                            let relationships = &store.relationships;
                            drop(relationships.follow_many(&follows, &context()).await);
                        }
                    }
                    Some(())
                }
            })
            .await;
            store.assert_counts_match_lists(&people).await;
        }
    }
    store.apply_all_pending().await;
    store.assert_counts_match_lists(&people).await;
}

/// A follow that races an erasure is removed by it or finds no user.
pub async fn follows_racing_an_erasure_leave_nothing(store: &RelationshipsUnderTest) {
    for _ in 0..ROUNDS {
        let crowd = store.people_with_unique_names(7).await;
        let (target, fans) = crowd.split_first().expect("a user");
        let (target, fans) = (*target, fans.to_vec());
        race(store, 13, |store, number| {
            let fan = *fans.get(number / 2 % fans.len()).expect("a fan");
            async move {
                match number {
                    12 => store.erased(target).await,
                    _ if number % 2 == 0 => {
                        drop(
                            store
                                .try_change(fan, RelationshipChange::Follow, target)
                                .await,
                        );
                    }
                    _ => drop(
                        store
                            .try_change(target, RelationshipChange::Follow, fan)
                            .await,
                    ),
                }
            }
        })
        .await;
        for applied in [false, true] {
            if applied {
                store.apply_all_pending().await;
                assert_eq!(store.count(target).await, (0, 0));
                assert_eq!(store.followers(target).await, []);
                assert_eq!(store.following(target).await, []);
            }
            for fan in &fans {
                assert_eq!(store.count(*fan).await, (0, 0));
                assert_eq!(store.flags(*fan, &[target]).await, [None]);
            }
        }
    }
}

/// Batches of the same follows in opposite orders do not deadlock, and each follow is counted once.
pub async fn racing_batches_in_opposite_orders_do_not_deadlock(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(12).await;
    let forth: Vec<NewFollow> = super::follows::all_follows_between(&crowd).collect();
    let back: Vec<NewFollow> = forth.iter().rev().copied().collect();
    let done = race(store, 8, |store, number| {
        let follows = if number % 2 == 0 { &forth } else { &back };
        let again = follows.iter().map(|new| (new.edge.from(), new.edge.to()));
        let again: Vec<NewFollow> = again.map(|(from, to)| new_follow(from, to)).collect();
        async move { store.relationships.follow_many(&again, &context()).await }
    })
    .await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let eleven = store.count(*crowd.first().expect("a user")).await;
    assert_eq!(eleven, (11, 11));
    store.assert_counts_match_lists_for(&crowd, None).await;
}

/// Concurrent workers share the pending counts and count no follow twice, while users change.
pub async fn racing_count_updates_count_no_follow_twice(store: &RelationshipsUnderTest) {
    let people: [UserId; 6] = store.people().await;
    let follows: Vec<NewFollow> = super::follows::all_follows_between(&people).collect();
    store.follow_many(&follows).await;
    let changes = [Change::Delete, Change::Restore];
    for change in changes.iter().cycle().take(2 * ROUNDS) {
        race(store, 10, |store, number| {
            let change = change.clone();
            let user = people.get(number).copied();
            async move {
                match user.filter(|_| number < 3) {
                    Some(user) => drop(store.changed(user, &change).await),
                    None => drop(store.apply_pending().await.expect("a result")),
                }
            }
        })
        .await;
        store.assert_counts_match_lists_for(&people, None).await;
    }
    store.apply_all_pending().await;
    store.assert_counts_match_lists_for(&people, None).await;
    for user in people {
        assert_eq!(store.count(user).await, (5, 5));
    }
}
