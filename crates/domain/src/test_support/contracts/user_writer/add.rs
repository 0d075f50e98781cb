//! Adding a user.

use super::{StoreUnderTest, applied, assert_one_winner, race, taken, user_count};
use crate::test_support::samples::{
    awkward_user, context, context_with_key, edit, email, external_id, new_user, registered,
    username,
};
use crate::user::{Change, Edit, NewUser, UserEdits};
use crate::write::{TakenFields, UniqueField};

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

/// The stored user is the one that `register` created.
pub async fn an_added_user_is_stored_as_registered(store: &StoreUnderTest) {
    let context = context();
    let made = registered(&awkward_user("alice"), &context);
    assert_eq!(store.writer.add(&made, &context).await, applied(&made.user));
    assert_eq!(store.find(made.user.id).await.as_deref(), Some(&made.user));
}

/// A username is taken if another user has it in any case.
pub async fn a_username_is_unique_in_any_case(store: &StoreUnderTest) {
    store.added(&new_user("Alice.Smith")).await;
    for name in ["Alice.Smith", "alice.smith", "ALICE.SMITH"] {
        assert_eq!(
            store.add(&new_user(name), &context()).await,
            taken(UniqueField::Username),
            "{name}"
        );
    }
    assert_eq!(user_count(store).await, 1);
}

/// Usernames outside ASCII are also compared without case.
pub async fn a_non_ascii_username_is_unique_in_any_case(store: &StoreUnderTest) {
    store.added(&new_user("ÅNGSTRÖM")).await;
    for name in ["ångström", "Ångström", "a\u{30a}ngstro\u{308}m"] {
        assert_eq!(
            store.add(&new_user(name), &context()).await,
            taken(UniqueField::Username),
            "{name}"
        );
    }
}

/// A username with the skeleton of another user's name is taken.
pub async fn a_lookalike_of_a_username_is_taken(store: &StoreUnderTest) {
    store.added(&new_user("paypal")).await;
    // The second letter is a Latin alpha.
    let look_alike = new_user("p\u{251}ypal");
    assert_ne!(look_alike.username.key(), username("paypal").key());
    assert_eq!(
        store.add(&look_alike, &context()).await,
        taken(UniqueField::Username)
    );
}

/// Similar ASCII letters are distinct, because many legitimate names differ only by them.
pub async fn similar_ascii_usernames_may_both_exist(store: &StoreUnderTest) {
    store.added(&new_user("modern")).await;
    store.added(&new_user("modem")).await;
    assert_eq!(user_count(store).await, 2);
}

/// An email address is also taken in another case and with its domain in ASCII (Punycode).
pub async fn an_email_address_is_unique_in_any_spelling(store: &StoreUnderTest) {
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

/// External ids are unique and case-sensitive.
pub async fn an_external_id_is_unique_by_exact_text(store: &StoreUnderTest) {
    store.added(&with_external_id("alice", "Ab")).await;
    assert_eq!(
        store.add(&with_external_id("bob", "Ab"), &context()).await,
        taken(UniqueField::ExternalId)
    );
    store.added(&with_external_id("carol", "ab")).await;
}

/// A missing external id is not a value and cannot be taken.
pub async fn many_users_may_have_no_external_id(store: &StoreUnderTest) {
    store.added(&new_user("alice")).await;
    store.added(&new_user("bob")).await;
    assert_eq!(user_count(store).await, 2);
}

/// A deleted user keeps its username, email address and external id.
pub async fn values_of_a_deleted_user_stay_taken(store: &StoreUnderTest) {
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

/// A refused addition stores nothing, not even its idempotency key.
pub async fn a_refused_addition_stores_nothing(store: &StoreUnderTest) {
    store.added(&new_user("alice")).await;
    let refused = registered(&with_external_id("Alice", "1"), &context());
    let outcome = store
        .writer
        .add(&refused, &context_with_key("key", 1))
        .await;
    assert_eq!(outcome, taken(UniqueField::Username));
    assert_eq!(store.find(refused.user.id).await, None);
    assert_eq!(store.events(refused.user.id).await, []);
    assert_eq!(user_count(store).await, 1);

    let context = context_with_key("key", 2);
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

/// One of several racing writers of one username in different cases succeeds.
pub async fn racing_adds_of_one_username_create_one_user(store: &StoreUnderTest) {
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
    assert_eq!(user_count(store).await, 1);
}

/// One of several racing writers of look-alike usernames succeeds.
pub async fn racing_adds_of_lookalike_names_create_one_user(store: &StoreUnderTest) {
    let outcomes = race(store, 16, |store, number| {
        let name = if number % 2 == 0 {
            "paypal"
        } else {
            "p\u{251}ypal"
        };
        async move { store.add(&new_user(name), &context()).await }
    })
    .await;
    assert_one_winner(store, &outcomes, UniqueField::Username).await;
}

/// One of several racing writers of one email address succeeds.
pub async fn racing_adds_of_one_email_address_create_one_user(store: &StoreUnderTest) {
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

/// One of several racing writers of one external id succeeds.
pub async fn racing_adds_of_one_external_id_create_one_user(store: &StoreUnderTest) {
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

/// Racing writers of different values do not disturb each other.
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
    assert_eq!(user_count(store).await, 32);
    for user in users {
        assert_eq!(store.find(user.id).await.as_deref(), Some(&user));
    }
}

/// If several values are taken, the error names all of them, independent of their owners and of the kind of write.
pub async fn all_taken_values_are_reported(store: &StoreUnderTest) {
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
    let last_two = TakenFields::from(UniqueField::ExternalId).and(UniqueField::Email);
    assert_eq!(
        store.add(&all, &context()).await,
        taken(last_two.and(UniqueField::Username))
    );
    all.username = username("free");
    assert_eq!(store.add(&all, &context()).await, taken(last_two));
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
    let expected = TakenFields::from(UniqueField::Username).and(UniqueField::Email);
    assert_eq!(outcome, taken(expected));

    // A reserved name is taken as well.
    let renamed = edit(UserEdits {
        username: Some(username("elsewhere")),
        ..UserEdits::default()
    });
    let zoe = store.added(&new_user("zoe-two")).await;
    let renamed = store.writer.change(zoe.id, &renamed, &context()).await;
    assert!(renamed.is_ok(), "{renamed:?}");
    let both = with_email("zoe-two", "one@example.org");
    assert_eq!(store.add(&both, &context()).await, taken(expected));
}
