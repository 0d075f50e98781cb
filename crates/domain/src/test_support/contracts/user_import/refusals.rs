//! Records that an import refuses.

use super::{ImportUnderTest, assert_refused, assert_same, created, with_external_id};
use crate::import::{Imported, MatchBy};
use crate::ports::Records;
use crate::test_support::samples::{
    context, context_at, external_id, import, new_user, record, rename, username,
};
use crate::user::{Change, Edit, Event, EventKind, NewUser, Presence, Record, User};
use crate::write::USERNAME_RESERVATION;

/// A record whose keys match two users changes neither. The error names the conflicting key.
pub async fn a_record_with_keys_of_two_users_is_refused(store: &ImportUnderTest) {
    let (alice, bob) = (with_external_id("alice", "1"), with_external_id("bob", "2"));
    let (a, b) = (store.added(&alice).await, store.added(&bob).await);
    let mixed = NewUser {
        email: bob.email.clone(),
        ..alice.clone()
    };
    assert_refused(&store.run_one(record(mixed)).await, "email", "conflict");
    let mixed = NewUser {
        username: bob.username.clone(),
        ..alice.clone()
    };
    assert_refused(&store.run_one(record(mixed)).await, "username", "conflict");
    let mixed = Record {
        id: Some(b.id),
        ..record(alice.clone())
    };
    assert_refused(&store.run_one(mixed).await, "external_id", "conflict");
    // The username of one user with an unknown external id, while that user has a different one.
    let mut mixed = alice;
    mixed.rest.external_id = Edit::Set(external_id("3"));
    assert_refused(
        &store.match_one(MatchBy::Username, record(mixed)).await,
        "external_id",
        "conflict",
    );
    for user in [a, b] {
        assert_same(&store.find(user.id).await.expect("the user"), &user);
        assert_eq!(store.kinds(user.id).await, [EventKind::Created]);
    }
}

/// The other records of a batch with a refused record are imported.
pub async fn a_refused_record_does_not_affect_others(store: &ImportUnderTest) {
    store.added(&new_user("paypal")).await;
    let [before, refused, behind] = store
        .run_these(&[
            import(record(new_user("alice"))),
            import(record(new_user("p\u{251}ypal"))),
            import(record(new_user("bob"))),
        ])
        .await;
    assert_refused(&refused, "username", "taken");
    for outcome in [&before, &behind] {
        let id = created(outcome);
        assert!(store.find(id).await.is_some());
        assert_eq!(store.kinds(id).await, [EventKind::Created]);
    }
    assert_eq!(store.user_count().await, 3);
}

/// A look-alike of a username is refused both for a new user and for a rename.
pub async fn a_lookalike_name_is_refused(store: &ImportUnderTest) {
    store.added(&new_user("paypal")).await;
    let bob = new_user("bob");
    store.added(&bob).await;
    let look_alike = username("p\u{251}ypal");
    let made = NewUser {
        username: look_alike.clone(),
        ..new_user("unused")
    };
    let renamed = NewUser {
        username: look_alike,
        ..bob
    };
    for new in [made, renamed] {
        let outcome = store.match_one(MatchBy::Email, record(new)).await;
        assert_refused(&outcome, "username", "taken");
    }
}

/// A username that another user released within the last 90 days is refused. Its former owner may have it back.
pub async fn a_reserved_name_is_refused_except_to_its_former_owner(store: &ImportUnderTest) {
    let alice = store.added(&new_user("alice")).await;
    let renamed = store.changed(alice.id, &rename("alicia")).await;
    let wanted = new_user("Alice");
    assert_refused(
        &store.run_one(record(wanted.clone())).await,
        "username",
        "taken",
    );
    let own = NewUser {
        email: renamed.email.clone(),
        ..wanted.clone()
    };
    assert_eq!(
        store.match_one(MatchBy::Email, record(own)).await,
        Ok(Imported::Updated(alice.id))
    );
    let erased = store.added(&new_user("bob")).await;
    store.erased(erased.id).await;
    let mut later = import(record(new_user("bob")));
    let [refused] = store.run_these(&[later.clone()]).await;
    assert_refused(&refused, "username", "taken");
    later.context = context_at(context().at.plus(USERNAME_RESERVATION));
    assert_eq!(
        store.run(&[later.clone()]).await,
        [Ok(Imported::Created(later.fresh_id))]
    );
}

/// A username that is released by an import is reserved like any other.
pub async fn a_name_released_by_an_import_is_reserved(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let id = store.added(&alice).await.id;
    let renamed = NewUser {
        username: username("alicia"),
        ..alice
    };
    let renamed = Record {
        id: Some(id),
        ..record(renamed)
    };
    let batch = [import(renamed), import(record(new_user("alice")))];
    let [renamed, refused] = store.run_these(&batch).await;
    assert_eq!(renamed, Ok(Imported::Updated(id)));
    assert_refused(&refused, "username", "taken");
    assert_refused(
        &store.run_one(record(new_user("ALICE"))).await,
        "username",
        "taken",
    );
    assert!(store.add(&new_user("alice"), &context()).await.is_err());
}

/// Id and external id of an erased user can never be used again, even after its events are purged.
pub async fn the_ids_of_an_erased_user_are_refused_forever(store: &ImportUnderTest) {
    let erased = store.added(&with_external_id("alice", "1")).await.id;
    store.erased(erased).await;
    let expired = store.added(&with_external_id("bob", "2")).await.id;
    store.changed(expired, &Change::Delete).await;
    let later = context_at(context().at.plus(User::RESTORE_PERIOD));
    let retention = &store.retention;
    assert_eq!(retention.erase_expired(expired, &later).await, Ok(true));
    let much_later = later.at.plus(Event::RETENTION + USERNAME_RESERVATION);
    for purges in [false, true] {
        if purges {
            for records in [Records::Events, Records::Usernames] {
                let purged = retention.purge(records, much_later).await;
                assert!(purged.expect("a purge").removed > 0);
            }
            assert!(store.events(erased).await.is_empty());
        }
        for (id, name, external_id) in [(erased, "alice", "1"), (expired, "bob", "2")] {
            let by_id = Record {
                id: Some(id),
                ..record(new_user("other"))
            };
            assert_refused(&store.run_one(by_id).await, "id", "erased");
            let by_external_id = record(with_external_id(name, external_id));
            assert_refused(
                &store.run_one(by_external_id).await,
                "external_id",
                "erased",
            );
        }
    }
    assert_eq!(store.user_count().await, 0);
}

/// A record with a status restores a deleted user. A record without a status is refused.
pub async fn a_deleted_user_is_restored_only_by_an_explicit_status(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let id = store.added(&alice).await.id;
    store.changed(id, &Change::Delete).await;
    assert_refused(
        &store.match_one(MatchBy::Email, record(alice.clone())).await,
        "status",
        "required",
    );
    let present = Record {
        presence: Presence::Present,
        ..record(alice)
    };
    assert_eq!(
        store.match_one(MatchBy::Email, present).await,
        Ok(Imported::Updated(id))
    );
    assert!(!store.find(id).await.expect("the user").is_deleted());
    assert_eq!(
        store.kinds(id).await,
        [EventKind::Created, EventKind::Deleted, EventKind::Restored]
    );
}
