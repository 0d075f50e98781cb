//! Repeating a write under its idempotency key.

use std::time::Duration;

use super::{StoreUnderTest, applied, everybody, race, replayed, times};
use crate::test_support::samples::{call, context_under, new_user, rename, service, start};
use crate::user::{Actor, Change};
use crate::values::Timestamp;
use crate::write::{Erased, IdempotencyKey, Precondition, WriteContext, WriteError, Written};

fn at(at: Timestamp, context: WriteContext) -> WriteContext {
    WriteContext { at, ..context }
}

fn by(name: &str, context: WriteContext) -> WriteContext {
    WriteContext {
        actor: Actor::from(&service(name)),
        ..context
    }
}

/// A repeated addition adds nobody and gives the user of the first one.
pub async fn a_repeated_addition_gives_the_first_user(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_under("key", 1))
        .await;
    let again = store
        .add(&new_user("alice"), &context_under("key", 1))
        .await;
    assert_eq!(again, replayed(&user));
    assert_eq!(everybody(store).await, 1);
}

/// A repetition gives the user as it is now, which others may have changed or deleted since.
pub async fn a_repetition_gives_the_user_as_it_is_now(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_under("add", 1))
        .await;
    store
        .changed_with(user.id, &call("one"), &context_under("change", 1))
        .await;
    let now = store.changed(user.id, &call("two")).await;
    assert_eq!(
        store
            .add(&new_user("alice"), &context_under("add", 1))
            .await,
        replayed(&now)
    );
    assert_eq!(
        store
            .writer
            .change(user.id, &call("one"), &context_under("change", 1))
            .await,
        replayed(&now)
    );
    let deleted = store.changed(user.id, &Change::Delete).await;
    assert_eq!(
        store
            .writer
            .change(user.id, &call("one"), &context_under("change", 1))
            .await,
        replayed(&deleted)
    );
    assert_eq!(store.find(user.id).await.as_deref(), Some(&deleted));
}

/// A repetition is known before its precondition is looked at, which the first time made false.
pub async fn a_repetition_does_not_look_at_its_precondition_again(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let context = || WriteContext {
        precondition: Precondition::AnyOf(vec![1]),
        ..context_under("key", 1)
    };
    let changed = store
        .changed_with(user.id, &call("Alice"), &context())
        .await;
    assert_eq!(
        store
            .writer
            .change(user.id, &call("Alice"), &context())
            .await,
        replayed(&changed)
    );
}

/// A change that changed nothing is remembered like any other success.
pub async fn a_repetition_of_what_changed_nothing_is_a_repetition(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let first = store
        .writer
        .change(user.id, &rename("alice"), &context_under("key", 1))
        .await;
    assert_eq!(first, Ok(Written::Unchanged(user.clone())));
    let again = store
        .writer
        .change(user.id, &rename("alice"), &context_under("key", 1))
        .await;
    assert_eq!(again, replayed(&user));
}

/// The key of one request does not serve for another.
pub async fn a_key_with_another_fingerprint_is_refused(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_under("key", 1))
        .await;
    let reused = Err(WriteError::KeyReused);
    assert_eq!(
        store.add(&new_user("bob"), &context_under("key", 2)).await,
        reused
    );
    assert_eq!(
        store
            .writer
            .change(user.id, &call("Alice"), &context_under("key", 3))
            .await,
        reused
    );
    let erased = store.writer.erase(user.id, &context_under("key", 4)).await;
    assert_eq!(erased, Err(WriteError::KeyReused));
    assert_eq!(store.find(user.id).await.as_deref(), Some(&user));
    assert_eq!(everybody(store).await, 1);
}

/// Each actor has keys of its own, wherever one name ends and the other begins.
pub async fn keys_of_different_actors_do_not_meet(store: &StoreUnderTest) {
    let users = [
        ("posts", "1:key"),
        ("posts:1", "key"),
        ("Posts", "1:key"),
        ("posts", "1:KEY"),
    ];
    for (number, (actor, key)) in (0_u8..).zip(users) {
        let context = by(actor, context_under(key, number));
        store
            .added_with(&new_user(&format!("user{number}")), &context)
            .await;
    }
    assert_eq!(everybody(store).await, 4);
}

/// The longest key is kept whole.
pub async fn a_key_of_255_characters_is_told_from_one_that_differs_in_the_last(
    store: &StoreUnderTest,
) {
    let long = "~".repeat(254);
    let alice = store
        .added_with(&new_user("alice"), &context_under(&format!("{long}a"), 1))
        .await;
    store
        .added_with(&new_user("bob"), &context_under(&format!("{long}b"), 1))
        .await;
    assert_eq!(
        store
            .add(&new_user("carol"), &context_under(&format!("{long}a"), 1))
            .await,
        replayed(&alice)
    );
}

/// A key is remembered for a day, and then no more.
pub async fn a_key_is_forgotten_after_24_hours(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let first = store
        .changed_with(user.id, &call("Alice"), &context_under("key", 1))
        .await;
    let end = start().plus(IdempotencyKey::KEPT);
    let last_moment = at(end.minus(Duration::from_secs(1)), context_under("key", 1));
    assert_eq!(
        store
            .writer
            .change(user.id, &call("Bob"), &last_moment)
            .await,
        replayed(&first)
    );

    let after = at(end.plus(Duration::from_secs(1)), context_under("key", 2));
    let second = store.changed_with(user.id, &call("Bob"), &after).await;
    let again = at(end.plus(Duration::from_secs(2)), context_under("key", 2));
    assert_eq!(
        store.writer.change(user.id, &call("Bob"), &again).await,
        replayed(&second)
    );
}

/// An erasure is repeated without harm.
pub async fn a_repeated_erasure_is_a_repetition(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    assert_eq!(
        store.writer.erase(user.id, &context_under("key", 1)).await,
        Ok(Erased::Applied)
    );
    assert_eq!(
        store.writer.erase(user.id, &context_under("key", 1)).await,
        Ok(Erased::Replayed)
    );
    let reused = store.writer.erase(user.id, &context_under("key", 2)).await;
    assert_eq!(reused, Err(WriteError::KeyReused));
}

/// A repetition of a write of a user that is gone for good finds nobody, and makes nobody.
pub async fn a_repetition_after_the_user_was_erased_finds_nobody(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_under("add", 1))
        .await;
    store
        .changed_with(user.id, &call("Alice"), &context_under("change", 1))
        .await;
    store.erased(user.id).await;
    let addition = store
        .add(&new_user("other"), &context_under("add", 1))
        .await;
    let change = store
        .writer
        .change(user.id, &call("Alice"), &context_under("change", 1))
        .await;
    assert_eq!(addition, Err(WriteError::NotFound));
    assert_eq!(change, Err(WriteError::NotFound));
    assert_eq!(everybody(store).await, 0);
}

/// Twins of an addition that race make one user, and all get it.
pub async fn sixteen_racing_twins_of_an_addition_make_one_user(store: &StoreUnderTest) {
    let outcomes = race(store, 16, |store, _| async move {
        store
            .add(&new_user("alice"), &context_under("key", 1))
            .await
    })
    .await;
    assert_eq!(
        times(&outcomes, |outcome| matches!(
            outcome,
            Ok(Written::Applied(_))
        )),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        times(&outcomes, |outcome| matches!(
            outcome,
            Ok(Written::Replayed(_))
        )),
        15,
        "{outcomes:?}"
    );
    assert_eq!(everybody(store).await, 1);
    let mut ids: Vec<_> = outcomes
        .into_iter()
        .flatten()
        .map(|written| written.into_user().id)
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

/// Twins of a change that race change the user once.
pub async fn sixteen_racing_twins_of_a_change_change_the_user_once(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let outcomes = race(store, 16, |store, _| async move {
        store
            .writer
            .change(id, &call("Alice"), &context_under("key", 1))
            .await
    })
    .await;
    let now = store.find(id).await.expect("the user");
    assert_eq!(now.version.get(), 2);
    assert_eq!(
        times(&outcomes, |outcome| *outcome == applied(&now)),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        times(&outcomes, |outcome| *outcome == replayed(&now)),
        15,
        "{outcomes:?}"
    );
}

/// Twins of an erasure that race erase the user once, and all are content.
pub async fn racing_twins_of_an_erasure_erase_the_user_once(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let outcomes = race(store, 8, |store, _| async move {
        store.writer.erase(id, &context_under("key", 1)).await
    })
    .await;
    let count = |wanted: Erased| {
        outcomes
            .iter()
            .filter(|outcome| **outcome == Ok(wanted))
            .count()
    };
    assert_eq!(count(Erased::Applied), 1, "{outcomes:?}");
    assert_eq!(count(Erased::Replayed), 7, "{outcomes:?}");
}

/// Racing requests that share a key by mistake do not both happen.
pub async fn racing_requests_under_one_key_with_two_fingerprints_are_not_both_done(
    store: &StoreUnderTest,
) {
    let outcomes = race(store, 8, |store, number| {
        let request = u8::from(number % 2 == 0);
        async move {
            store
                .add(
                    &new_user(&format!("user{request}")),
                    &context_under("key", request),
                )
                .await
        }
    })
    .await;
    assert_eq!(
        times(&outcomes, |outcome| matches!(
            outcome,
            Ok(Written::Applied(_))
        )),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        times(&outcomes, |outcome| matches!(
            outcome,
            Ok(Written::Replayed(_))
        )),
        3,
        "{outcomes:?}"
    );
    assert_eq!(
        times(&outcomes, |outcome| *outcome == Err(WriteError::KeyReused)),
        4,
        "{outcomes:?}"
    );
}
