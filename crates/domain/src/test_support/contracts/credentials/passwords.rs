use super::CredentialsUnderTest;
use crate::import::{Import, ImportLedger, MatchBy};
use crate::ports::UserKey;
use crate::test_support::contracts::race;
use crate::test_support::fakes::FakeHasher;
use crate::test_support::samples::{
    context, context_expecting, context_with_key, email, import, new_user, record, seconds, user_id,
};
use crate::user::{Change, ChangeRefused, EventKind, NewUser};
use crate::values::{EmailKey, PasswordOrigin, UsernameKey};
use crate::write::{WriteError, Written};

fn set(password: &str) -> Change {
    Change::SetPassword(FakeHasher::stored(password))
}

fn with_password(name: &str) -> NewUser {
    NewUser {
        password: Some(FakeHasher::imported("first")),
        ..new_user(name)
    }
}

/// A user that is registered with a password has it under every key, and its event includes it.
pub async fn a_user_may_be_added_with_a_password(store: &CredentialsUnderTest) {
    let new = with_password("alice");
    let user = store.added(&new).await;
    assert_eq!(user.password_changed_at, Some(context().at));
    let keys = [
        UserKey::Id(user.id),
        UserKey::Username(UsernameKey::parse("ALICE").expect("a name")),
        UserKey::Email(EmailKey::parse(new.email.as_str()).expect("an address")),
    ];
    for key in keys {
        let found = store
            .credentials
            .find_credential(Some(key.clone()))
            .await
            .expect("a result");
        let found = found.expect("a user");
        assert_eq!(*found.user, user, "{key:?}");
        assert_eq!(found.password, new.password, "{key:?}");
    }
    let unknown = store.credentials.find_credential(None).await;
    assert_eq!(unknown, Ok(None));
    let events = store.events(user.id).await;
    let made = events.first().expect("an event");
    assert!(made.changed.contains(&"password".to_owned()));
    let plain = store.added(&new_user("bob")).await;
    assert_eq!(
        (plain.password_changed_at, store.password(plain.id).await),
        (None, None)
    );
}

/// A password can be set, replaced and removed. Each effective change has an event.
pub async fn a_password_can_be_set_and_removed(store: &CredentialsUnderTest) {
    let user = store.added(&new_user("alice")).await;
    for password in ["first", "second", "second"] {
        let changed = store.changed(user.id, &set(password)).await;
        assert_eq!(changed.password_changed_at, Some(context().at));
        assert_eq!(
            store.password(user.id).await,
            Some(FakeHasher::stored(password))
        );
    }
    let removed = store.changed(user.id, &Change::RemovePassword).await;
    assert_eq!(
        (removed.password_changed_at, store.password(user.id).await),
        (None, None)
    );
    let again = store
        .writer
        .change(user.id, &Change::RemovePassword, &context())
        .await;
    assert!(matches!(again, Ok(Written::Unchanged(_))), "{again:?}");
    let events = store.events(user.id).await;
    let logged: Vec<_> = events
        .iter()
        .map(|event| (event.kind, event.changed.join(",")))
        .collect();
    assert_eq!(logged.len(), 5, "{logged:?}");
    assert!(
        logged
            .iter()
            .skip(1)
            .all(|event| *event == (EventKind::Updated, "password".to_owned()))
    );
    let stored = store.find(user.id).await.expect("a user");
    assert_eq!((stored.revision.get(), stored.version), (5, user.version));
    assert_eq!(stored.updated_at, user.updated_at);
}

/// A refused or replayed change leaves the password unchanged.
pub async fn a_refused_or_replayed_password_is_not_stored(store: &CredentialsUnderTest) {
    let user = store.added(&with_password("alice")).await;
    let refused = store
        .writer
        .change(user.id, &set("second"), &context_expecting(9))
        .await;
    assert_eq!(
        refused,
        Err(WriteError::Refused(ChangeRefused::PreconditionFailed))
    );
    assert_eq!(
        store.password(user.id).await,
        Some(FakeHasher::imported("first"))
    );

    store
        .changed_with(user.id, &set("second"), &context_with_key("key", 1))
        .await;
    store.changed(user.id, &set("third")).await;
    let repeated = store
        .writer
        .change(user.id, &set("second"), &context_with_key("key", 1))
        .await;
    assert!(matches!(repeated, Ok(Written::Replayed(_))), "{repeated:?}");
    assert_eq!(
        store.password(user.id).await,
        Some(FakeHasher::stored("third"))
    );

    let unknown = store
        .writer
        .change(user_id(), &set("any"), &context())
        .await;
    assert_eq!(unknown, Err(WriteError::NotFound));
}

/// A deleted user has no credential until it is restored. The erasure of a user removes its password.
pub async fn a_deleted_user_has_no_credential_until_restored(store: &CredentialsUnderTest) {
    let user = store.added(&with_password("alice")).await;
    store.changed(user.id, &Change::Delete).await;
    let found = store
        .credentials
        .find_credential(Some(UserKey::Id(user.id)))
        .await;
    assert_eq!(found, Ok(None));
    let refused = store
        .writer
        .change(user.id, &set("second"), &context())
        .await;
    assert_eq!(refused, Err(WriteError::Refused(ChangeRefused::NotFound)));
    store.changed(user.id, &Change::Restore).await;
    assert_eq!(
        store.password(user.id).await,
        Some(FakeHasher::imported("first"))
    );
    store.erased(user.id).await;
    assert_eq!(
        store
            .credentials
            .find_credential(Some(UserKey::Id(user.id)))
            .await,
        Ok(None)
    );
}

/// A new hash of the same password replaces the stored one only if that is still the hash that was verified.
pub async fn a_rehash_is_stored_unless_the_password_changed(store: &CredentialsUnderTest) {
    let user = store.added(&with_password("alice")).await;
    let old = FakeHasher::imported("first").hash;
    let new = FakeHasher::stored("first").hash;
    assert_eq!(
        store.credentials.rehash(user.id, &old, &new).await,
        Ok(true)
    );
    let renewed = store.password(user.id).await.expect("a password");
    assert_eq!((&renewed.hash, renewed.origin), (&new, PasswordOrigin::Own));
    assert_eq!(
        store.credentials.rehash(user.id, &old, &old).await,
        Ok(false)
    );
    assert_eq!(store.password(user.id).await, Some(renewed));
    assert_eq!(
        store.credentials.rehash(user_id(), &old, &new).await,
        Ok(false)
    );
    assert_eq!(
        store.events(user.id).await.len(),
        1,
        "a rehash creates no event"
    );
    assert_eq!(*store.find(user.id).await.expect("a user"), user);
}

/// All racing password changes take effect in sequence, and the last one remains.
pub async fn racing_password_changes_keep_the_last_version(store: &CredentialsUnderTest) {
    let id = store.added(&new_user("alice")).await.id;
    let written = race(store, 16, |store, number| async move {
        let stored = FakeHasher::stored(&format!("password {number}"));
        let change = Change::SetPassword(stored.clone());
        let written = store.writer.change(id, &change, &context()).await;
        (written.expect("a write").into_user().revision, stored)
    });
    let written = written.await;
    let last = written.into_iter().max_by_key(|(revision, _)| *revision);
    let (revision, stored) = last.expect("a write");
    assert_eq!(revision.get(), 17);
    assert_eq!(store.password(id).await, Some(stored));
}

/// An import sets the password of a user that has none, or whose imported password has not been used since.
pub async fn an_import_replaces_passwords_until_first_use(store: &CredentialsUnderTest) {
    let bob = store.added(&new_user("bob")).await;
    let batch = |password: &str| {
        ["alice", "bob"].map(|name| {
            let mut record = record(new_user(name));
            record.user.email = email(&format!("{name}@import.example"));
            record.user.password = Some(FakeHasher::imported(password));
            import(record)
        })
    };
    let import = &store.store.import;
    let by_username = ImportLedger::new(Some(MatchBy::Username), []);
    let run = async |batch: &[Import]| {
        let plan = import.import(batch, &by_username).await;
        plan.expect("an import").outcomes
    };
    let outcomes = run(&batch("first")).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let alice = UserKey::Username(UsernameKey::parse("alice").expect("a name"));
    let alice = store.find_by(&alice).await.expect("a user").id;
    for id in [alice, bob.id] {
        assert_eq!(
            store.password(id).await,
            Some(FakeHasher::imported("first"))
        );
        let user = store.find(id).await.expect("a user");
        assert_eq!(user.password_changed_at, Some(seconds(0)));
    }
    store.changed(alice, &set("chosen since")).await;
    let (old, new) = (
        FakeHasher::imported("first").hash,
        FakeHasher::stored("first").hash,
    );
    let used = store.credentials.rehash(bob.id, &old, &new);
    assert_eq!(used.await, Ok(true));
    let before = (store.find(alice).await, store.find(bob.id).await);
    let outcomes = run(&batch("second")).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(
        store.password(alice).await,
        Some(FakeHasher::stored("chosen since"))
    );
    assert_eq!(
        store.password(bob.id).await,
        Some(FakeHasher::stored("first"))
    );
    assert_eq!((store.find(alice).await, store.find(bob.id).await), before);
}

/// A password that changed in the source between two imports is replaced. The same password again changes nothing.
pub async fn a_password_changed_elsewhere_is_imported_again(store: &CredentialsUnderTest) {
    let id = user_id();
    let record_of = |password: &str| {
        let mut record = record(new_user("alice"));
        record.id = Some(id);
        record.user.email = email("alice@import.example");
        record.user.password = Some(FakeHasher::imported(password));
        import(record)
    };
    let import = &store.store.import;
    for (password, revision) in [("first", 1), ("second", 2), ("second", 2), ("third", 3)] {
        let ledger = ImportLedger::default();
        let plan = import.import(&[record_of(password)], &ledger).await;
        let outcomes = plan.expect("an import").outcomes;
        assert!(matches!(outcomes.as_slice(), [Ok(_)]), "{outcomes:?}");
        assert_eq!(
            store.password(id).await,
            Some(FakeHasher::imported(password))
        );
        let user = store.find(id).await.expect("a user");
        assert_eq!(
            (user.revision.get(), user.version.get()),
            (revision, 1),
            "{password}"
        );
    }
}
