//! The contract of [`crate::ports::ChangeLog`].

mod before;
mod since;

pub use before::*;
pub use since::*;

use super::{StoreUnderTest, expected};
use crate::ports::{EventsRequest, UserEvent};
use crate::test_support::samples::{
    awkward_user, context, context_at, context_expecting, context_with_key, edit, merge_public,
    new_user, registered, rename, seconds, set_name, user_id,
};
use crate::user::{Change, EventKind, UserEdits};

/// Each applied write stores the event that the domain created for it. Events are in write order.
pub async fn each_applied_write_stores_its_domain_event_in_order(store: &StoreUnderTest) {
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
        set_name("Alice"),
        Change::Activate,
        Change::suspend(),
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

/// Events with the same time keep the order of their writes.
pub async fn events_at_one_time_are_ordered_by_version(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    for number in 0..20 {
        store
            .changed(user.id, &set_name(&format!("Alice {number}")))
            .await;
    }
    let versions: Vec<i64> = store
        .events(user.id)
        .await
        .iter()
        .map(|event| event.revision.get())
        .collect();
    assert_eq!(versions, (1..=21).collect::<Vec<_>>());
}

/// A clock that is set back does not change the order of events.
pub async fn events_are_ordered_by_version_after_a_clock_step_back(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_at(seconds(60)))
        .await;
    store
        .changed_with(user.id, &set_name("one"), &context_at(seconds(30)))
        .await;
    store
        .changed_with(user.id, &set_name("two"), &context_at(seconds(10)))
        .await;
    let versions: Vec<i64> = store
        .events(user.id)
        .await
        .iter()
        .map(|event| event.revision.get())
        .collect();
    assert_eq!(versions, [1, 2, 3]);
}

/// A change without effect creates no event.
pub async fn a_write_without_effect_has_no_event(store: &StoreUnderTest) {
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

/// A refused write creates no event.
pub async fn a_refused_write_has_no_event(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    store.added(&new_user("bob")).await;
    let stale = store
        .writer
        .change(user.id, &set_name("Alice"), &context_expecting(7))
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

/// Replays of a write create no further event.
pub async fn a_replayed_write_has_one_event(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_with_key("add", 1))
        .await;
    store
        .add(&new_user("alice"), &context_with_key("add", 1))
        .await
        .expect("a replay");
    for _ in 0..3 {
        store
            .writer
            .change(user.id, &set_name("Alice"), &context_with_key("change", 1))
            .await
            .expect("a change");
    }
    for _ in 0..3 {
        store
            .writer
            .erase(user.id, &context_with_key("erase", 1))
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

/// The events of a user contain no events of other users.
pub async fn events_are_separate_per_user(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let bob = store.added(&new_user("bob")).await;
    store.changed(alice.id, &set_name("Alice")).await;
    store.changed(bob.id, &set_name("Bob")).await;
    let events = store.events(alice.id).await;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.subject_id == alice.id));
}

/// An unknown user has no events.
pub async fn an_unknown_user_has_no_events(store: &StoreUnderTest) {
    assert_eq!(store.events(user_id()).await, []);
}

/// Pages of events have no gaps, and only the last has no next position.
pub async fn events_are_paged_newest_first(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    for number in 0..5 {
        store.changed(user.id, &set_name(&number.to_string())).await;
    }
    let (mut versions, mut before) = (Vec::new(), None);
    for (size, has_more) in [(4, true), (2, false)] {
        let request = EventsRequest {
            user: user.id,
            before,
            limit: 4,
        };
        let page = store.change_log.about(&request).await.expect("a page");
        assert_eq!((page.events.len(), page.next.is_some()), (size, has_more));
        versions.extend(page.events.iter().map(|event| match event {
            UserEvent::User(event) => event.version.get(),
            UserEvent::Relationship(event) => panic!("{event:?}"),
        }));
        before = page.next;
    }
    assert_eq!(versions, [6, 5, 4, 3, 2, 1]);
    let request = EventsRequest {
        user: user.id,
        before: None,
        limit: 6,
    };
    let page = store.change_log.about(&request).await.expect("a page");
    assert_eq!((page.events.len(), page.next), (6, None));
}

/// The events of a user remain after its erasure.
pub async fn the_events_of_a_user_outlive_its_erasure(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    store.changed(user.id, &set_name("Alice")).await;
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

/// Events contain no names, contact data or profile values.
pub async fn events_contain_no_personal_data(store: &StoreUnderTest) {
    let user = store.added(&awkward_user("Some.Body")).await;
    store.changed(user.id, &rename("Some.Body.Else")).await;
    store.erased(user.id).await;
    let logged = format!("{:?}", store.events(user.id).await).to_lowercase();
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
            !logged.contains(personal),
            "the events hold {personal}: {logged}"
        );
    }
}
