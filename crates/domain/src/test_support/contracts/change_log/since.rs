//! Polling the change log from a position.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::{StoreUnderTest, race};
use crate::ports::{Changed, Changes, LogPosition};
use crate::test_support::samples::{
    context, context_expecting, context_with_key, new_user, registered, rename, set_name, user_id,
};
use crate::user::Change;
use crate::values::{Revision, UserId};

const RACERS: usize = 16;
const WRITES: usize = 4;

/// The newest revision of each user that was returned or written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Newest(HashMap<UserId, Revision>);

impl Newest {
    fn take(&mut self, id: UserId, revision: Revision) {
        let newest = self.0.entry(id).or_insert(revision);
        *newest = revision.max(*newest);
    }

    fn take_all(&mut self, changed: &[Changed]) {
        for Changed { id, revision, .. } in changed {
            self.take(*id, *revision);
        }
    }

    fn of(changes: &Changes) -> Self {
        let mut newest = Self::default();
        newest.take_all(&changes.changed);
        newest
    }

    fn revision(&self, id: UserId) -> i64 {
        self.0.get(&id).map_or(0, |revision| revision.get())
    }
}

impl StoreUnderTest {
    async fn position(&self) -> LogPosition {
        self.change_log.position().await.expect("a result")
    }

    async fn since(&self, position: &LogPosition) -> Changes {
        self.change_log.since(position).await.expect("a result")
    }

    /// Asserts that the log has no change after a position.
    async fn assert_quiet_since(&self, position: &LogPosition) {
        let changes = self.since(position).await;
        assert_eq!((changes.changed, changes.complete), (Vec::new(), true));
    }
}

/// Every change committed after a position is returned, including the newest revision of each user.
pub async fn changes_committed_after_a_position_are_returned(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await.id;
    let position = store.position().await;
    let changes = [
        set_name("Alice"),
        rename("alicia"),
        Change::SignOut,
        Change::suspend(),
        Change::Delete,
        Change::Restore,
    ];
    for change in &changes {
        store.changed(alice, change).await;
    }
    let added = store.added(&new_user("bob")).await;
    let bob = added.id;
    let result = store.since(&position).await;
    let newest = Newest::of(&result);
    assert!(result.complete);
    assert_eq!((newest.revision(alice), newest.revision(bob)), (7, 1));
    assert_eq!(newest.0.len(), 2);
    let bob_changed = result.changed.iter().find(|changed| changed.id == bob);
    assert_eq!(
        bob_changed.map(|changed| changed.at),
        Some(added.created_at)
    );

    // Polling again from the same position returns the same. The next position continues from there.
    let again = store.since(&position).await;
    assert_eq!(Newest::of(&again), newest);
    store.changed(bob, &set_name("Bob")).await;
    let later = Newest::of(&store.since(&result.position).await);
    assert_eq!((later.revision(bob), later.0.len()), (2, 1));
}

/// Changes committed before a position are not returned from that position.
pub async fn changes_committed_before_a_position_are_not_returned(store: &StoreUnderTest) {
    store.assert_quiet_since(&store.position().await).await;
    let alice = store.added(&new_user("alice")).await;
    store.changed(alice.id, &set_name("Alice")).await;
    let position = store.position().await;
    store.assert_quiet_since(&position).await;
    let quiet = store.since(&position).await;
    store.assert_quiet_since(&quiet.position).await;
}

/// Refused writes, replays and changes without effect do not appear in the log.
pub async fn a_write_without_effect_is_not_returned(store: &StoreUnderTest) {
    let with_key = context_with_key("change", 1);
    let alice = store.added(&new_user("alice")).await;
    store.added(&new_user("bob")).await;
    store
        .changed_with(alice.id, &set_name("Alice"), &with_key)
        .await;
    let position = store.position().await;
    let writer = &store.writer;
    let unchanged = writer
        .change(alice.id, &set_name("Alice"), &context())
        .await;
    let replayed = writer.change(alice.id, &set_name("Alice"), &with_key).await;
    assert!(unchanged.is_ok() && replayed.is_ok());
    let taken = writer.change(alice.id, &rename("Bob"), &context()).await;
    let stale = writer
        .change(alice.id, &set_name("Al"), &context_expecting(7))
        .await;
    let unknown = writer.change(user_id(), &set_name("No"), &context()).await;
    let added = registered(&new_user("ALICE"), &context());
    let added = writer.add(&added, &context()).await;
    let erased = writer.erase(alice.id, &context_expecting(7)).await;
    assert!(taken.is_err() && stale.is_err() && unknown.is_err() && added.is_err());
    assert!(erased.is_err());
    store.assert_quiet_since(&position).await;
}

/// An erasure is returned with a revision above every revision that a reader can have seen.
pub async fn an_erasure_is_returned_with_the_highest_revision(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let last = store.changed(alice.id, &set_name("Alice")).await.revision;
    let position = store.position().await;
    store.erased(alice.id).await;
    let result = store.since(&position).await;
    let version = Newest::of(&result).revision(alice.id);
    assert!(version > last.get(), "{version}");
}

/// A reader that polls from the end of its last result receives every write. Each write that was acknowledged before a
/// poll is in the result of that poll at the latest, even with concurrent writers.
pub async fn repeated_polls_return_every_racing_write(store: &StoreUnderTest) {
    let shared = store.added(&new_user("shared")).await.id;
    let start = store.position().await;
    let acknowledged = Arc::new(Mutex::new(Newest::default()));
    let is_over = Arc::new(AtomicBool::new(false));
    let poller = {
        let (store, acknowledged) = (store.clone(), acknowledged.clone());
        let is_over = is_over.clone();
        tokio::spawn(async move {
            let (mut position, mut received) = (start, Newest::default());
            loop {
                let is_last = is_over.load(Ordering::SeqCst);
                let expected = acknowledged
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let result = store.since(&position).await;
                assert!(result.complete);
                received.take_all(&result.changed);
                for (id, version) in &expected.0 {
                    assert!(
                        received.revision(*id) >= version.get(),
                        "{id:?} {version:?}"
                    );
                }
                if is_last {
                    return received;
                }
                position = result.position;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    };
    race(store, RACERS, |store, number| {
        let acknowledged = acknowledged.clone();
        async move {
            let acknowledge = |id, version| {
                let mut newest = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
                newest.take(id, version);
            };
            let own = store.added(&new_user(&format!("racer{number}"))).await;
            acknowledge(own.id, own.revision);
            for write in 0..WRITES {
                let name = set_name(&format!("{number} {write}"));
                for id in [own.id, shared] {
                    acknowledge(id, store.changed(id, &name).await.revision);
                }
            }
        }
    })
    .await;
    is_over.store(true, Ordering::SeqCst);
    let received = poller.await.expect("the poller ends");
    let expected = acknowledged
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    assert_eq!(received, expected);
    let writes = i64::try_from(RACERS * WRITES).expect("a few writes");
    assert_eq!(received.revision(shared), 1 + writes);
}

/// An invalid or future position returns an incomplete result with the position to continue from.
pub async fn an_unknown_position_returns_incomplete_and_the_current_position(
    store: &StoreUnderTest,
) {
    let alice = store.added(&new_user("alice")).await.id;
    let mut unknown = [
        "nonsense",
        "",
        "-1",
        "1:2:3:4:5",
        "🦀",
        "99999999999999999999999",
    ]
    .map(|text| LogPosition::from_store(text.to_owned()))
    .to_vec();
    unknown.push(ahead_of(&store.position().await));
    for (number, position) in (2..).zip(unknown) {
        let result = store.since(&position).await;
        assert!(!result.complete, "{position:?}");
        store.assert_quiet_since(&result.position).await;
        store.changed(alice, &set_name(&number.to_string())).await;
        let later = store.since(&result.position).await;
        assert!(later.complete, "{position:?}");
        assert_eq!(Newest::of(&later).revision(alice), number);
    }
}

/// The same position with every number increased by a billion. It simulates a position from before a store was emptied
/// or restored from a backup.
fn ahead_of(position: &LogPosition) -> LogPosition {
    let mut text = String::new();
    let mut number = String::new();
    for letter in position.as_str().chars().chain([' ']) {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        if let Ok(number) = number.parse::<u64>() {
            text.push_str(&number.saturating_add(1_000_000_000).to_string());
        }
        number.clear();
        text.push(letter);
    }
    LogPosition::from_store(text.trim_end().to_owned())
}
