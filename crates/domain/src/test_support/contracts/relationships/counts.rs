//! Follow counts while users change, and their maintenance.

use super::follows::all_follows_between;
use super::{MAX_BATCHES, RelationshipsUnderTest, new_follow};
use crate::import::{ImportLedger, Imported, MatchBy};
use crate::ports::CountAuditBatch;
use crate::relationship::{Counts, NewFollow, RelationshipChange, RelationshipFlags};
use crate::test_support::samples::{
    context, context_at, import, new_user, record, seconds, start, user_id,
};
use crate::user::{Change, Presence, Record, User};
use crate::values::{Timestamp, UserId};
use crate::write::WriteError;

impl RelationshipsUnderTest {
    /// Adds users that all follow each other, except for one block.
    async fn mutual_followers_with_one_block(&self) -> [UserId; 5] {
        let people: [UserId; 5] = self.people().await;
        let follows: Vec<NewFollow> = all_follows_between(&people).collect();
        self.follow_many(&follows).await;
        let [first, second, ..] = people;
        self.block(first, second).await;
        people
    }

    /// Audits all counts and returns by how much followers and following were wrong.
    async fn audit_all(&self, at: Timestamp) -> (u64, u64) {
        let mut drift = (0, 0);
        for _ in 0..MAX_BATCHES {
            let audited = self.count_maintenance.audit(at).await.expect("a result");
            drift.0 += audited.followers_drift;
            drift.1 += audited.following_drift;
            if !audited.has_more {
                return drift;
            }
        }
        panic!("the audit does not end");
    }
}

/// Counts equal the list lengths for every viewer after each status change: immediately, while counts are pending and
/// afterward.
pub async fn counts_equal_list_lengths_after_every_change(store: &RelationshipsUnderTest) {
    let people = store.mutual_followers_with_one_block().await;
    store.assert_counts_match_lists(&people).await;
    let [first, second, third, ..] = people;
    for user in [third, first, second] {
        for change in [
            Change::suspend(),
            Change::Delete,
            Change::Restore,
            Change::Activate,
            Change::Delete,
            Change::Restore,
        ] {
            store.changed(user, &change).await;
            store.assert_counts_match_lists(&people).await;
            store.apply_pending().await.expect("a result");
            store.assert_counts_match_lists(&people).await;
            store.apply_all_pending().await;
            store.assert_counts_match_lists(&people).await;
        }
    }
    store.erased(third).await;
    store.assert_counts_match_lists(&people).await;
    store.apply_all_pending().await;
    store.assert_counts_match_lists(&people).await;
}

/// A user that changes again while its counts are pending is counted by its current status.
pub async fn counts_are_right_if_a_user_changes_while_counts_are_pending(
    store: &RelationshipsUnderTest,
) {
    let people = store.mutual_followers_with_one_block().await;
    let [first, second, third, fourth, fifth] = people;
    let changes = [
        (third, Change::suspend()),
        (first, Change::Delete),
        (third, Change::Activate),
        (fourth, Change::suspend()),
        (first, Change::Restore),
        (third, Change::Delete),
        (fourth, Change::Delete),
        (fourth, Change::Activate),
        (fourth, Change::Restore),
        (second, Change::suspend()),
        (fourth, Change::Activate),
        (third, Change::Restore),
        (second, Change::Activate),
    ];
    for (number, (user, change)) in changes.into_iter().enumerate() {
        // A deleted user cannot be activated.
        let written = store.writer.change(user, &change, &context()).await;
        assert!(written.is_ok() || change == Change::Activate, "{written:?}");
        if number % 3 == 1 {
            store.apply_pending().await.expect("a result");
        }
        // Other users continue to write.
        let unfollowed = store
            .try_change(fifth, RelationshipChange::Unfollow, third)
            .await;
        assert!(
            matches!(unfollowed, Ok(_) | Err(WriteError::NotFound)),
            "{unfollowed:?}"
        );
        store
            .follow_many(&[new_follow(fifth, third), new_follow(fourth, fifth)])
            .await;
        store.assert_counts_match_lists(&people).await;
    }
    store.apply_all_pending().await;
    store.assert_counts_match_lists(&people).await;
    assert_eq!(store.count(third).await, (4, 4));
}

/// Pending counts of more relationships than one batch are applied in several batches, and the counts are right in
/// between.
pub async fn pending_counts_of_many_relationships_are_applied_in_batches(
    store: &RelationshipsUnderTest,
) {
    let crowd = store.crowd(400).await;
    let (star, fans) = crowd.split_first().expect("a user");
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
            store.apply_pending().await.expect("a result");
        }
        store.apply_all_pending().await;
        assert_eq!(store.counts(fans, None).await, wanted, "{change:?}");
    }
    assert_eq!(store.count(*star).await, (399, 399));
    store.erased(*star).await;
    let nothing = vec![one_each(0); fans.len()];
    assert_eq!(store.counts(fans, None).await, nothing);
    store.apply_pending().await.expect("a result");
    assert_eq!(store.counts(fans, None).await, nothing);
    store.apply_all_pending().await;
    assert_eq!(store.counts(fans, None).await, nothing);
}

/// A deletion or restoration by an import affects the counts like any other.
pub async fn an_imported_deletion_or_restoration_is_counted(store: &RelationshipsUnderTest) {
    let [alice, bob] = store.people().await;
    let new = new_user("imported");
    let first = import(record(new.clone()));
    let imported = first.fresh_id;
    let by_email = ImportLedger::new(Some(MatchBy::Email), []);
    let import_port = &store.store.import;
    let plan = import_port.import(&[first], &by_email).await;
    let outcomes = plan.expect("a batch").outcomes;
    assert_eq!(outcomes, [Ok(Imported::Created(imported))]);
    store.follow(imported, alice).await;
    store.follow(alice, imported).await;
    store.follow(bob, alice).await;
    for applies in [false, true] {
        for (presence, count) in [
            (Presence::Deleted(Some(seconds(3))), (1, 0)),
            (Presence::Present, (2, 1)),
        ] {
            let again = import(Record {
                presence,
                ..record(new.clone())
            });
            let plan = import_port.import(&[again], &by_email).await;
            let outcomes = plan.expect("a batch").outcomes;
            assert_eq!(outcomes, [Ok(Imported::Updated(imported))]);
            assert_eq!(store.count(alice).await, count, "{presence:?}");
            if applies {
                store.apply_all_pending().await;
            }
            assert_eq!(store.count(alice).await, count, "{presence:?}");
            store
                .assert_counts_match_lists_for(&[alice, bob], None)
                .await;
        }
    }
}

/// An erased user is in no list, count or relationship, and cannot have new ones.
pub async fn an_erased_user_has_no_relationships(store: &RelationshipsUnderTest) {
    let people = store.mutual_followers_with_one_block().await;
    let [first, second, third, fourth, fifth] = people;
    store.changed(fourth, &Change::Delete).await;
    for erased in [third, first, fourth] {
        store.erased(erased).await;
    }
    for applied in [false, true] {
        if applied {
            store.apply_all_pending().await;
            for erased in [third, first, fourth] {
                let flags = store.flags(erased, &[second, fifth]).await;
                assert_eq!(flags, [Some(RelationshipFlags::default()); 2]);
                assert_eq!(store.blocks(erased).await, []);
                assert_eq!(store.followers(erased).await, []);
                assert_eq!(store.following(erased).await, []);
                assert_eq!(store.count(erased).await, (0, 0));
                assert!(store.hidden_from(erased, &people).await.is_empty());
            }
            assert!(store.hidden_from(second, &people).await.is_empty());
        }
        let flags = store.flags(second, &[third, first, fourth]).await;
        assert_eq!(flags, [None; 3]);
        assert_eq!(store.followers(second).await, [fifth]);
        assert_eq!(store.following(fifth).await, [second]);
        store.assert_counts_match_lists(&people).await;
        for change in [RelationshipChange::Follow, RelationshipChange::Unfollow] {
            let refused = store.try_change(second, change, third).await;
            assert_eq!(refused, Err(WriteError::NotFound));
        }
    }
}

/// The expiry of a deleted user removes its relationships like an erasure.
pub async fn an_expired_user_has_no_relationships(store: &RelationshipsUnderTest) {
    let people = store.mutual_followers_with_one_block().await;
    let [.., third, fourth, fifth] = people;
    store
        .changed_with(third, &Change::Delete, &context_at(start()))
        .await;
    store.apply_all_pending().await;
    let due = context_at(start().plus(User::RESTORE_PERIOD));
    let erased = store.retention.erase_expired(third, &due).await;
    assert_eq!(erased, Ok(true));
    for _ in 0..2 {
        assert_eq!(store.flags(fourth, &[third]).await, [None]);
        assert_eq!(store.count(fourth).await, (3, 3));
        store.assert_counts_match_lists(&people).await;
        store.apply_all_pending().await;
    }
    assert_eq!(
        store.flags(third, &[fifth]).await,
        [Some(RelationshipFlags::default())]
    );
}

/// Counts are returned in the order of the users, including repeated ones. An unknown user has zero counts.
pub async fn counts_keep_the_order_of_the_users(store: &RelationshipsUnderTest) {
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

/// Without pending counts there is nothing to apply, and an audit of correct counts finds no drift.
pub async fn maintenance_of_correct_counts_changes_nothing(store: &RelationshipsUnderTest) {
    let people = store.mutual_followers_with_one_block().await;
    let [.., third, fourth, _] = people;
    store.changed(third, &Change::suspend()).await;
    let counts = store.counts(&people, None).await;
    // Pending counts are not drift.
    assert_eq!(store.audit_all(start()).await, (0, 0));
    store.apply_all_pending().await;
    let idle = store.apply_pending().await.expect("a result");
    assert_eq!(
        (idle.relationships, idle.waiting, idle.has_more),
        (0, 0, false)
    );
    let next_pass = start().plus(CountAuditBatch::INTERVAL);
    assert_eq!(store.audit_all(next_pass).await, (0, 0));
    // The pass is complete and the next one is not due.
    let early = store.count_maintenance.audit(next_pass).await;
    assert_eq!(early, Ok(CountAuditBatch::default()));
    assert_eq!(store.counts(&people, None).await, counts);

    store.changed(fourth, &Change::Delete).await;
    store.erased(third).await;
    store.apply_all_pending().await;
    let next_pass = next_pass.plus(CountAuditBatch::INTERVAL);
    assert_eq!(store.audit_all(next_pass).await, (0, 0));
    store.assert_counts_match_lists(&people).await;
}
