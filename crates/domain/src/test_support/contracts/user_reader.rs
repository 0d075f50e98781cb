//! The contract of [`crate::ports::UserReader`].

use std::sync::Arc;

use super::{StoreUnderTest, assert_same, expected as expected_after};
use crate::ports::{UserKey, UserKeys};
use crate::test_support::samples::{
    awkward_user, context, context_at, edit, email, external_id, merge_public, new_user,
    registered, rename, seconds, set_name, user_id, username,
};
use crate::user::{Change, Edit, NewUser, User, UserEdits};
use crate::values::{EmailKey, UserId, UsernameKey};

fn new_user_with_external_id(name: &str, id: &str) -> NewUser {
    let mut new = new_user(name);
    new.rest.external_id = Edit::Set(external_id(id));
    new
}

fn keys_of(user: &User) -> Vec<UserKey> {
    let mut keys = vec![
        UserKey::Id(user.id),
        UserKey::Username(UsernameKey::from(&user.username)),
        UserKey::Email(EmailKey::from(&user.email)),
    ];
    keys.extend(user.external_id.clone().map(UserKey::ExternalId));
    keys
}

fn ids(users: &[Option<Arc<User>>]) -> Vec<Option<UserId>> {
    users
        .iter()
        .map(|user| user.as_ref().map(|user| user.id))
        .collect()
}

/// A user is found by id, username, email address and external id.
pub async fn a_user_is_found_by_each_of_its_keys(store: &StoreUnderTest) {
    let user = store
        .added(&new_user_with_external_id("Alice", "4711"))
        .await;
    store.added(&new_user_with_external_id("Bob", "4712")).await;
    for key in keys_of(&user) {
        let found = store.find_by(&key).await;
        assert_eq!(found.as_deref(), Some(&user), "{key:?}");
    }
}

/// Spellings of a username or email address with the same key find the same user.
pub async fn a_user_is_found_by_any_spelling_of_name_or_email(store: &StoreUnderTest) {
    let new = NewUser {
        email: email("Jurgen.Strasse@BÜCHER.example"),
        ..new_user("JÜRGEN")
    };
    let user = store.added(&new).await;
    let keys = [
        UserKey::Username(UsernameKey::parse("ju\u{308}rgen").expect("a name")),
        UserKey::Username(UsernameKey::parse("JÜRgen").expect("a name")),
        UserKey::Email(
            EmailKey::parse("JURGEN.STRASSE@xn--BCHER-kva.example").expect("an address"),
        ),
    ];
    for key in keys {
        assert_eq!(store.find_by(&key).await.as_deref(), Some(&user), "{key:?}");
    }
}

/// A key that no user has finds no user.
pub async fn an_unknown_key_finds_no_user(store: &StoreUnderTest) {
    store.added(&new_user_with_external_id("alice", "1")).await;
    let stranger = registered(&new_user_with_external_id("bob", "2"), &context());
    for key in keys_of(&stranger.user) {
        assert_eq!(store.find_by(&key).await, None, "{key:?}");
    }
}

/// User ids and external ids are separate namespaces, even for equal texts.
pub async fn an_external_id_is_never_mistaken_for_a_user_id(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let bob = store
        .added(&new_user_with_external_id("bob", &alice.id.to_string()))
        .await;
    let older_id = external_id(&alice.id.to_string());
    assert_eq!(
        store
            .find_by(&UserKey::ExternalId(older_id))
            .await
            .as_deref(),
        Some(&bob)
    );
    assert_eq!(store.find(alice.id).await.as_deref(), Some(&alice));
}

/// A store returns deleted users. The use cases decide which callers may see them.
pub async fn a_deleted_user_is_found_by_each_of_its_keys(store: &StoreUnderTest) {
    let user = store.added(&new_user_with_external_id("alice", "1")).await;
    let deleted = store.changed(user.id, &Change::Delete).await;
    for key in keys_of(&user) {
        assert_eq!(
            store.find_by(&key).await.as_deref(),
            Some(&deleted),
            "{key:?}"
        );
    }
}

/// A reader sees each acknowledged write immediately, by every key.
pub async fn a_reader_sees_the_last_acknowledged_write(store: &StoreUnderTest) {
    let new = new_user_with_external_id("alice", "1");
    let mut user = store.added(&new).await;
    let changes = [
        set_name("Alice"),
        rename("alicia"),
        Change::suspend(),
        Change::Delete,
        Change::Restore,
        set_name("Al"),
    ];
    for change in changes {
        for key in keys_of(&user) {
            assert_eq!(
                store.find_by(&key).await.as_deref(),
                Some(&user),
                "before {change:?} by {key:?}"
            );
        }
        user = store.changed(user.id, &change).await;
        for key in keys_of(&user) {
            assert_eq!(
                store.find_by(&key).await.as_deref(),
                Some(&user),
                "after {change:?} by {key:?}"
            );
        }
    }
    store.erased(user.id).await;
    for key in keys_of(&user) {
        assert_eq!(
            store.find_by(&key).await,
            None,
            "after the erasure by {key:?}"
        );
    }
}

/// A lookup that found no user does not affect later lookups.
pub async fn a_lookup_before_creation_does_not_hide_the_new_user(store: &StoreUnderTest) {
    let context = context();
    let applied = registered(&new_user_with_external_id("alice", "1"), &context);
    for key in keys_of(&applied.user) {
        assert_eq!(store.find_by(&key).await, None, "{key:?}");
    }
    store
        .writer
        .add(&applied, &context)
        .await
        .expect("a user that can be added");
    for key in keys_of(&applied.user) {
        assert_eq!(
            store.find_by(&key).await.as_deref(),
            Some(&applied.user),
            "{key:?}"
        );
    }
}

/// A username or email address that a user no longer has finds no user.
pub async fn a_former_username_or_email_finds_no_user(store: &StoreUnderTest) {
    let before = store.added(&new_user("alice")).await;
    let change = edit(UserEdits {
        username: Some(username("alicia")),
        email: Some(email("alicia@example.com")),
        ..UserEdits::default()
    });
    store.changed(before.id, &change).await;
    assert_eq!(
        store
            .find_by(&UserKey::Username(UsernameKey::from(&before.username)))
            .await,
        None
    );
    assert_eq!(
        store
            .find_by(&UserKey::Email(EmailKey::from(&before.email)))
            .await,
        None
    );
}

/// A batch returns one result for each key, in the order of the keys, also for repeated and unknown keys.
pub async fn a_batch_keeps_key_order_with_duplicates_and_missing_users(store: &StoreUnderTest) {
    let alice = store.added(&new_user_with_external_id("alice", "1")).await;
    let bob = store.added(&new_user_with_external_id("bob", "2")).await;
    let (a, b) = (alice.id, bob.id);
    let name = |text: &str| UsernameKey::parse(text).expect("a name");
    let address = |user: &User| EmailKey::from(&user.email);
    let unknown = EmailKey::parse("nobody@example.org").expect("an address");
    let questions = [
        UserKeys::Ids(vec![b, a, user_id(), b, b]),
        UserKeys::Usernames(vec![
            name("BOB"),
            name("alice"),
            name("carol"),
            name("bob"),
            name("Bob"),
        ]),
        UserKeys::Emails(vec![
            address(&bob),
            address(&alice),
            unknown,
            address(&bob),
            address(&bob),
        ]),
        UserKeys::ExternalIds(["2", "1", "3", "2", "2"].map(external_id).to_vec()),
    ];
    for keys in questions {
        let found = store.reader.find_many(&keys).await.expect("a result");
        assert_eq!(
            ids(&found),
            [Some(b), Some(a), None, Some(b), Some(b)],
            "{keys:?}"
        );
        assert_eq!(
            found.first().cloned().flatten().as_deref(),
            Some(&bob),
            "{keys:?}"
        );
    }
}

/// A batch lookup returns deleted users like a single lookup does.
pub async fn a_batch_includes_deleted_users(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let deleted = store.changed(alice.id, &Change::Delete).await;
    let found = store
        .reader
        .find_many(&UserKeys::Ids(vec![alice.id]))
        .await
        .expect("a result");
    assert_eq!(found, [Some(Arc::new(deleted))]);
}

/// An empty batch returns an empty result.
pub async fn an_empty_batch_finds_no_users(store: &StoreUnderTest) {
    store.added(&new_user("alice")).await;
    let questions = [
        UserKeys::Ids(Vec::new()),
        UserKeys::Usernames(Vec::new()),
        UserKeys::Emails(Vec::new()),
        UserKeys::ExternalIds(Vec::new()),
    ];
    for keys in questions {
        assert_eq!(
            store.reader.find_many(&keys).await,
            Ok(Vec::new()),
            "{keys:?}"
        );
    }
}

/// The largest batch is accepted in one call.
pub async fn a_batch_of_500_keys_is_one_call(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let mut keys: Vec<UserId> = (0..499).map(|_| user_id()).collect();
    keys.push(alice.id);
    let found = store
        .reader
        .find_many(&UserKeys::Ids(keys))
        .await
        .expect("a result");
    assert_eq!(found.len(), 500);
    assert_eq!(found.iter().flatten().count(), 1);
    assert_eq!(found.last().cloned().flatten().as_deref(), Some(&alice));
}

/// A stored user equals the written one in every field, character, digit and microsecond.
pub async fn every_value_is_stored_exactly(store: &StoreUnderTest) {
    let context = context_at(seconds(1));
    let applied = registered(&awkward_user("Ünï.𠜎-9"), &context);
    let written = store
        .writer
        .add(&applied, &context)
        .await
        .expect("a user that can be added");
    assert_same(&written.into_user(), &applied.user);
    for key in keys_of(&applied.user) {
        assert_same(&store.find_by(&key).await.expect("the user"), &applied.user);
    }
    let many = store
        .reader
        .find_many(&UserKeys::Ids(vec![applied.user.id]))
        .await
        .expect("a result");
    assert_same(
        many.first().and_then(Option::as_ref).expect("the user"),
        &applied.user,
    );
}

/// A change stores every value exactly, including the order of the metadata members.
pub async fn a_change_keeps_every_value_exactly(store: &StoreUnderTest) {
    let user = store.added(&awkward_user("alice")).await;
    let changes = [
        merge_public(r#"{"z":2.50,"new":{"é":9007199254740993},"a":1E40}"#),
        Change::Delete,
        Change::Restore,
        Change::Activate,
        edit(UserEdits {
            phone_number: Edit::Clear,
            ..UserEdits::default()
        }),
    ];
    let mut expected = user;
    for (number, change) in (1..).zip(changes) {
        let context = context_at(seconds(number));
        let next = expected_after(&expected, &change, &context).user;
        assert_same(
            &store.changed_with(expected.id, &change, &context).await,
            &next,
        );
        assert_same(&store.find(expected.id).await.expect("the user"), &next);
        expected = next;
    }
}
