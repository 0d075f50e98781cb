//! Writers of relationships at the same moment.

use super::{RelationshipsUnderTest, new_follow, write};
use crate::ports::RelationshipWritten;
use crate::relationship::{NewFollow, RelationshipChange};
use crate::test_support::contracts::race;
use crate::test_support::samples::{context, context_under};
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

/// Of racing twins of one follow, one is done, and it is counted once; so with the end of it.
pub async fn racing_twins_of_a_follow_count_once(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    for (change, count) in [
        (RelationshipChange::Follow, (0, 1)),
        (RelationshipChange::Unfollow, (0, 0)),
    ] {
        let written = race(store, RACERS, |store, _| async move {
            store.try_to(alice, change, bob).await
        })
        .await;
        assert!(written.iter().all(Result::is_ok), "{written:?}");
        assert_eq!(applied(&written), 1);
        assert_eq!(store.count(alice).await, count);
        store.assert_counts_are_lists(&[alice, bob]).await;
    }
}

/// Of racing twins under one key one is done, and the others are repetitions of it.
pub async fn racing_twins_under_one_key_are_done_once(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let write = write(alice, RelationshipChange::Block, bob);
    let key = context_under("key", 1);
    let written = race(store, RACERS, |store, _| {
        let (write, key) = (write.clone(), key.clone());
        async move { store.relationships.relate(&write, &key).await }
    })
    .await;
    assert_eq!(applied(&written), 1, "{written:?}");
    let replayed = written
        .iter()
        .filter(|one| **one == Ok(RelationshipWritten::Replayed));
    assert_eq!(replayed.count(), RACERS - 1, "{written:?}");
    assert_eq!(store.events(alice).await.len(), 2);
}

/// Many follow one user at once, and each is counted.
pub async fn racing_followers_of_one_user_are_all_counted(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(RACERS + 1).await;
    let (star, fans) = crowd.split_first().expect("somebody");
    let (star, fans) = (*star, fans.to_vec());
    let written = race(store, RACERS, |store, number| {
        let fan = *fans.get(number).expect("a fan");
        async move { store.try_to(fan, RelationshipChange::Follow, star).await }
    })
    .await;
    assert_eq!(applied(&written), RACERS, "{written:?}");
    assert_eq!(
        store.count(star).await.0,
        u64::try_from(RACERS).unwrap_or(0)
    );
    store.assert_counts_are_lists_for(&crowd, None).await;
}

/// Whoever comes first, no pair is left that both follows and blocks.
pub async fn a_follow_that_races_a_block_does_not_outlive_it(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    for _ in 0..ROUNDS {
        let written = race(store, 8, |store, number| async move {
            match number {
                0 => store.try_to(alice, RelationshipChange::Block, bob).await,
                1..4 => store.try_to(bob, RelationshipChange::Follow, alice).await,
                4..6 => store.try_to(alice, RelationshipChange::Follow, bob).await,
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
        let ties = store.tie(alice, bob).await;
        assert!(
            ties.blocking && !ties.following && !ties.followed_by,
            "{ties:?}"
        );
        assert_eq!(store.count(alice).await, (0, 0));
        assert_eq!(store.count(bob).await, (0, 0));
        store.relate(alice, RelationshipChange::Unblock, bob).await;
    }
}

/// Of two who block each other at once, one does.
pub async fn racing_blocks_of_each_other_leave_one(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    for _ in 0..ROUNDS {
        let written = race(store, 2, |store, number| async move {
            let (from, to) = if number == 0 {
                (alice, bob)
            } else {
                (bob, alice)
            };
            store.try_to(from, RelationshipChange::Block, to).await
        })
        .await;
        assert_eq!(applied(&written), 1, "{written:?}");
        assert!(written.contains(&Err(WriteError::NotFound)), "{written:?}");
        let blocks = [store.blocks(alice).await, store.blocks(bob).await].concat();
        assert_eq!(blocks.len(), 1);
        for (from, to) in [(alice, bob), (bob, alice)] {
            let unblocked = store.try_to(from, RelationshipChange::Unblock, to).await;
            assert!(unblocked.is_ok() || unblocked == Err(WriteError::NotFound));
        }
        assert_eq!(store.blocks(alice).await, []);
        assert_eq!(store.blocks(bob).await, []);
    }
}

/// However many a user blocks and ceases to block at once, it says whether it blocks anybody.
pub async fn racing_blocks_of_one_user_leave_it_saying_whether_it_blocks(
    store: &RelationshipsUnderTest,
) {
    let crowd = store.crowd(9).await;
    let (alice, others) = crowd.split_first().expect("somebody");
    let (alice, others) = (*alice, others.to_vec());
    for (change, has_blocks) in [
        (RelationshipChange::Block, true),
        (RelationshipChange::Unblock, false),
    ] {
        let written = race(store, others.len(), |store, number| {
            let other = *others.get(number).expect("another");
            async move { store.try_to(alice, change, other).await }
        })
        .await;
        assert_eq!(applied(&written), others.len(), "{written:?}");
        let told = written
            .iter()
            .filter(|one| matches!(one, Ok(RelationshipWritten::Applied(Some(_)))));
        assert_eq!(told.count(), 1, "{written:?}");
        assert_eq!(store.user(alice).await.has_blocks, has_blocks);
    }
    assert_eq!(store.user(alice).await.version.get(), 3);
}

/// Follows that race the comings and goings of both ends, and the settling of them, leave the counts right.
pub async fn follows_that_race_who_comes_and_goes_are_counted_right(
    store: &RelationshipsUnderTest,
) {
    let people: [UserId; 6] = store.people().await;
    let [star, other, ..] = people;
    let goings = [
        (Change::Delete, Change::Restore),
        (Change::Suspend, Change::Activate),
    ];
    for (leave, back) in goings {
        for change in [leave, back] {
            race(store, 12, |store, number| {
                let change = change.clone();
                async move {
                    let fan = *people.get(2 + number % 4)?;
                    match number {
                        0 => drop(store.writer.change(star, &change, &context()).await),
                        1 => drop(store.settle().await),
                        2..6 => drop(store.try_to(fan, RelationshipChange::Follow, star).await),
                        6..9 => drop(store.try_to(star, RelationshipChange::Follow, fan).await),
                        9 => drop(store.try_to(fan, RelationshipChange::Unfollow, star).await),
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
            store.assert_counts_are_lists(&people).await;
        }
    }
    store.settle_all().await;
    store.assert_counts_are_lists(&people).await;
}

/// Follows that race an erasure come before it and go with it, or find nobody.
pub async fn follows_that_race_an_erasure_leave_nothing(store: &RelationshipsUnderTest) {
    for _ in 0..ROUNDS {
        let crowd = store.added_crowd(7).await;
        let (gone, fans) = crowd.split_first().expect("somebody");
        let (gone, fans) = (*gone, fans.to_vec());
        race(store, 13, |store, number| {
            let fan = *fans.get(number / 2 % fans.len()).expect("a fan");
            async move {
                match number {
                    12 => store.erased(gone).await,
                    _ if number % 2 == 0 => {
                        drop(store.try_to(fan, RelationshipChange::Follow, gone).await);
                    }
                    _ => drop(store.try_to(gone, RelationshipChange::Follow, fan).await),
                }
            }
        })
        .await;
        for settled in [false, true] {
            if settled {
                store.settle_all().await;
                assert_eq!(store.count(gone).await, (0, 0));
                assert_eq!(store.followers(gone).await, []);
                assert_eq!(store.following(gone).await, []);
            }
            for fan in &fans {
                assert_eq!(store.count(*fan).await, (0, 0));
                assert_eq!(store.ties(*fan, &[gone]).await, [None]);
            }
        }
    }
}

/// Batches of the same follows in opposite orders all end, and each follow is counted once.
pub async fn racing_batches_in_opposite_orders_all_end(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(12).await;
    let forth: Vec<NewFollow> = super::follows::everybody_follows_everybody(&crowd).collect();
    let back: Vec<NewFollow> = forth.iter().rev().copied().collect();
    let done = race(store, 8, |store, number| {
        let follows = if number % 2 == 0 { &forth } else { &back };
        let again = follows.iter().map(|new| (new.edge.from(), new.edge.to()));
        let again: Vec<NewFollow> = again.map(|(from, to)| new_follow(from, to)).collect();
        async move { store.relationships.follow_many(&again, &context()).await }
    })
    .await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let eleven = store.count(*crowd.first().expect("somebody")).await;
    assert_eq!(eleven, (11, 11));
    store.assert_counts_are_lists_for(&crowd, None).await;
}

/// Settling by several at once shares the work and counts nobody twice, though users change meanwhile.
pub async fn racing_settlings_count_nobody_twice(store: &RelationshipsUnderTest) {
    let people: [UserId; 6] = store.people().await;
    let follows: Vec<NewFollow> = super::follows::everybody_follows_everybody(&people).collect();
    store.follow_many(&follows).await;
    let changes = [Change::Delete, Change::Restore];
    for change in changes.iter().cycle().take(2 * ROUNDS) {
        race(store, 10, |store, number| {
            let change = change.clone();
            let user = people.get(number).copied();
            async move {
                match user.filter(|_| number < 3) {
                    Some(user) => drop(store.changed(user, &change).await),
                    None => drop(store.settle().await.expect("an answer")),
                }
            }
        })
        .await;
        store.assert_counts_are_lists_for(&people, None).await;
    }
    store.settle_all().await;
    store.assert_counts_are_lists_for(&people, None).await;
    for user in people {
        assert_eq!(store.count(user).await, (5, 5));
    }
}
