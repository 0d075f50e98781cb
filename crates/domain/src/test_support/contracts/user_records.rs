//! The contract of [`crate::ports::UserRecords`] and of reserved usernames.

use super::StoreUnderTest;
use super::user_writer::taken;
use crate::ports::StoredRecords;
use crate::test_support::samples::{
    context, context_at, context_with_key, new_user, rename, seconds, user_id, username,
};
use crate::user::Actor;
use crate::values::UserId;
use crate::write::{USERNAME_RESERVATION, UniqueField, WriteContext};

impl StoreUnderTest {
    /// Renames a user to each of these names, one second apart.
    async fn renamed(&self, id: UserId, names: &[&str]) {
        for (second, name) in (1..).zip(names) {
            self.changed_with(id, &rename(name), &context_at(seconds(second)))
                .await;
        }
    }

    async fn records_of(&self, id: UserId) -> StoredRecords {
        self.records.records_of(id).await.expect("a result")
    }

    async fn reserved(&self, id: UserId) -> Vec<Option<String>> {
        let records = self.records_of(id).await;
        records
            .reserved_names
            .into_iter()
            .map(|name| name.key)
            .collect()
    }

    /// Whether another user may take a name now. The user that tries is erased and the name is freed again.
    async fn is_free(&self, name: &str, at: u64) -> bool {
        let context = context_at(seconds(at));
        let added = self.add(&new_user(name), &context).await;
        let Ok(written) = added else {
            assert_eq!(added, taken(UniqueField::Username));
            return false;
        };
        self.writer
            .erase(written.user().id, &context)
            .await
            .expect("a user that can be erased");
        let freed = self.records.release_name(&username(name)).await;
        assert_eq!(freed.expect("a result").len(), 1);
        true
    }
}

fn keys(names: &[&str]) -> Vec<Option<String>> {
    names.iter().map(|name| Some((*name).to_owned())).collect()
}

/// A fourth released username ends the reservation of the oldest.
pub async fn at_most_three_names_of_a_user_are_reserved(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    store
        .renamed(alice.id, &["second", "third", "fourth"])
        .await;
    assert_eq!(
        store.reserved(alice.id).await,
        keys(&["third", "second", "alice"])
    );
    assert!(!store.is_free("alice", 9).await);
    let fifth = context_at(seconds(9));
    store.changed_with(alice.id, &rename("fifth"), &fifth).await;
    assert_eq!(
        store.reserved(alice.id).await,
        keys(&["fourth", "third", "second"])
    );
    assert!(store.is_free("alice", 9).await);
    for name in ["second", "third", "fourth"] {
        assert!(!store.is_free(name, 9).await, "{name}");
    }
}

/// Released usernames of one user do not end reservations of another.
pub async fn reserved_names_are_counted_per_user(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let bob = store.added(&new_user("bobby")).await;
    store.renamed(bob.id, &["robert"]).await;
    store
        .renamed(alice.id, &["second", "third", "fourth", "fifth"])
        .await;
    assert_eq!(store.reserved(bob.id).await, keys(&["bobby"]));
    assert!(!store.is_free("bobby", 9).await);
}

/// A released username that its user has again is no longer reserved.
pub async fn a_reclaimed_name_is_not_reserved(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    store.renamed(alice.id, &["alicia", "ALICE"]).await;
    assert_eq!(store.reserved(alice.id).await, keys(&["alicia"]));
}

/// Reservations of an erased user continue, but their names cannot be read.
pub async fn reserved_names_of_an_erased_user_are_unreadable(store: &StoreUnderTest) {
    let paypal = store.added(&new_user("paypal")).await;
    store.renamed(paypal.id, &["alicia"]).await;
    store.erased(paypal.id).await;
    assert_eq!(store.reserved(paypal.id).await, [None, None]);
    for name in ["paypal", "PayPal", "p\u{251}ypal", "Alicia"] {
        assert!(!store.is_free(name, 9).await, "{name}");
    }
    let bob = store.added(&new_user("bobby")).await;
    let renamed = store
        .writer
        .change(bob.id, &rename("paypal"), &context())
        .await;
    assert_eq!(renamed, taken(UniqueField::Username));
    let after = context_at(seconds(1).plus(USERNAME_RESERVATION));
    store
        .changed_with(bob.id, &rename("p\u{251}ypal"), &after)
        .await;
}

/// The limit of reserved usernames also holds for an erased user.
pub async fn an_erased_user_leaves_at_most_three_reserved_names(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    store
        .renamed(alice.id, &["second", "third", "fourth"])
        .await;
    let at = context_at(seconds(9));
    store.writer.erase(alice.id, &at).await.expect("an erasure");
    assert_eq!(store.reserved(alice.id).await.len(), 3);
    assert!(store.is_free("alice", 9).await);
    for name in ["second", "third", "fourth"] {
        assert!(!store.is_free(name, 9).await, "{name}");
    }
}

/// Ending a reservation returns what was released and frees the username and its look-alikes.
pub async fn a_reservation_ended_by_an_operator_frees_the_name(store: &StoreUnderTest) {
    let alice = store.added(&new_user("paypal")).await;
    store.renamed(alice.id, &["alicia"]).await;
    let erased = store.added(&new_user("carol")).await;
    store.erased(erased.id).await;
    let release = async |name: &str| {
        let released = store.records.release_name(&username(name)).await;
        released.expect("a result")
    };
    let released = release("p\u{251}ypal").await;
    let reported = released
        .iter()
        .map(|name| (name.key.as_deref(), name.owner, name.since));
    assert_eq!(
        reported.collect::<Vec<_>>(),
        [(Some("paypal"), alice.id, seconds(1))]
    );
    assert!(store.is_free("paypal", 9).await);
    let released = release("Carol").await;
    let reported = released
        .iter()
        .map(|name| (name.key.as_deref(), name.owner));
    assert_eq!(reported.collect::<Vec<_>>(), [(None, erased.id)]);
    assert!(store.is_free("carol", 9).await);
    for name in ["carol", "alicia", "nobody"] {
        assert_eq!(release(name).await, [], "{name}");
    }
    assert!(!store.is_free("alicia", 9).await);
}

/// Counted are the records of writes whose actor is the user.
pub async fn the_idempotency_records_of_a_user_are_counted(store: &StoreUnderTest) {
    let alice = store
        .added_with(&new_user("alice"), &context_with_key("create", 1))
        .await;
    for key in ["one", "two"] {
        let own = WriteContext {
            actor: Actor::of_user(alice.id),
            ..context_with_key(key, 1)
        };
        store.changed_with(alice.id, &rename(key), &own).await;
    }
    assert_eq!(store.records_of(alice.id).await.idempotency_keys, 2);
    assert_eq!(store.records_of(user_id()).await, StoredRecords::default());
}
