//! What an import refuses.

use super::{ImportUnderTest, assert_refused, assert_same, created, with_external_id};
use crate::import::Imported;
use crate::test_support::samples::{
    context, context_at, external_id, import, new_user, record, rename, username,
};
use crate::user::{Change, Edit, EventKind, NewUser, Presence, Record};
use crate::write::NAME_REST;

/// A record whose keys name two users changes neither, and the fault names the key that disagrees.
pub async fn keys_of_two_users_are_refused(store: &ImportUnderTest) {
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
    // A third person's older id beside the name of somebody who has another one.
    let mut mixed = alice;
    mixed.rest.external_id = Edit::Set(external_id("3"));
    assert_refused(
        &store.run_one(record(mixed)).await,
        "external_id",
        "conflict",
    );
    for user in [a, b] {
        assert_same(&store.find(user.id).await.expect("the user"), &user);
        assert_eq!(store.kinds(user.id).await, [EventKind::Created]);
    }
}

/// The neighbours of a refused record are imported.
pub async fn a_refused_record_takes_no_other_along(store: &ImportUnderTest) {
    store.added(&new_user("paypal")).await;
    let [before, refused, behind] = store
        .run_these(&[
            import(record(new_user("alice"))),
            import(record(new_user("\u{440}\u{430}ypal"))),
            import(record(new_user("bob"))),
        ])
        .await;
    assert_refused(&refused, "username", "taken");
    for outcome in [&before, &behind] {
        let id = created(outcome);
        assert!(store.find(id).await.is_some());
        assert_eq!(store.kinds(id).await, [EventKind::Created]);
    }
    assert_eq!(store.everybody().await, 3);
}

/// Who looks like somebody else is refused, made or renamed.
pub async fn a_look_alike_of_a_name_is_refused(store: &ImportUnderTest) {
    store.added(&new_user("paypal")).await;
    let bob = new_user("bob");
    store.added(&bob).await;
    let look_alike = username("\u{440}\u{430}ypal");
    let made = NewUser {
        username: look_alike.clone(),
        ..new_user("unused")
    };
    let renamed = NewUser {
        username: look_alike,
        ..bob
    };
    for new in [made, renamed] {
        assert_refused(&store.run_one(record(new)).await, "username", "taken");
    }
}

/// A name that somebody else gave up less than 90 days ago is refused; who gave it up may have it back.
pub async fn a_resting_name_is_refused_but_to_who_gave_it_up(store: &ImportUnderTest) {
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
        store.run_one(record(own)).await,
        Ok(Imported::Updated(alice.id))
    );
    let erased = store.added(&new_user("bob")).await;
    store.erased(erased.id).await;
    let mut later = import(record(new_user("bob")));
    let [refused] = store.run_these(&[later.clone()]).await;
    assert_refused(&refused, "username", "taken");
    later.context = context_at(context().at.plus(NAME_REST));
    assert_eq!(
        store.run(&[later.clone()]).await,
        [Ok(Imported::Created(later.fresh_id))]
    );
}

/// A name that an import takes from its user rests like any other.
pub async fn a_name_given_up_by_an_import_rests(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let id = store.added(&alice).await.id;
    let renamed = NewUser {
        username: username("alicia"),
        ..alice
    };
    let batch = [import(record(renamed)), import(record(new_user("alice")))];
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

/// The id of a user who was erased is nobody's any more.
pub async fn an_erased_id_is_refused(store: &ImportUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    store.erased(id).await;
    let back = Record {
        id: Some(id),
        ..record(new_user("alice"))
    };
    assert_refused(&store.run_one(back).await, "id", "erased");
    assert_eq!(store.everybody().await, 0);
}

/// A record brings a deleted user back if it says a status, and is refused if it says none.
pub async fn a_deleted_user_is_brought_back_only_by_a_record_that_says_so(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let id = store.added(&alice).await.id;
    store.changed(id, &Change::Delete).await;
    assert_refused(
        &store.run_one(record(alice.clone())).await,
        "status",
        "required",
    );
    let present = Record {
        presence: Presence::Present,
        ..record(alice)
    };
    assert_eq!(store.run_one(present).await, Ok(Imported::Updated(id)));
    assert!(!store.find(id).await.expect("the user").is_deleted());
    assert_eq!(
        store.kinds(id).await,
        [EventKind::Created, EventKind::Deleted, EventKind::Restored]
    );
}
