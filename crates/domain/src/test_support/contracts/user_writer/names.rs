//! What becomes of names and addresses that are given up.

use std::time::Duration;

use super::{StoreUnderTest, assert_one_winner, expect_applied, race, taken};
use crate::test_support::samples::{context, context_at, edit, email, new_user, rename, start};
use crate::user::{Change, Edit, NewUser, UserEdits};
use crate::values::Timestamp;
use crate::write::{NAME_REST, UniqueField};

/// The last moment of the rest of a name that was given up at [`start`].
fn last_moment_of_rest() -> Timestamp {
    start().plus(NAME_REST).minus(Duration::from_micros(1))
}

/// Names do not rest because they are used, and rest once they no longer are.
pub async fn a_name_given_up_rests_for_90_days_and_is_free_then(store: &StoreUnderTest) {
    let alice = store.added(&new_user("Alice")).await;
    store.changed(alice.id, &rename("alicia")).await;
    for at in [start(), last_moment_of_rest()] {
        let outcome = store.add(&new_user("ALICE"), &context_at(at)).await;
        assert_eq!(outcome, taken(UniqueField::Username), "{at}");
    }
    store
        .added_with(&new_user("aLice"), &context_at(start().plus(NAME_REST)))
        .await;
}

/// A name that looks like a resting one rests with it.
pub async fn a_look_alike_of_a_resting_name_rests_too(store: &StoreUnderTest) {
    let paypal = store.added(&new_user("paypal")).await;
    store.changed(paypal.id, &rename("somebody")).await;
    let outcome = store
        .add(&new_user("раураl"), &context_at(last_moment_of_rest()))
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    store
        .added_with(&new_user("раураl"), &context_at(start().plus(NAME_REST)))
        .await;
}

/// A rename meets resting names as an addition does.
pub async fn nobody_renames_itself_to_a_name_that_rests(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let bob = store.added(&new_user("bob")).await;
    store.changed(alice.id, &rename("alicia")).await;
    let outcome = store
        .writer
        .change(bob.id, &rename("Alice"), &context_at(last_moment_of_rest()))
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    store
        .changed_with(
            bob.id,
            &rename("Alice"),
            &context_at(start().plus(NAME_REST)),
        )
        .await;
}

/// Who gave a name up may take it back at once.
pub async fn a_user_may_take_back_its_own_name(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    store.changed(alice.id, &rename("alicia")).await;
    let back = store.changed(alice.id, &rename("ALICE")).await;
    assert_eq!(back.username.as_str(), "ALICE");
    assert_eq!(
        store.add(&new_user("alicia"), &context()).await,
        taken(UniqueField::Username)
    );
}

/// A name that was taken back and given up again rests from the second time on.
pub async fn a_name_given_up_twice_rests_from_the_second_time(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    store.changed(alice.id, &rename("alicia")).await;
    store.changed(alice.id, &rename("alice")).await;
    let later = start().plus(Duration::from_hours(24));
    store
        .changed_with(alice.id, &rename("alina"), &context_at(later))
        .await;
    let outcome = store
        .add(&new_user("alice"), &context_at(start().plus(NAME_REST)))
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    store
        .added_with(&new_user("alice"), &context_at(later.plus(NAME_REST)))
        .await;
}

/// A name belongs to its latest owner, who alone may take it back.
pub async fn a_former_owner_does_not_take_a_name_back_from_a_later_one(store: &StoreUnderTest) {
    let alice = store.added(&new_user("shared")).await;
    store.changed(alice.id, &rename("alicia")).await;
    let after = start().plus(NAME_REST);
    let bob = store
        .added_with(&new_user("shared"), &context_at(after))
        .await;
    let outcome = store
        .writer
        .change(alice.id, &rename("shared"), &context_at(after))
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    store
        .changed_with(bob.id, &rename("bobby"), &context_at(after))
        .await;
    let outcome = store
        .writer
        .change(alice.id, &rename("shared"), &context_at(after))
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    store
        .changed_with(bob.id, &rename("shared"), &context_at(after))
        .await;
}

/// The same name typed otherwise is not given up.
pub async fn a_name_typed_otherwise_does_not_rest(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let shouting = store.changed(alice.id, &rename("ALICE")).await;
    assert_eq!(shouting.username.as_str(), "ALICE");
    let after = context_at(start().plus(Duration::from_secs(1)));
    expect_applied(
        store
            .writer
            .change(alice.id, &rename("Alice"), &after)
            .await,
    );
}

/// A user may take a name that looks like the one it has.
pub async fn a_user_may_take_a_look_alike_of_its_own_name(store: &StoreUnderTest) {
    let user = store.added(&new_user("paypal")).await;
    store.changed(user.id, &rename("\u{440}\u{430}ypal")).await;
}

/// The name of an erased user rests though nobody is left to take it back.
pub async fn the_name_of_an_erased_user_rests_for_90_days(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    store.erased(alice.id).await;
    let outcome = store
        .add(&new_user("Alice"), &context_at(last_moment_of_rest()))
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    store
        .added_with(&new_user("Alice"), &context_at(start().plus(NAME_REST)))
        .await;
}

/// All but the name of an erased user is free at once.
pub async fn the_address_and_external_id_of_an_erased_user_are_free_at_once(
    store: &StoreUnderTest,
) {
    let mut new = new_user("alice");
    new.rest.external_id = Edit::Set(crate::test_support::samples::external_id("1"));
    let alice = store.added(&new).await;
    store.changed(alice.id, &Change::Delete).await;
    store.erased(alice.id).await;
    let successor = NewUser {
        email: new.email.clone(),
        rest: new.rest.clone(),
        ..new_user("alicia")
    };
    store.added(&successor).await;
}

/// Addresses do not rest.
pub async fn an_address_given_up_is_free_at_once(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let moved = edit(UserEdits {
        email: Some(email("elsewhere@example.com")),
        ..UserEdits::default()
    });
    store.changed(alice.id, &moved).await;
    store
        .added(&NewUser {
            email: alice.email.clone(),
            ..new_user("bob")
        })
        .await;
}

/// A rename that is refused gives nothing up.
pub async fn a_refused_rename_gives_no_name_up(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let bob = store.added(&new_user("bob")).await;
    assert_eq!(
        store
            .writer
            .change(alice.id, &rename("BOB"), &context())
            .await,
        taken(UniqueField::Username)
    );
    assert_eq!(store.find(alice.id).await.as_deref(), Some(&alice));
    assert_eq!(store.find(bob.id).await.as_deref(), Some(&bob));
    store.changed(alice.id, &rename("alicia")).await;
}

/// Changes that want what others have are told what it is.
pub async fn a_change_to_what_somebody_has_names_the_field(store: &StoreUnderTest) {
    let mut new = new_user("alice");
    new.rest.external_id = Edit::Set(crate::test_support::samples::external_id("1"));
    let alice = store.added(&new).await;
    let bob = store.added(&new_user("bob")).await;
    let wants = [
        (
            UserEdits {
                username: Some(new.username.clone()),
                ..UserEdits::default()
            },
            UniqueField::Username,
        ),
        (
            UserEdits {
                email: Some(alice.email.clone()),
                ..UserEdits::default()
            },
            UniqueField::Email,
        ),
        (
            UserEdits {
                external_id: new.rest.external_id.clone(),
                ..UserEdits::default()
            },
            UniqueField::ExternalId,
        ),
    ];
    for (edits, field) in wants {
        assert_eq!(
            store.writer.change(bob.id, &edit(edits), &context()).await,
            taken(field)
        );
    }
    assert_eq!(store.find(bob.id).await.as_deref(), Some(&bob));
}

/// Of racing renames to one name, one succeeds.
pub async fn racing_renames_to_one_username_leave_one(store: &StoreUnderTest) {
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(store.added(&new_user(&format!("racer{number}"))).await.id);
    }
    let outcomes = race(store, ids.len(), |store, number| {
        let id = ids.get(number).copied();
        let change = rename(if number % 2 == 0 { "Winner" } else { "wInNeR" });
        async move {
            store
                .writer
                .change(id.expect("an id"), &change, &context())
                .await
        }
    })
    .await;
    assert_one_winner(store, &outcomes, UniqueField::Username).await;
}
