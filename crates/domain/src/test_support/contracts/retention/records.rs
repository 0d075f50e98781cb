//! Retention of events, idempotency records and released usernames.

use std::time::Duration;

use super::super::{StoreUnderTest, race};
use super::MICROSECOND;
use crate::ports::{Purged, Records};
use crate::test_support::samples::{
    context_at, context_with_key, new_user, rename, seconds, set_name, start,
};
use crate::values::Timestamp;
use crate::write::{USERNAME_RESERVATION, UniqueField, WriteContext, WriteError, Written};

const NOTHING: Purged = Purged {
    removed: 0,
    has_more: false,
};

/// Like [`context_with_key`], at another time.
fn context_with_key_at(key: &str, at: Timestamp) -> WriteContext {
    WriteContext {
        at,
        ..context_with_key(key, 1)
    }
}

impl StoreUnderTest {
    /// Purges until no expired record remains and returns the number of removed records.
    async fn purge_all(&self, records: Records, at: Timestamp) -> u64 {
        let mut removed = 0;
        loop {
            let purged = self.purge(records, at).await;
            removed += purged.removed;
            if !purged.has_more {
                return removed;
            }
        }
    }
}

/// Each event is removed when it is 30 days old, independent of later events of the same user.
pub async fn an_event_is_kept_for_30_days(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    store
        .changed_with(id, &set_name("Alice"), &context_at(seconds(1)))
        .await;
    let due = start().plus(Records::Events.retention());
    assert_eq!(
        store.purge(Records::Events, due.minus(MICROSECOND)).await,
        NOTHING
    );
    assert_eq!(store.events(id).await.len(), 2);
    assert_eq!(store.purge_all(Records::Events, due).await, 1);
    let left = store.events(id).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left.first().map(|event| event.at), Some(seconds(1)));
    assert_eq!(store.purge(Records::Events, due).await, NOTHING);
    assert!(store.find(id).await.is_some());
}

/// A write is replayed for as long as its key is stored. The key is removed after 24 hours.
pub async fn an_idempotency_key_is_kept_for_24_hours(store: &StoreUnderTest) {
    let first = context_with_key("add", 1);
    let alice = store.added_with(&new_user("alice"), &first).await;
    let due = start().plus(Records::IdempotencyKeys.retention());
    let last = due.minus(MICROSECOND);
    assert_eq!(store.purge(Records::IdempotencyKeys, last).await, NOTHING);
    let again = context_with_key_at("add", last);
    let replayed = store.add(&new_user("alice"), &again).await;
    assert_eq!(replayed, Ok(Written::Replayed(alice.clone())));
    assert_eq!(store.purge_all(Records::IdempotencyKeys, due).await, 1);
    assert_eq!(store.purge(Records::IdempotencyKeys, due).await, NOTHING);
    let anew = store
        .add(&new_user("alice"), &context_with_key("add", 1))
        .await;
    assert_eq!(anew, Err(WriteError::Taken(UniqueField::Username.into())));
    assert_eq!(store.find(alice.id).await.as_deref(), Some(&alice));
}

/// A released username is removed when its reservation ends, not earlier.
pub async fn a_released_name_is_kept_for_90_days(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    store.changed(id, &rename("alicia")).await;
    let due = start().plus(Records::Usernames.retention());
    let last = due.minus(MICROSECOND);
    assert_eq!(store.purge(Records::Usernames, last).await, NOTHING);
    assert_eq!(
        store.add(&new_user("alice"), &context_at(last)).await,
        Err(WriteError::Taken(UniqueField::Username.into()))
    );
    assert_eq!(store.purge_all(Records::Usernames, due).await, 1);
    assert_eq!(store.purge(Records::Usernames, due).await, NOTHING);
    // At an earlier time the username would still be reserved if its record existed.
    store.added(&new_user("alice")).await;
}

/// Racing purges remove each record once, count it once and leave none.
pub async fn racing_purges_remove_each_record_once(store: &StoreUnderTest) {
    for number in 0_u8..40 {
        let name = format!("leaver{number}");
        let context = context_with_key(&name, number);
        let id = store.added_with(&new_user(&name), &context).await.id;
        store.erased(id).await;
    }
    let at = start().plus(USERNAME_RESERVATION);
    for (records, expected) in [
        (Records::Events, 80),
        (Records::IdempotencyKeys, 40),
        (Records::Usernames, 40),
    ] {
        let removed = race(store, 8, |store, _| async move {
            store.purge_all(records, at).await
        })
        .await;
        let left = store.purge_all(records, at).await;
        let all = removed.iter().sum::<u64>() + left;
        assert_eq!(all, expected, "{records:?} {removed:?}");
    }
}

/// A call removes at most one batch and reports whether more records are due.
pub async fn a_purge_is_bounded_and_reports_that_records_remain(store: &StoreUnderTest) {
    let most = u64::from(Purged::MAX_BATCH);
    let id = store.added(&new_user("alice")).await.id;
    for number in 0..most {
        store.changed(id, &set_name(&number.to_string())).await;
    }
    let due = start().plus(Records::Events.retention());
    let first = store.purge(Records::Events, due).await;
    assert_eq!((first.removed, first.has_more), (most, true));
    let left = store.events(id).await;
    let versions: Vec<i64> = left.iter().map(|event| event.revision.get()).collect();
    assert_eq!(versions, [501], "the oldest go first");
    assert_eq!(store.purge_all(Records::Events, due).await, 1);
}

/// The retention of a key starts at its latest use.
pub async fn a_reused_key_is_kept_from_its_latest_use(store: &StoreUnderTest) {
    store
        .added_with(&new_user("alice"), &context_with_key("add", 1))
        .await;
    let due = start().plus(Records::IdempotencyKeys.retention());
    store
        .added_with(&new_user("bob"), &context_with_key_at("add", due))
        .await;
    assert_eq!(store.purge(Records::IdempotencyKeys, due).await, NOTHING);
}

/// The retention of a released username starts at its latest release.
pub async fn a_name_released_again_is_kept_from_its_latest_release(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    store.changed(id, &rename("alicia")).await;
    store.changed(id, &rename("alice")).await;
    let later = context_at(seconds(1));
    store.changed_with(id, &rename("alina"), &later).await;
    // The reservation of "alicia" has ended, that of "alice" has not.
    let due = start().plus(Records::Usernames.retention());
    assert_eq!(store.purge_all(Records::Usernames, due).await, 1);
    assert_eq!(
        store.add(&new_user("alice"), &context_at(due)).await,
        Err(WriteError::Taken(UniqueField::Username.into()))
    );
}

/// A position before purged events returns an incomplete result with the position to continue from.
pub async fn a_position_before_purged_events_is_incomplete(store: &StoreUnderTest) {
    let log = &store.change_log;
    let id = store.added(&new_user("alice")).await.id;
    let before = log.position().await.expect("a result");
    store.changed(id, &set_name("Alice")).await;
    store
        .changed_with(id, &set_name("Al"), &context_at(seconds(1)))
        .await;
    let due = start().plus(Records::Events.retention());
    assert_eq!(store.purge_all(Records::Events, due).await, 2);
    let result = log.since(&before).await.expect("a result");
    assert!(!result.complete);

    // Results stay incomplete while an unrelated transaction that was open during the purge continues.
    let mut position = result.position;
    let quiet = loop {
        let result = log.since(&position).await.expect("a result");
        if result.complete {
            break result;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        position = result.position;
    };
    assert_eq!(quiet.changed, []);
    store.changed(id, &set_name("Alice again")).await;
    let later = log.since(&quiet.position).await.expect("a result");
    assert!(later.complete);
    let versions: Vec<i64> = later
        .changed
        .iter()
        .map(|change| change.revision.get())
        .collect();
    assert_eq!(versions, [4]);
}

/// A reader that has received every event loses nothing when a purge removes them.
pub async fn a_fully_purged_log_continues_from_its_position(store: &StoreUnderTest) {
    let log = &store.change_log;
    let id = store.added(&new_user("alice")).await.id;
    let due = start().plus(Records::Events.retention());
    let mut version = 1;
    // Unrelated open transactions may make the first attempts incomplete.
    let result = loop {
        assert!(version < 400, "the log loses its position");
        store.changed(id, &set_name(&version.to_string())).await;
        let position = log.position().await.expect("a result");
        store.purge_all(Records::Events, due).await;
        assert_eq!(store.events(id).await, []);
        store
            .changed(id, &set_name(&format!("{version} and more")))
            .await;
        version += 2;
        let result = log.since(&position).await.expect("a result");
        if result.complete {
            break result;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let versions: Vec<i64> = result
        .changed
        .iter()
        .map(|change| change.revision.get())
        .collect();
    assert_eq!(versions, [version]);
}
