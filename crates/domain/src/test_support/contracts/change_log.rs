//! The promises of [`crate::ports::ChangeLog`].

mod since;

pub use since::*;

use super::{StoreUnderTest, expected};
use crate::test_support::samples::{
    awkward_user, call, context, context_at, context_expecting, context_under, edit, merge_public,
    new_user, registered, rename, seconds, user_id,
};
use crate::user::{Change, EventKind, UserEdits};

/// Each write that took effect has the event that the domain made for it, oldest first.
pub async fn each_applied_write_has_the_event_that_the_domain_made_in_order(
    store: &StoreUnderTest,
) {
    let first = context_at(seconds(0));
    let added = registered(&awkward_user("alice"), &first);
    store
        .writer
        .add(&added, &first)
        .await
        .expect("a user that can be added");
    let mut events = vec![added.event];
    let mut user = added.user;
    let changes = [
        call("Alice"),
        Change::Activate,
        Change::Suspend,
        rename("alicia"),
        merge_public(r#"{"z":null}"#),
        Change::Delete,
        Change::Restore,
    ];
    for (number, change) in (1..).zip(changes) {
        let context = context_at(seconds(number));
        let applied = expected(&user, &change, &context);
        store.changed_with(user.id, &change, &context).await;
        events.push(applied.event);
        user = applied.user;
    }
    let last = context_at(seconds(60));
    store
        .writer
        .erase(user.id, &last)
        .await
        .expect("a user that can be erased");
    events.push(user.erase(&last).expect("an event"));

    assert_eq!(store.events(user.id).await, events);
}

/// Writes of one moment keep the order in which they took effect.
pub async fn events_of_one_moment_come_in_order_of_version(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    for number in 0..20 {
        store
            .changed(user.id, &call(&format!("Alice {number}")))
            .await;
    }
    let versions: Vec<i64> = store
        .events(user.id)
        .await
        .iter()
        .map(|event| event.version.get())
        .collect();
    assert_eq!(versions, (1..=21).collect::<Vec<_>>());
}

/// A clock that was set back does not turn the order around.
pub async fn events_come_in_order_of_version_though_the_clock_went_back(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_at(seconds(60)))
        .await;
    store
        .changed_with(user.id, &call("one"), &context_at(seconds(30)))
        .await;
    store
        .changed_with(user.id, &call("two"), &context_at(seconds(10)))
        .await;
    let versions: Vec<i64> = store
        .events(user.id)
        .await
        .iter()
        .map(|event| event.version.get())
        .collect();
    assert_eq!(versions, [1, 2, 3]);
}

/// A write that changed nothing tells nothing.
pub async fn an_unchanged_write_has_no_event(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    for change in [
        rename("alice"),
        Change::Activate,
        Change::Restore,
        edit(UserEdits::default()),
    ] {
        store
            .writer
            .change(user.id, &change, &context())
            .await
            .expect("a change that is admitted");
    }
    assert_eq!(store.events(user.id).await.len(), 1);
}

/// A write that was refused tells nothing.
pub async fn a_refused_write_has_no_event(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    store.added(&new_user("bob")).await;
    let stale = store
        .writer
        .change(user.id, &call("Alice"), &context_expecting(7))
        .await;
    let taken = store
        .writer
        .change(user.id, &rename("Bob"), &context())
        .await;
    let erasure = store.writer.erase(user.id, &context_expecting(7)).await;
    assert!(stale.is_err() && taken.is_err() && erasure.is_err());
    let refused = registered(&new_user("ALICE"), &context());
    store
        .writer
        .add(&refused, &context())
        .await
        .expect_err("the name is taken");

    assert_eq!(store.events(user.id).await.len(), 1);
    assert_eq!(store.events(refused.user.id).await, []);
}

/// A write that was repeated under its idempotency key tells what it did once.
pub async fn a_replayed_write_has_one_event(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_under("add", 1))
        .await;
    store
        .add(&new_user("alice"), &context_under("add", 1))
        .await
        .expect("a replay");
    for _ in 0..3 {
        store
            .writer
            .change(user.id, &call("Alice"), &context_under("change", 1))
            .await
            .expect("a change");
    }
    for _ in 0..3 {
        store
            .writer
            .erase(user.id, &context_under("erase", 1))
            .await
            .expect("an erasure");
    }
    let kinds: Vec<EventKind> = store
        .events(user.id)
        .await
        .iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(
        kinds,
        [EventKind::Created, EventKind::Updated, EventKind::Erased]
    );
}

/// The log about one user tells nothing of others.
pub async fn the_events_of_one_user_are_not_mixed_with_anothers(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let bob = store.added(&new_user("bob")).await;
    store.changed(alice.id, &call("Alice")).await;
    store.changed(bob.id, &call("Bob")).await;
    let events = store.events(alice.id).await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.subject_id == alice.id));
}

/// Nothing happened to a user that never was.
pub async fn an_unknown_user_has_no_events(store: &StoreUnderTest) {
    assert_eq!(store.events(user_id()).await, []);
}

/// What happened to a user is known after it is gone.
pub async fn the_events_of_a_user_outlive_its_erasure(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    store.changed(user.id, &call("Alice")).await;
    store.erased(user.id).await;
    let kinds: Vec<EventKind> = store
        .events(user.id)
        .await
        .iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(
        kinds,
        [EventKind::Created, EventKind::Updated, EventKind::Erased]
    );
}

/// Events hold nothing of what a person is called or where it is reached.
pub async fn events_hold_nothing_personal(store: &StoreUnderTest) {
    let user = store.added(&awkward_user("Some.Body")).await;
    store.changed(user.id, &rename("Some.Body.Else")).await;
    store.erased(user.id).await;
    let told = format!("{:?}", store.events(user.id).await).to_lowercase();
    for personal in [
        "some.body",
        "o'brien",
        "example",
        "+1234",
        "42/~",
        "ushuaia",
        "02-29",
        "da'rk",
    ] {
        assert!(
            !told.contains(personal),
            "the events hold {personal}: {told}"
        );
    }
}
