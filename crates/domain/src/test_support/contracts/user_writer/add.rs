//! Adding a user.

use super::{StoreUnderTest, applied, assert_one_winner, everybody, race, taken};
use crate::test_support::samples::{
    awkward_user, context, context_under, edit, email, external_id, new_user, registered, username,
};
use crate::user::{Change, Edit, NewUser, UserEdits};
use crate::write::UniqueField;

fn with_email(name: &str, address: &str) -> NewUser {
    NewUser {
        email: email(address),
        ..new_user(name)
    }
}

fn with_external_id(name: &str, id: &str) -> NewUser {
    let mut new = new_user(name);
    new.rest.external_id = Edit::Set(external_id(id));
    new
}

/// What is added is what `register` made.
pub async fn an_added_user_is_the_one_that_was_registered(store: &StoreUnderTest) {
    let context = context();
    let made = registered(&awkward_user("alice"), &context);
    assert_eq!(store.writer.add(&made, &context).await, applied(&made.user));
    assert_eq!(store.find(made.user.id).await.as_deref(), Some(&made.user));
}

/// A name that somebody has is taken, however it is typed.
pub async fn a_username_is_taken_in_every_case(store: &StoreUnderTest) {
    store.added(&new_user("Alice.Smith")).await;
    for name in ["Alice.Smith", "alice.smith", "ALICE.SMITH"] {
        assert_eq!(
            store.add(&new_user(name), &context()).await,
            taken(UniqueField::Username),
            "{name}"
        );
    }
    assert_eq!(everybody(store).await, 1);
}

/// Names beyond ASCII are compared without case too.
pub async fn a_username_beyond_ascii_is_taken_in_every_case(store: &StoreUnderTest) {
    store.added(&new_user("ÅNGSTRÖM")).await;
    for name in ["ångström", "Ångström", "a\u{30a}ngstro\u{308}m"] {
        assert_eq!(
            store.add(&new_user(name), &context()).await,
            taken(UniqueField::Username),
            "{name}"
        );
    }
}

/// A name that looks like somebody's is taken.
pub async fn a_look_alike_of_a_username_is_taken(store: &StoreUnderTest) {
    store.added(&new_user("paypal")).await;
    // The first letters are Cyrillic.
    let look_alike = new_user("\u{440}\u{430}ypal");
    assert_ne!(look_alike.username.key(), username("paypal").key());
    assert_eq!(
        store.add(&look_alike, &context()).await,
        taken(UniqueField::Username)
    );
}

/// Letters of ASCII are told apart though they look alike, for many honest names differ by them.
pub async fn names_in_ascii_that_look_alike_may_both_exist(store: &StoreUnderTest) {
    store.added(&new_user("modern")).await;
    store.added(&new_user("modem")).await;
    assert_eq!(everybody(store).await, 2);
}

/// An address that somebody has is taken, in other cases and with its domain in ASCII.
pub async fn an_email_address_is_taken_in_every_spelling(store: &StoreUnderTest) {
    store
        .added(&with_email("alice", "Alice@Bücher.example"))
        .await;
    for address in [
        "alice@bücher.example",
        "ALICE@BÜCHER.EXAMPLE",
        "alice@xn--bcher-kva.example",
    ] {
        let outcome = store.add(&with_email("bob", address), &context()).await;
        assert_eq!(outcome, taken(UniqueField::Email), "{address}");
    }
}

/// An older id that somebody has is taken; older ids that differ by case are two.
pub async fn an_external_id_is_taken_by_its_exact_text(store: &StoreUnderTest) {
    store.added(&with_external_id("alice", "Ab")).await;
    assert_eq!(
        store.add(&with_external_id("bob", "Ab"), &context()).await,
        taken(UniqueField::ExternalId)
    );
    store.added(&with_external_id("carol", "ab")).await;
}

/// To have no older id is no value that could be taken.
pub async fn many_users_may_have_no_external_id(store: &StoreUnderTest) {
    store.added(&new_user("alice")).await;
    store.added(&new_user("bob")).await;
    assert_eq!(everybody(store).await, 2);
}

/// What a deleted user has stays its own.
pub async fn what_a_deleted_user_has_is_still_taken(store: &StoreUnderTest) {
    let mut new = with_email("alice", "alice@example.com");
    new.rest.external_id = Edit::Set(external_id("1"));
    let user = store.added(&new).await;
    store.changed(user.id, &Change::Delete).await;
    assert_eq!(
        store.add(&new_user("Alice"), &context()).await,
        taken(UniqueField::Username)
    );
    let outcome = store
        .add(&with_email("bob", "ALICE@example.com"), &context())
        .await;
    assert_eq!(outcome, taken(UniqueField::Email));
    assert_eq!(
        store.add(&with_external_id("carol", "1"), &context()).await,
        taken(UniqueField::ExternalId)
    );
}

/// An addition that is refused leaves nothing, not even its idempotency key.
pub async fn a_refused_addition_leaves_nothing(store: &StoreUnderTest) {
    store.added(&new_user("alice")).await;
    let refused = registered(&with_external_id("Alice", "1"), &context());
    let outcome = store.writer.add(&refused, &context_under("key", 1)).await;
    assert_eq!(outcome, taken(UniqueField::Username));
    assert_eq!(store.find(refused.user.id).await, None);
    assert_eq!(store.events(refused.user.id).await, []);
    assert_eq!(everybody(store).await, 1);

    let context = context_under("key", 2);
    store
        .added_with(
            &NewUser {
                email: refused.user.email.clone(),
                ..with_external_id("bob", "1")
            },
            &context,
        )
        .await;
}

/// Of racing writers of one name, typed in every case, one succeeds.
pub async fn racing_adds_of_one_username_in_mixed_case_leave_one(store: &StoreUnderTest) {
    let outcomes = race(store, 16, |store, number| {
        let name = ["racer", "Racer", "RACER", "rAcEr"]
            .into_iter()
            .cycle()
            .nth(number)
            .unwrap_or_default();
        async move { store.add(&new_user(name), &context()).await }
    })
    .await;
    assert_one_winner(store, &outcomes, UniqueField::Username).await;
    assert_eq!(everybody(store).await, 1);
}

/// Of racing writers of names that look alike, one succeeds.
pub async fn racing_adds_of_names_that_look_alike_leave_one(store: &StoreUnderTest) {
    let outcomes = race(store, 16, |store, number| {
        let name = if number % 2 == 0 {
            "paypal"
        } else {
            "\u{440}\u{430}ypal"
        };
        async move { store.add(&new_user(name), &context()).await }
    })
    .await;
    assert_one_winner(store, &outcomes, UniqueField::Username).await;
}

/// Of racing writers of one address, one succeeds.
pub async fn racing_adds_of_one_email_address_leave_one(store: &StoreUnderTest) {
    let outcomes = race(store, 16, |store, number| {
        let address = if number % 2 == 0 {
            "racer@example.com"
        } else {
            "RACER@EXAMPLE.COM"
        };
        async move {
            store
                .add(&with_email(&format!("racer{number}"), address), &context())
                .await
        }
    })
    .await;
    assert_one_winner(store, &outcomes, UniqueField::Email).await;
}

/// Of racing writers of one older id, one succeeds.
pub async fn racing_adds_of_one_external_id_leave_one(store: &StoreUnderTest) {
    let outcomes = race(store, 16, |store, number| async move {
        store
            .add(
                &with_external_id(&format!("racer{number}"), "1"),
                &context(),
            )
            .await
    })
    .await;
    assert_one_winner(store, &outcomes, UniqueField::ExternalId).await;
}

/// Racing writers who want different things all get them.
pub async fn racing_adds_of_different_users_all_succeed(store: &StoreUnderTest) {
    let users = race(store, 32, |store, number| async move {
        store
            .added(&with_external_id(
                &format!("racer{number}"),
                &number.to_string(),
            ))
            .await
    })
    .await;
    assert_eq!(everybody(store).await, 32);
    for user in users {
        assert_eq!(store.find(user.id).await.as_deref(), Some(&user));
    }
}

/// Where several values are taken, the first is named, whoever has them and however it is written.
pub async fn of_several_taken_values_the_first_is_named(store: &StoreUnderTest) {
    let mut all = with_email("alice", "one@example.org");
    all.rest.external_id = Edit::Set(external_id("1"));
    for (name, address, id) in [
        ("zoe", "zoe@example.org", "1"),
        ("bob", "one@example.org", "3"),
        ("alice", "alice@example.org", "2"),
    ] {
        let mut other = with_email(name, address);
        other.rest.external_id = Edit::Set(external_id(id));
        store.added(&other).await;
    }
    assert_eq!(
        store.add(&all, &context()).await,
        taken(UniqueField::Username)
    );
    all.username = username("free");
    assert_eq!(store.add(&all, &context()).await, taken(UniqueField::Email));
    all.email = email("free@example.org");
    assert_eq!(
        store.add(&all, &context()).await,
        taken(UniqueField::ExternalId)
    );

    let changing = store.added(&new_user("changing")).await;
    let change = edit(UserEdits {
        username: Some(username("alice")),
        email: Some(email("one@example.org")),
        ..UserEdits::default()
    });
    let outcome = store.writer.change(changing.id, &change, &context()).await;
    assert_eq!(outcome, taken(UniqueField::Username));
}
