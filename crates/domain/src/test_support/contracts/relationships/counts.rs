//! Counts, whoever comes and goes, and their upkeep.

use super::follows::everybody_follows_everybody;
use super::{MOST_BATCHES, RelationshipsUnderTest, new_follow};
use crate::import::Imported;
use crate::ports::Recounted;
use crate::relationship::{Counts, NewFollow, RelationshipChange, Ties};
use crate::test_support::samples::{
    context, context_at, import, new_user, record, seconds, start, user_id,
};
use crate::user::{Change, Presence, Record, User};
use crate::values::{Timestamp, UserId};
use crate::write::WriteError;

impl RelationshipsUnderTest {
    /// Makes some users who all follow each other but for one block.
    async fn society(&self) -> [UserId; 5] {
        let people: [UserId; 5] = self.people().await;
        let follows: Vec<NewFollow> = everybody_follows_everybody(&people).collect();
        self.follow_many(&follows).await;
        let [first, second, ..] = people;
        self.block(first, second).await;
        people
    }

    /// Counts again to the end of a pass; tells by how much the counts were wrong.
    async fn recount_all(&self, at: Timestamp) -> (u64, u64) {
        let mut drift = (0, 0);
        for _ in 0..MOST_BATCHES {
            let recounted = self.upkeep.recount(at).await.expect("an answer");
            drift.0 += recounted.followers_drift;
            drift.1 += recounted.following_drift;
            if !recounted.has_more {
                return drift;
            }
        }
        panic!("there is always more to count");
    }
}

/// Counts are as long as the lists, through everybody's eyes, whatever becomes of a user: at once, while it is settled,
/// and after.
pub async fn counts_equal_the_lists_whoever_comes_and_goes(store: &RelationshipsUnderTest) {
    let people = store.society().await;
    store.assert_counts_are_lists(&people).await;
    let [first, second, third, ..] = people;
    for user in [third, first, second] {
        for change in [
            Change::Suspend,
            Change::Delete,
            Change::Restore,
            Change::Activate,
            Change::Delete,
            Change::Restore,
        ] {
            store.changed(user, &change).await;
            store.assert_counts_are_lists(&people).await;
            store.settle().await.expect("an answer");
            store.assert_counts_are_lists(&people).await;
            store.settle_all().await;
            store.assert_counts_are_lists(&people).await;
        }
    }
    store.erased(third).await;
    store.assert_counts_are_lists(&people).await;
    store.settle_all().await;
    store.assert_counts_are_lists(&people).await;
}

/// A user that changes again before it is settled with the change before is counted as it is.
pub async fn counts_are_right_though_a_user_changes_between_settlings(
    store: &RelationshipsUnderTest,
) {
    let people = store.society().await;
    let [first, second, third, fourth, fifth] = people;
    let changes = [
        (third, Change::Suspend),
        (first, Change::Delete),
        (third, Change::Activate),
        (fourth, Change::Suspend),
        (first, Change::Restore),
        (third, Change::Delete),
        (fourth, Change::Delete),
        (fourth, Change::Activate),
        (fourth, Change::Restore),
        (second, Change::Suspend),
        (fourth, Change::Activate),
        (third, Change::Restore),
        (second, Change::Activate),
    ];
    for (number, (user, change)) in changes.into_iter().enumerate() {
        // A deleted user can only be restored.
        let changed = store.writer.change(user, &change, &context()).await;
        assert!(changed.is_ok() || change == Change::Activate, "{changed:?}");
        if number % 3 == 1 {
            store.settle().await.expect("an answer");
        }
        // Others go on meanwhile.
        let unfollow = RelationshipChange::Unfollow;
        let unfollowed = store
            .try_to(fifth, RelationshipChange::Unfollow, third)
            .await;
        assert!(
            matches!(unfollowed, Ok(_) | Err(WriteError::NotFound)),
            "{unfollowed:?}"
        );
        store
            .follow_many(&[new_follow(fifth, third), new_follow(fourth, fifth)])
            .await;
        store.assert_counts_are_lists(&people).await;
    }
    store.settle_all().await;
    store.assert_counts_are_lists(&people).await;
    assert_eq!(store.count(third).await, (4, 4));
}

/// More relationships than one settling looks at are settled by several, and the counts are right in between.
pub async fn a_user_of_many_relationships_is_settled_batch_by_batch(
    store: &RelationshipsUnderTest,
) {
    let crowd = store.crowd(400).await;
    let (star, fans) = crowd.split_first().expect("somebody");
    let follows: Vec<NewFollow> = fans
        .iter()
        .flat_map(|fan| [new_follow(*fan, *star), new_follow(*star, *fan)])
        .collect();
    store.follow_many(&follows).await;
    let one_each = |number: u64| Counts {
        followers: number,
        following: number,
    };
    for (change, number) in [(Change::Delete, 0), (Change::Restore, 1)] {
        store.changed(*star, &change).await;
        let wanted = vec![one_each(number); fans.len()];
        for _ in 0..3 {
            assert_eq!(store.counts(fans, None).await, wanted, "{change:?}");
            store.settle().await.expect("an answer");
        }
        store.settle_all().await;
        assert_eq!(store.counts(fans, None).await, wanted, "{change:?}");
    }
    assert_eq!(store.count(*star).await, (399, 399));
    store.erased(*star).await;
    let nothing = vec![one_each(0); fans.len()];
    assert_eq!(store.counts(fans, None).await, nothing);
    store.settle().await.expect("an answer");
    assert_eq!(store.counts(fans, None).await, nothing);
    store.settle_all().await;
    assert_eq!(store.counts(fans, None).await, nothing);
}

/// A deletion and a restoration that come by an import count like any other.
pub async fn an_imported_deletion_or_restoration_is_counted(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let new = new_user("imported");
    let first = import(record(new.clone()));
    let imported = first.fresh_id;
    let outcomes = store.store.import.import(&[first]).await.expect("a batch");
    assert_eq!(outcomes, [Ok(Imported::Created(imported))]);
    store.follow(imported, alice).await;
    store.follow(alice, imported).await;
    store.follow(bob, alice).await;
    for settles in [false, true] {
        for (presence, count) in [
            (Presence::Deleted(Some(seconds(3))), (1, 0)),
            (Presence::Present, (2, 1)),
        ] {
            let again = import(Record {
                presence,
                ..record(new.clone())
            });
            let outcomes = store.store.import.import(&[again]).await.expect("a batch");
            assert_eq!(outcomes, [Ok(Imported::Updated(imported))]);
            assert_eq!(store.count(alice).await, count, "{presence:?}");
            if settles {
                store.settle_all().await;
            }
            assert_eq!(store.count(alice).await, count, "{presence:?}");
            store.assert_counts_are_lists(&[alice, bob, imported]).await;
        }
    }
}

/// Of an erased user nothing remains: in no list, no count, no tie, and no new relationship.
pub async fn an_erased_user_has_and_is_nothing_to_anybody(store: &RelationshipsUnderTest) {
    let people = store.society().await;
    let [first, second, third, fourth, fifth] = people;
    store.changed(fourth, &Change::Delete).await;
    for gone in [third, first, fourth] {
        store.erased(gone).await;
    }
    for settled in [false, true] {
        if settled {
            store.settle_all().await;
            for gone in [third, first, fourth] {
                let ties = store.ties(gone, &[second, fifth]).await;
                assert_eq!(ties, [Some(Ties::default()); 2]);
                assert_eq!(store.blocks(gone).await, []);
                assert_eq!(store.followers(gone).await, []);
                assert_eq!(store.following(gone).await, []);
                assert_eq!(store.count(gone).await, (0, 0));
                assert!(store.hidden_from(gone, &people).await.is_empty());
            }
            assert!(store.hidden_from(second, &people).await.is_empty());
        }
        let gone = store.ties(second, &[third, first, fourth]).await;
        assert_eq!(gone, [None; 3]);
        assert_eq!(store.followers(second).await, [fifth]);
        assert_eq!(store.following(fifth).await, [second]);
        store.assert_counts_are_lists(&people).await;
        for change in [RelationshipChange::Follow, RelationshipChange::Unfollow] {
            let refused = store.try_to(second, change, third).await;
            assert_eq!(refused, Err(WriteError::NotFound));
        }
    }
}

/// Who was deleted too long ago is erased by time, and is nothing to anybody then.
pub async fn an_expired_user_is_nothing_to_anybody(store: &RelationshipsUnderTest) {
    let people = store.society().await;
    let [.., third, fourth, fifth] = people;
    store
        .changed_with(third, &Change::Delete, &context_at(start()))
        .await;
    store.settle_all().await;
    let due = context_at(start().plus(User::RESTORABLE));
    let erased = store.retention.erase_expired(third, &due).await;
    assert_eq!(erased, Ok(true));
    for _ in 0..2 {
        assert_eq!(store.ties(fourth, &[third]).await, [None]);
        assert_eq!(store.count(fourth).await, (3, 3));
        store.assert_counts_are_lists(&people).await;
        store.settle_all().await;
    }
    assert_eq!(store.ties(third, &[fifth]).await, [Some(Ties::default())]);
}

/// Counts come in the order of the users, repeated ones included; nobody follows somebody who is not there.
pub async fn counts_come_in_the_order_of_the_users(store: &RelationshipsUnderTest) {
    let [alice, bob, carol] = store.people().await;
    store.follow(alice, bob).await;
    store.follow(carol, bob).await;
    let counts = store.counts(&[bob, user_id(), alice, bob], None).await;
    let counts: Vec<_> = counts
        .iter()
        .map(|counts| (counts.followers, counts.following))
        .collect();
    assert_eq!(counts, [(2, 0), (0, 0), (0, 1), (2, 0)]);
    assert_eq!(store.counts(&[], Some(alice)).await, []);
}

/// Where all is settled there is nothing to settle, and where all is right a recount finds nothing wrong.
pub async fn upkeep_of_what_is_right_changes_nothing(store: &RelationshipsUnderTest) {
    let people = store.society().await;
    let [.., third, fourth, _] = people;
    store.changed(third, &Change::Suspend).await;
    let counts = store.counts(&people, None).await;
    // Whom there is to settle with is not counted wrongly.
    assert_eq!(store.recount_all(start()).await, (0, 0));
    store.settle_all().await;
    let idle = store.settle().await.expect("an answer");
    assert_eq!(
        (idle.relationships, idle.waiting, idle.has_more),
        (0, 0, false)
    );
    let next_pass = start().plus(Recounted::EVERY);
    assert_eq!(store.recount_all(next_pass).await, (0, 0));
    // The pass is over, and the next is not due.
    let early = store.upkeep.recount(next_pass).await;
    assert_eq!(early, Ok(Recounted::default()));
    assert_eq!(store.counts(&people, None).await, counts);

    store.changed(fourth, &Change::Delete).await;
    store.erased(third).await;
    store.settle_all().await;
    let next_pass = next_pass.plus(Recounted::EVERY);
    assert_eq!(store.recount_all(next_pass).await, (0, 0));
    store.assert_counts_are_lists(&people).await;
}
