//! Repeated writes with an idempotency key.

use std::time::Duration;

use super::{StoreUnderTest, applied, count_of, race, replayed, user_count};
use crate::test_support::samples::{context_with_key, new_user, rename, service, set_name, start};
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

/// A repeated addition adds no user and returns the user of the first one.
pub async fn a_repeated_addition_returns_the_first_user(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_with_key("key", 1))
        .await;
    let again = store
        .add(&new_user("alice"), &context_with_key("key", 1))
        .await;
    assert_eq!(again, replayed(&user));
    assert_eq!(user_count(store).await, 1);
}

/// A replay returns the current user, which other writes may have changed or deleted since.
pub async fn a_replay_returns_the_current_user(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_with_key("add", 1))
        .await;
    store
        .changed_with(user.id, &set_name("one"), &context_with_key("change", 1))
        .await;
    let now = store.changed(user.id, &set_name("two")).await;
    assert_eq!(
        store
            .add(&new_user("alice"), &context_with_key("add", 1))
            .await,
        replayed(&now)
    );
    assert_eq!(
        store
            .writer
            .change(user.id, &set_name("one"), &context_with_key("change", 1))
            .await,
        replayed(&now)
    );
    let deleted = store.changed(user.id, &Change::Delete).await;
    assert_eq!(
        store
            .writer
            .change(user.id, &set_name("one"), &context_with_key("change", 1))
            .await,
        replayed(&deleted)
    );
    assert_eq!(store.find(user.id).await.as_deref(), Some(&deleted));
}

/// A replay is detected before the precondition is checked, because the first write made that condition false.
pub async fn a_replay_ignores_its_precondition(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let context = || WriteContext {
        precondition: Precondition::AnyOf(vec![1.into()]),
        ..context_with_key("key", 1)
    };
    let changed = store
        .changed_with(user.id, &set_name("Alice"), &context())
        .await;
    assert_eq!(
        store
            .writer
            .change(user.id, &set_name("Alice"), &context())
            .await,
        replayed(&changed)
    );
}

/// A change without effect is recorded like any other success.
pub async fn a_change_without_effect_is_replayed(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let first = store
        .writer
        .change(user.id, &rename("alice"), &context_with_key("key", 1))
        .await;
    assert_eq!(first, Ok(Written::Unchanged(user.clone())));
    let again = store
        .writer
        .change(user.id, &rename("alice"), &context_with_key("key", 1))
        .await;
    assert_eq!(again, replayed(&user));
}

/// An idempotency key cannot be reused for another request.
pub async fn a_key_with_another_fingerprint_is_refused(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_with_key("key", 1))
        .await;
    let reused = Err(WriteError::KeyReused);
    assert_eq!(
        store
            .add(&new_user("bob"), &context_with_key("key", 2))
            .await,
        reused
    );
    assert_eq!(
        store
            .writer
            .change(user.id, &set_name("Alice"), &context_with_key("key", 3))
            .await,
        reused
    );
    let erased = store
        .writer
        .erase(user.id, &context_with_key("key", 4))
        .await;
    assert_eq!(erased, Err(WriteError::KeyReused));
    assert_eq!(store.find(user.id).await.as_deref(), Some(&user));
    assert_eq!(user_count(store).await, 1);
}

/// Keys of different actors are separate, even if actor name and key concatenate to the same text.
pub async fn idempotency_keys_are_separate_per_actor(store: &StoreUnderTest) {
    let users = [
        ("posts", "1:key"),
        ("posts:1", "key"),
        ("Posts", "1:key"),
        ("posts", "1:KEY"),
    ];
    for (number, (actor, key)) in (0_u8..).zip(users) {
        let context = by(actor, context_with_key(key, number));
        store
            .added_with(&new_user(&format!("user{number}")), &context)
            .await;
    }
    assert_eq!(user_count(store).await, 4);
}

/// The longest key is stored without truncation.
pub async fn keys_of_255_characters_are_compared_in_full(store: &StoreUnderTest) {
    let long = "~".repeat(254);
    let alice = store
        .added_with(
            &new_user("alice"),
            &context_with_key(&format!("{long}a"), 1),
        )
        .await;
    store
        .added_with(&new_user("bob"), &context_with_key(&format!("{long}b"), 1))
        .await;
    assert_eq!(
        store
            .add(
                &new_user("carol"),
                &context_with_key(&format!("{long}a"), 1)
            )
            .await,
        replayed(&alice)
    );
}

/// An idempotency record is valid for 24 hours.
pub async fn an_idempotency_key_expires_after_24_hours(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let first = store
        .changed_with(user.id, &set_name("Alice"), &context_with_key("key", 1))
        .await;
    let end = start().plus(IdempotencyKey::RETENTION);
    let last_moment = at(
        end.minus(Duration::from_secs(1)),
        context_with_key("key", 1),
    );
    assert_eq!(
        store
            .writer
            .change(user.id, &set_name("Bob"), &last_moment)
            .await,
        replayed(&first)
    );

    let after = at(end.plus(Duration::from_secs(1)), context_with_key("key", 2));
    let second = store.changed_with(user.id, &set_name("Bob"), &after).await;
    let again = at(end.plus(Duration::from_secs(2)), context_with_key("key", 2));
    assert_eq!(
        store.writer.change(user.id, &set_name("Bob"), &again).await,
        replayed(&second)
    );
}

/// A repeated erasure succeeds as a replay.
pub async fn a_repeated_erasure_is_replayed(store: &StoreUnderTest) {
    let user = store.added(&new_user("alice")).await;
    assert_eq!(
        store
            .writer
            .erase(user.id, &context_with_key("key", 1))
            .await,
        Ok(Erased::Applied)
    );
    assert_eq!(
        store
            .writer
            .erase(user.id, &context_with_key("key", 1))
            .await,
        Ok(Erased::Replayed)
    );
    let reused = store
        .writer
        .erase(user.id, &context_with_key("key", 2))
        .await;
    assert_eq!(reused, Err(WriteError::KeyReused));
}

/// A replay of a write to an erased user finds no user and creates none.
pub async fn a_replay_after_the_erasure_finds_no_user(store: &StoreUnderTest) {
    let user = store
        .added_with(&new_user("alice"), &context_with_key("add", 1))
        .await;
    store
        .changed_with(user.id, &set_name("Alice"), &context_with_key("change", 1))
        .await;
    store.erased(user.id).await;
    let addition = store
        .add(&new_user("other"), &context_with_key("add", 1))
        .await;
    let change = store
        .writer
        .change(user.id, &set_name("Alice"), &context_with_key("change", 1))
        .await;
    assert_eq!(addition, Err(WriteError::NotFound));
    assert_eq!(change, Err(WriteError::NotFound));
    assert_eq!(user_count(store).await, 0);
}

/// Identical racing additions create one user, which all of them return.
pub async fn sixteen_racing_copies_of_an_addition_create_one_user(store: &StoreUnderTest) {
    let outcomes = race(store, 16, |store, _| async move {
        store
            .add(&new_user("alice"), &context_with_key("key", 1))
            .await
    })
    .await;
    assert_eq!(
        count_of(&outcomes, |outcome| matches!(
            outcome,
            Ok(Written::Applied(_))
        )),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        count_of(&outcomes, |outcome| matches!(
            outcome,
            Ok(Written::Replayed(_))
        )),
        15,
        "{outcomes:?}"
    );
    assert_eq!(user_count(store).await, 1);
    let mut ids: Vec<_> = outcomes
        .into_iter()
        .flatten()
        .map(|written| written.into_user().id)
        .collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

/// Identical racing changes are applied once.
pub async fn sixteen_racing_copies_of_a_change_apply_once(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let outcomes = race(store, 16, |store, _| async move {
        store
            .writer
            .change(id, &set_name("Alice"), &context_with_key("key", 1))
            .await
    })
    .await;
    let now = store.find(id).await.expect("the user");
    assert_eq!(now.version.get(), 2);
    assert_eq!(
        count_of(&outcomes, |outcome| *outcome == applied(&now)),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        count_of(&outcomes, |outcome| *outcome == replayed(&now)),
        15,
        "{outcomes:?}"
    );
}

/// Identical racing erasures are applied once and all succeed.
pub async fn racing_copies_of_an_erasure_apply_once(store: &StoreUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let outcomes = race(store, 8, |store, _| async move {
        store.writer.erase(id, &context_with_key("key", 1)).await
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

/// Two different requests with one key are not both applied.
pub async fn racing_different_requests_with_one_key_do_not_both_apply(store: &StoreUnderTest) {
    let outcomes = race(store, 8, |store, number| {
        let request = u8::from(number % 2 == 0);
        async move {
            store
                .add(
                    &new_user(&format!("user{request}")),
                    &context_with_key("key", request),
                )
                .await
        }
    })
    .await;
    assert_eq!(
        count_of(&outcomes, |outcome| matches!(
            outcome,
            Ok(Written::Applied(_))
        )),
        1,
        "{outcomes:?}"
    );
    assert_eq!(
        count_of(&outcomes, |outcome| matches!(
            outcome,
            Ok(Written::Replayed(_))
        )),
        3,
        "{outcomes:?}"
    );
    assert_eq!(
        count_of(&outcomes, |outcome| *outcome == Err(WriteError::KeyReused)),
        4,
        "{outcomes:?}"
    );
}
