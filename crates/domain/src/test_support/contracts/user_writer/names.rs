//! Released usernames and former email addresses.

use std::time::Duration;

use super::{StoreUnderTest, assert_one_winner, race, taken};
use crate::test_support::samples::{context, context_at, edit, email, new_user, rename, start};
use crate::user::{Change, Edit, NewUser, UserEdits};
use crate::values::Timestamp;
use crate::write::{MAX_RESERVED_NAMES, USERNAME_RESERVATION, UniqueField};

/// The last moment at which a username that was released at [`start`] is reserved.
fn last_reserved_moment() -> Timestamp {
    start()
        .plus(USERNAME_RESERVATION)
        .minus(Duration::from_micros(1))
}

/// A username is reserved for 90 days after its release.
pub async fn a_released_name_is_reserved_for_90_days(store: &StoreUnderTest) {
    let alice = store.added(&new_user("Alice")).await;
    store.changed(alice.id, &rename("alicia")).await;
    for at in [start(), last_reserved_moment()] {
        let outcome = store.add(&new_user("ALICE"), &context_at(at)).await;
        assert_eq!(outcome, taken(UniqueField::Username), "{at}");
    }
    store
        .added_with(
            &new_user("aLice"),
            &context_at(start().plus(USERNAME_RESERVATION)),
        )
        .await;
}

/// The reservation includes look-alikes of the username.
pub async fn a_lookalike_of_a_reserved_name_is_reserved(store: &StoreUnderTest) {
    let paypal = store.added(&new_user("paypal")).await;
    store.changed(paypal.id, &rename("somebody")).await;
    let outcome = store
        .add(&new_user("pɑypɑl"), &context_at(last_reserved_moment()))
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    store
        .added_with(
            &new_user("pɑypɑl"),
            &context_at(start().plus(USERNAME_RESERVATION)),
        )
        .await;
}

/// A rename respects reservations like an addition does.
pub async fn a_rename_to_a_reserved_name_is_refused(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let bob = store.added(&new_user("bob")).await;
    store.changed(alice.id, &rename("alicia")).await;
    let outcome = store
        .writer
        .change(
            bob.id,
            &rename("Alice"),
            &context_at(last_reserved_moment()),
        )
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    store
        .changed_with(
            bob.id,
            &rename("Alice"),
            &context_at(start().plus(USERNAME_RESERVATION)),
        )
        .await;
}

/// The former owner of a username may take it back during the reservation.
pub async fn a_user_may_reclaim_its_released_name(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    store.changed(alice.id, &rename("alicia")).await;
    let back = store.changed(alice.id, &rename("ALICE")).await;
    assert_eq!(back.username.as_str(), "ALICE");
    assert_eq!(
        store.add(&new_user("alicia"), &context()).await,
        taken(UniqueField::Username)
    );
}

/// The reservation of a reclaimed username starts again with the next release.
pub async fn a_name_released_twice_is_reserved_from_the_second_release(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    store.changed(alice.id, &rename("alicia")).await;
    store.changed(alice.id, &rename("alice")).await;
    let later = start().plus(Duration::from_hours(24));
    store
        .changed_with(alice.id, &rename("alina"), &context_at(later))
        .await;
    let outcome = store
        .add(
            &new_user("alice"),
            &context_at(start().plus(USERNAME_RESERVATION)),
        )
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    store
        .added_with(
            &new_user("alice"),
            &context_at(later.plus(USERNAME_RESERVATION)),
        )
        .await;
}

/// Only the latest owner of a username may reclaim it.
pub async fn only_the_latest_owner_may_reclaim_a_name(store: &StoreUnderTest) {
    let alice = store.added(&new_user("shared")).await;
    store.changed(alice.id, &rename("alicia")).await;
    let after = start().plus(USERNAME_RESERVATION);
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

/// A rename to another spelling of the same username releases nothing: the oldest reservation of the user remains.
pub async fn a_new_spelling_of_a_name_releases_nothing(store: &StoreUnderTest) {
    let alice = store.added(&new_user("name0")).await;
    for released in 1..=MAX_RESERVED_NAMES {
        let name = format!("name{released}");
        store.changed(alice.id, &rename(&name)).await;
    }
    let current = format!("NAME{MAX_RESERVED_NAMES}");
    let shouting = store.changed(alice.id, &rename(&current)).await;
    assert_eq!(shouting.username.as_str(), current);
    let outcome = store.add(&new_user("name0"), &context()).await;
    assert_eq!(outcome, taken(UniqueField::Username));
}

/// A user may rename itself to a look-alike of its current username.
pub async fn a_user_may_take_a_lookalike_of_its_own_name(store: &StoreUnderTest) {
    let user = store.added(&new_user("paypal")).await;
    store.changed(user.id, &rename("p\u{251}ypal")).await;
}

/// The username of an erased user is reserved although no user can reclaim it.
pub async fn the_name_of_an_erased_user_is_reserved_for_90_days(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    store.erased(alice.id).await;
    let outcome = store
        .add(&new_user("Alice"), &context_at(last_reserved_moment()))
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    store
        .added_with(
            &new_user("Alice"),
            &context_at(start().plus(USERNAME_RESERVATION)),
        )
        .await;
}

/// Email address and external id of an erased user have no reservation.
pub async fn email_and_external_id_of_an_erased_user_are_free_at_once(store: &StoreUnderTest) {
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

/// Email addresses have no reservation.
pub async fn a_former_email_address_is_free_at_once(store: &StoreUnderTest) {
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

/// A refused rename keeps both usernames as they are.
pub async fn a_refused_rename_releases_no_name(store: &StoreUnderTest) {
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

/// The error names the field whose value another user has.
pub async fn a_change_to_a_taken_value_names_the_field(store: &StoreUnderTest) {
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

/// One of several racing renames to the same username is applied.
pub async fn of_racing_renames_to_one_username_one_succeeds(store: &StoreUnderTest) {
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
