//! The contract of [`crate::ports::SuspensionEnds`].

use std::time::Duration;

use super::{StoreUnderTest, race};
use crate::ports::MAX_DUE_SUSPENSIONS;
use crate::test_support::samples::{context_at, new_user, seconds};
use crate::user::{Change, EventKind, Standing, Suspension, User};
use crate::values::{SuspensionReason, Timestamp, UserId};

const RACERS: usize = 8;

/// A moment far in the future, because the store may belong to a running service that ends due suspensions itself.
fn moment(second: u64) -> Timestamp {
    const CENTURY: u64 = 100 * 365 * 24 * 60 * 60;
    seconds(CENTURY + second)
}

fn until(end: u64) -> Change {
    Change::Suspend(Suspension {
        reason: SuspensionReason::parse("spam").ok(),
        until: Some(moment(end)),
    })
}

impl StoreUnderTest {
    async fn suspended(&self, name: &str, change: &Change) -> User {
        let user = self.added(&new_user(name)).await;
        self.changed(user.id, change).await
    }

    async fn due(&self, at: Timestamp) -> Vec<UserId> {
        self.suspension_ends.due(at).await.expect("a result")
    }

    async fn ended(&self, id: UserId, at: Timestamp) -> Option<User> {
        let ended = self.suspension_ends.end(id, &context_at(at)).await;
        ended.expect("a result")
    }
}

/// Reason and end of a suspension are stored, replaced by the next suspension and cleared by the activation.
pub async fn a_suspension_is_stored_replaced_and_cleared(store: &StoreUnderTest) {
    let user = store.suspended("alice", &until(60)).await;
    assert_eq!(store.find(user.id).await.as_deref(), Some(&user));
    let later = store.changed(user.id, &until(90)).await;
    assert_eq!(later.standing, Standing::Suspended);
    assert_ne!(later.suspension, user.suspension);
    assert_eq!(store.find(user.id).await.as_deref(), Some(&later));
    let active = store.changed(user.id, &Change::Activate).await;
    assert_eq!(active.suspension, None);
    assert_eq!(store.find(user.id).await.as_deref(), Some(&active));
}

/// A suspension can be ended at its end time and not before. Ending it creates one event.
pub async fn a_suspension_ends_exactly_when_due(store: &StoreUnderTest) {
    let user = store.suspended("alice", &until(60)).await;
    let before = moment(60).minus(Duration::from_micros(1));
    assert_eq!(store.due(before).await, []);
    assert_eq!(store.ended(user.id, before).await, None);
    assert_eq!(store.due(moment(60)).await, [user.id]);
    let ended = store.ended(user.id, moment(60)).await.expect("a user");
    let expected = user.apply(&Change::EndSuspension, &context_at(moment(60)));
    let expected = expected.expect("a change").expect("a change that changes");
    assert_eq!(ended, expected.user);
    assert_eq!(store.find(user.id).await.as_deref(), Some(&ended));
    let events = store.events(user.id).await;
    let last = events
        .last()
        .map(|event| (event.kind, event.changed.join(" ")));
    assert_eq!(
        last,
        Some((
            EventKind::Activated,
            "status suspension tokens_valid_after".to_owned()
        ))
    );
    assert_eq!(store.due(moment(90)).await, []);
    assert_eq!(store.ended(user.id, moment(90)).await, None);
}

/// Users that are suspended without an end, active, deleted or unknown are not changed.
pub async fn only_suspensions_with_an_end_are_ended(store: &StoreUnderTest) {
    let plain = store.suspended("ann", &Change::suspend()).await;
    let active = store.suspended("bob", &until(60)).await;
    store.changed(active.id, &Change::Activate).await;
    let deleted = store.suspended("carol", &until(60)).await;
    store.changed(deleted.id, &Change::Delete).await;
    let erased = store.suspended("dave", &until(60)).await;
    store.erased(erased.id).await;
    assert_eq!(store.due(moment(90)).await, []);
    for id in [plain.id, active.id, deleted.id, erased.id] {
        assert_eq!(store.ended(id, moment(90)).await, None);
    }
    // A restored user is suspended until the same time as before.
    store.changed(deleted.id, &Change::Restore).await;
    assert_eq!(store.due(moment(90)).await, [deleted.id]);
}

/// Due suspensions are returned in the order of their ends, at most one batch.
pub async fn due_suspensions_are_returned_in_bounded_batches(store: &StoreUnderTest) {
    let most = u64::from(MAX_DUE_SUSPENSIONS);
    let mut users = Vec::new();
    for number in 0..=most {
        let change = until(1000 - number);
        users.push(store.suspended(&format!("user{number}"), &change).await.id);
    }
    users.reverse();
    users.truncate(MAX_DUE_SUSPENSIONS.into());
    assert_eq!(store.due(moment(1000)).await, users);
}

/// One of several racing workers ends a suspension.
pub async fn racing_workers_end_a_suspension_once(store: &StoreUnderTest) {
    let user = store.suspended("alice", &until(60)).await;
    let id = user.id;
    let ended = race(store, RACERS, |store, _| async move {
        store.ended(id, moment(60)).await
    });
    let ended: Vec<User> = ended.await.into_iter().flatten().collect();
    assert!(ended.len() <= 1, "{ended:?}");
    // A worker skips a locked row and leaves it to the next call.
    store.ended(id, moment(60)).await;
    let kinds: Vec<EventKind> = store
        .events(id)
        .await
        .iter()
        .map(|event| event.kind)
        .collect();
    let expected = [
        EventKind::Created,
        EventKind::Suspended,
        EventKind::Activated,
    ];
    assert_eq!(kinds, expected);
}
