//! What becomes of events, idempotency keys and resting names.

use std::time::Duration;

use super::super::{StoreUnderTest, race};
use super::MOMENT;
use crate::ports::{Purged, Records};
use crate::test_support::samples::{
    call, context_at, context_under, new_user, rename, seconds, start,
};
use crate::values::Timestamp;
use crate::write::{NAME_REST, UniqueField, WriteContext, WriteError, Written};

const NOTHING: Purged = Purged {
    removed: 0,
    has_more: false,
};

/// The context of [`context_under`], at another moment.
fn context_under_at(key: &str, at: Timestamp) -> WriteContext {
    WriteContext {
        at,
        ..context_under(key, 1)
    }
}

impl StoreUnderTest {
    /// Purges until there is no more, and gives how many were removed.
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

/// An event goes when it is 30 days old, the later ones of the same user when they are.
pub async fn an_event_is_kept_for_30_days(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    store
        .changed_with(id, &call("Alice"), &context_at(seconds(1)))
        .await;
    let due = start().plus(Records::Events.kept());
    assert_eq!(
        store.purge(Records::Events, due.minus(MOMENT)).await,
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

/// While a key is remembered its write is replayed; it is removed when it is no longer.
pub async fn an_idempotency_key_is_kept_for_24_hours(store: &StoreUnderTest) {
    let first = context_under("add", 1);
    let alice = store.added_with(&new_user("alice"), &first).await;
    let due = start().plus(Records::IdempotencyKeys.kept());
    let last = due.minus(MOMENT);
    assert_eq!(store.purge(Records::IdempotencyKeys, last).await, NOTHING);
    let again = context_under_at("add", last);
    let replayed = store.add(&new_user("alice"), &again).await;
    assert_eq!(replayed, Ok(Written::Replayed(alice.clone())));
    assert_eq!(store.purge_all(Records::IdempotencyKeys, due).await, 1);
    assert_eq!(store.purge(Records::IdempotencyKeys, due).await, NOTHING);
    let anew = store
        .add(&new_user("alice"), &context_under("add", 1))
        .await;
    assert_eq!(anew, Err(WriteError::Taken(UniqueField::Username)));
    assert_eq!(store.find(alice.id).await.as_deref(), Some(&alice));
}

/// A name is removed when it has rested, and not while nobody may take it.
pub async fn a_name_is_kept_for_90_days(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    store.changed(id, &rename("alicia")).await;
    let due = start().plus(Records::Usernames.kept());
    let last = due.minus(MOMENT);
    assert_eq!(store.purge(Records::Usernames, last).await, NOTHING);
    assert_eq!(
        store.add(&new_user("alice"), &context_at(last)).await,
        Err(WriteError::Taken(UniqueField::Username))
    );
    assert_eq!(store.purge_all(Records::Usernames, due).await, 1);
    assert_eq!(store.purge(Records::Usernames, due).await, NOTHING);
    // By a clock that is late the name would still rest, if it were remembered.
    store.added(&new_user("alice")).await;
}

/// Purges that race count each record once, and leave none.
pub async fn nothing_is_removed_twice_by_racing_purges(store: &StoreUnderTest) {
    for number in 0_u8..40 {
        let name = format!("leaver{number}");
        let context = context_under(&name, number);
        let id = store.added_with(&new_user(&name), &context).await.id;
        store.erased(id).await;
    }
    let at = start().plus(NAME_REST);
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

/// However much is due, a call does a little of it and says that there is more.
pub async fn a_batch_has_an_end_and_tells_that_there_is_more(store: &StoreUnderTest) {
    let most = u64::from(Purged::MOST);
    let id = store.added(&new_user("alice")).await.id;
    for number in 0..most {
        store.changed(id, &call(&number.to_string())).await;
    }
    let due = start().plus(Records::Events.kept());
    let first = store.purge(Records::Events, due).await;
    assert_eq!((first.removed, first.has_more), (most, true));
    let left = store.events(id).await;
    let versions: Vec<i64> = left.iter().map(|event| event.version.get()).collect();
    assert_eq!(versions, [501], "the oldest go first");
    assert_eq!(store.purge_all(Records::Events, due).await, 1);
}

/// The time of a key counts from its latest use.
pub async fn a_key_used_again_is_not_purged_with_its_first_use(store: &StoreUnderTest) {
    store
        .added_with(&new_user("alice"), &context_under("add", 1))
        .await;
    let due = start().plus(Records::IdempotencyKeys.kept());
    store
        .added_with(&new_user("bob"), &context_under_at("add", due))
        .await;
    assert_eq!(store.purge(Records::IdempotencyKeys, due).await, NOTHING);
}

/// The time of a name counts from when it was given up last.
pub async fn a_name_given_up_again_is_not_purged_with_its_first_rest(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    store.changed(id, &rename("alicia")).await;
    store.changed(id, &rename("alice")).await;
    let later = context_at(seconds(1));
    store.changed_with(id, &rename("alina"), &later).await;
    // "alicia" is over its time, "alice" is not.
    let due = start().plus(Records::Usernames.kept());
    assert_eq!(store.purge_all(Records::Usernames, due).await, 1);
    assert_eq!(
        store.add(&new_user("alice"), &context_at(due)).await,
        Err(WriteError::Taken(UniqueField::Username))
    );
}

/// Who asks from before what was purged is told that these are not all the changes, and where to go on.
pub async fn a_position_before_purged_events_is_answered_as_incomplete(store: &StoreUnderTest) {
    let log = &store.change_log;
    let id = store.added(&new_user("alice")).await.id;
    let before = log.position().await.expect("an answer");
    store.changed(id, &call("Alice")).await;
    store
        .changed_with(id, &call("Al"), &context_at(seconds(1)))
        .await;
    let due = start().plus(Records::Events.kept());
    assert_eq!(store.purge_all(Records::Events, due).await, 2);
    let told = log.since(&before).await.expect("an answer");
    assert!(!told.complete);

    // A stranger's transaction that was open meanwhile makes the store wary for as long as it lasts.
    let mut position = told.position;
    let quiet = loop {
        let told = log.since(&position).await.expect("an answer");
        if told.complete {
            break told;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        position = told.position;
    };
    assert_eq!(quiet.changed, []);
    store.changed(id, &call("Alice again")).await;
    let later = log.since(&quiet.position).await.expect("an answer");
    assert!(later.complete);
    let versions: Vec<i64> = later
        .changed
        .iter()
        .map(|change| change.version.get())
        .collect();
    assert_eq!(versions, [4]);
}

/// Who has heard of everything misses nothing by a purge: neither what others have heard of as well, nor what comes.
pub async fn a_log_goes_on_from_where_it_was_though_all_its_events_were_purged(
    store: &StoreUnderTest,
) {
    let log = &store.change_log;
    let id = store.added(&new_user("alice")).await.id;
    let due = start().plus(Records::Events.kept());
    let mut version = 1;
    // Not at the first try, perhaps, for the sake of strangers' transactions.
    let told = loop {
        assert!(version < 400, "the log forgets how far it has told");
        store.changed(id, &call(&version.to_string())).await;
        let position = log.position().await.expect("an answer");
        store.purge_all(Records::Events, due).await;
        assert_eq!(store.events(id).await, []);
        store
            .changed(id, &call(&format!("{version} and more")))
            .await;
        version += 2;
        let told = log.since(&position).await.expect("an answer");
        if told.complete {
            break told;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let versions: Vec<i64> = told
        .changed
        .iter()
        .map(|change| change.version.get())
        .collect();
    assert_eq!(versions, [version]);
}
