//! What a log tells whoever asks again and again what has changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::{StoreUnderTest, race};
use crate::ports::{Changed, Changes, LogPosition};
use crate::test_support::samples::{
    call, context, context_expecting, context_under, new_user, registered, rename, user_id,
};
use crate::user::Change;
use crate::values::{UserId, Version};

const RACERS: usize = 16;
const WRITES: usize = 4;

/// The newest version of each user that was told, or written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Newest(HashMap<UserId, Version>);

impl Newest {
    fn take(&mut self, id: UserId, version: Version) {
        let newest = self.0.entry(id).or_insert(version);
        *newest = version.max(*newest);
    }

    fn take_all(&mut self, changed: &[Changed]) {
        for Changed { id, version, .. } in changed {
            self.take(*id, *version);
        }
    }

    fn of(changes: &Changes) -> Self {
        let mut newest = Self::default();
        newest.take_all(&changes.changed);
        newest
    }

    fn version(&self, id: UserId) -> i64 {
        self.0.get(&id).map_or(0, |version| version.get())
    }
}

impl StoreUnderTest {
    async fn position(&self) -> LogPosition {
        self.change_log.position().await.expect("an answer")
    }

    async fn since(&self, position: &LogPosition) -> Changes {
        self.change_log.since(position).await.expect("an answer")
    }

    /// Asserts that nothing has happened since.
    async fn assert_quiet_since(&self, position: &LogPosition) {
        let changes = self.since(position).await;
        assert_eq!((changes.changed, changes.complete), (Vec::new(), true));
    }
}

/// All that was committed after a position is told: each user, its newest version among what is told.
pub async fn what_is_committed_after_a_position_is_told(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await.id;
    let position = store.position().await;
    let changes = [
        call("Alice"),
        rename("alicia"),
        Change::Suspend,
        Change::Delete,
        Change::Restore,
    ];
    for change in &changes {
        store.changed(alice, change).await;
    }
    let added = store.added(&new_user("bob")).await;
    let bob = added.id;
    let told = store.since(&position).await;
    let newest = Newest::of(&told);
    assert!(told.complete);
    assert_eq!((newest.version(alice), newest.version(bob)), (6, 1));
    assert_eq!(newest.0.len(), 2);
    let told_of_bob = told.changed.iter().find(|changed| changed.id == bob);
    assert_eq!(
        told_of_bob.map(|changed| changed.at),
        Some(added.created_at)
    );

    // And it may be asked again from the same position, and then from the next.
    let again = store.since(&position).await;
    assert_eq!(Newest::of(&again), newest);
    store.changed(bob, &call("Bob")).await;
    let later = Newest::of(&store.since(&told.position).await);
    assert_eq!((later.version(bob), later.0.len()), (2, 1));
}

/// What was committed before a position is not told from there.
pub async fn what_was_committed_before_a_position_is_not_told(store: &StoreUnderTest) {
    store.assert_quiet_since(&store.position().await).await;
    let alice = store.added(&new_user("alice")).await;
    store.changed(alice.id, &call("Alice")).await;
    let position = store.position().await;
    store.assert_quiet_since(&position).await;
    let quiet = store.since(&position).await;
    store.assert_quiet_since(&quiet.position).await;
}

/// A write that was refused, repeated, or changed nothing is none that others need to hear of.
pub async fn a_write_that_changed_nothing_is_not_told(store: &StoreUnderTest) {
    let under_a_key = context_under("change", 1);
    let alice = store.added(&new_user("alice")).await;
    store.added(&new_user("bob")).await;
    store
        .changed_with(alice.id, &call("Alice"), &under_a_key)
        .await;
    let position = store.position().await;
    let writer = &store.writer;
    let unchanged = writer.change(alice.id, &call("Alice"), &context()).await;
    let replayed = writer.change(alice.id, &call("Alice"), &under_a_key).await;
    assert!(unchanged.is_ok() && replayed.is_ok());
    let taken = writer.change(alice.id, &rename("Bob"), &context()).await;
    let stale = writer
        .change(alice.id, &call("Al"), &context_expecting(7))
        .await;
    let nobody = writer.change(user_id(), &call("No"), &context()).await;
    let added = registered(&new_user("ALICE"), &context());
    let added = writer.add(&added, &context()).await;
    let erased = writer.erase(alice.id, &context_expecting(7)).await;
    assert!(taken.is_err() && stale.is_err() && nobody.is_err() && added.is_err());
    assert!(erased.is_err());
    store.assert_quiet_since(&position).await;
}

/// An erasure is told as a change to a version that no reader can have seen.
pub async fn an_erasure_is_told_with_a_version_above_all_others(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let last = store.changed(alice.id, &call("Alice")).await.version;
    let position = store.position().await;
    store.erased(alice.id).await;
    let told = store.since(&position).await;
    let version = Newest::of(&told).version(alice.id);
    assert!(version > last.get(), "{version}");
}

/// Whoever asks again and again, each time from where the last answer ended, hears of every write: of each that was
/// acknowledged before a question by its answer, whatever raced it.
pub async fn a_walk_of_questions_tells_every_racing_write(store: &StoreUnderTest) {
    let shared = store.added(&new_user("shared")).await.id;
    let start = store.position().await;
    let acknowledged = Arc::new(Mutex::new(Newest::default()));
    let is_over = Arc::new(AtomicBool::new(false));
    let walk = {
        let (store, acknowledged) = (store.clone(), acknowledged.clone());
        let is_over = is_over.clone();
        tokio::spawn(async move {
            let (mut position, mut heard) = (start, Newest::default());
            loop {
                let is_last = is_over.load(Ordering::SeqCst);
                let expected = acknowledged
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                let told = store.since(&position).await;
                assert!(told.complete);
                heard.take_all(&told.changed);
                for (id, version) in &expected.0 {
                    assert!(heard.version(*id) >= version.get(), "{id:?} {version:?}");
                }
                if is_last {
                    return heard;
                }
                position = told.position;
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
            acknowledge(own.id, own.version);
            for write in 0..WRITES {
                let name = call(&format!("{number} {write}"));
                for id in [own.id, shared] {
                    acknowledge(id, store.changed(id, &name).await.version);
                }
            }
        }
    })
    .await;
    is_over.store(true, Ordering::SeqCst);
    let heard = walk.await.expect("a walk that ends");
    let expected = acknowledged
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    assert_eq!(heard, expected);
    let writes = i64::try_from(RACERS * WRITES).expect("a few writes");
    assert_eq!(heard.version(shared), 1 + writes);
}

/// From a place that nobody gave, or that lies ahead, not all can be told; the answer says so, and where to go on.
pub async fn an_unknown_position_is_answered_as_incomplete_with_the_position_now(
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
        let told = store.since(&position).await;
        assert!(!told.complete, "{position:?}");
        store.assert_quiet_since(&told.position).await;
        store.changed(alice, &call(&number.to_string())).await;
        let later = store.since(&told.position).await;
        assert!(later.complete, "{position:?}");
        assert_eq!(Newest::of(&later).version(alice), number);
    }
}

/// The same position with every number in it a thousand million greater: what a store emptied or set back since has
/// given out.
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
