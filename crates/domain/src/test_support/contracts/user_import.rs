//! The promises of [`crate::ports::UserImport`].

mod batches;
mod refusals;

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub use batches::*;
pub use refusals::*;

use super::{StoreUnderTest, assert_same};
use crate::directory::DirectoryFilter;
use crate::import::{Import, ImportOutcome, Imported};
use crate::ports::{
    ChangeLog, Retention, ServiceTokenRegistry, UserDirectory, UserImport, UserReader, UserWriter,
};
use crate::test_support::fakes::FakeStore;
use crate::test_support::samples::{
    awkward_user, context_at, external_id, import, line, new_user, record, seconds, user_id,
    username,
};
use crate::user::{Change, Edit, EventKind, NewUser, Past, Presence, Record, Status, User};
use crate::values::{UserId, Version};

/// An empty store, read without a cache, and the port that brings many users into it.
#[derive(Clone)]
pub struct ImportUnderTest {
    /// The store.
    pub store: StoreUnderTest,
    /// What is tried.
    pub import: Arc<dyn UserImport>,
}

impl fmt::Debug for ImportUnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ImportUnderTest")
    }
}

impl AsRef<Self> for ImportUnderTest {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Deref for ImportUnderTest {
    type Target = StoreUnderTest;

    fn deref(&self) -> &StoreUnderTest {
        &self.store
    }
}

impl<S> From<Arc<S>> for ImportUnderTest
where
    S: UserReader
        + UserWriter
        + UserDirectory
        + ChangeLog
        + Retention
        + ServiceTokenRegistry
        + UserImport
        + 'static,
{
    /// Tries one value that is all these ports.
    fn from(store: Arc<S>) -> Self {
        Self {
            import: store.clone(),
            store: store.into(),
        }
    }
}

impl Default for ImportUnderTest {
    /// Gives an empty [`FakeStore`].
    fn default() -> Self {
        Self::from(Arc::new(FakeStore::default()))
    }
}

impl ImportUnderTest {
    /// Keeps something alive for as long as the store.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.store = self.store.keeping(kept);
        self
    }

    async fn run(&self, batch: &[Import]) -> Vec<ImportOutcome> {
        let outcomes = self.import.import(batch).await.expect("an imported batch");
        assert_eq!(outcomes.len(), batch.len());
        outcomes
    }

    async fn run_these<const N: usize>(&self, batch: &[Import; N]) -> [ImportOutcome; N] {
        let outcomes = self.run(batch).await;
        outcomes.try_into().expect("an outcome for each record")
    }

    async fn run_one(&self, record: Record) -> ImportOutcome {
        let mut outcomes = self.run(&[import(record)]).await;
        outcomes.pop().expect("an outcome")
    }

    async fn everybody(&self) -> u64 {
        let filter = DirectoryFilter {
            statuses: Status::ALL.to_vec(),
            ..DirectoryFilter::default()
        };
        self.directory.count(&filter).await.expect("an answer")
    }

    async fn kinds(&self, id: UserId) -> Vec<EventKind> {
        let events = self.events(id).await;
        events.iter().map(|event| event.kind).collect()
    }
}

fn created(outcome: &ImportOutcome) -> UserId {
    match outcome {
        Ok(Imported::Created(id)) => *id,
        other => panic!("expected a user to be made, got {other:?}"),
    }
}

#[track_caller]
fn assert_refused(outcome: &ImportOutcome, path: &str, code: &str) {
    match outcome {
        Err(faults) => assert!(
            faults
                .iter()
                .any(|fault| fault.path().join(".") == path && fault.code() == code),
            "{faults:?}"
        ),
        Ok(done) => panic!("expected a refusal, got {done:?}"),
    }
}

fn with_external_id(name: &str, id: &str) -> NewUser {
    let mut new = new_user(name);
    new.rest.external_id = Edit::Set(external_id(id));
    new
}

fn called(new: &NewUser, name: &str) -> NewUser {
    let mut new = new.clone();
    new.rest.profile.name = Edit::Set(line(name));
    new
}

/// What is stored is what the domain makes of the record, and its event says so.
pub async fn an_imported_user_is_the_one_that_the_domain_makes(store: &ImportUnderTest) {
    let id = user_id();
    let whole = Record {
        id: Some(id),
        presence: Presence::Deleted(Some(seconds(9))),
        past: Past {
            version: Version::from_i64(7),
            created_at: Some(seconds(1)),
            updated_at: Some(seconds(9)),
            tokens_valid_after: Some(seconds(5)),
        },
        ..record(awkward_user("alice"))
    };
    let batch = [import(whole), import(record(new_user("bob")))];
    let [whole, plain] = &batch;
    assert_eq!(
        store.run_these(&batch).await,
        [
            Ok(Imported::Created(id)),
            Ok(Imported::Created(plain.fresh_id))
        ]
    );
    for (import, id) in [(whole, id), (plain, plain.fresh_id)] {
        let made = User::register_record(id, &import.record, &import.context)
            .expect("a user that can be made");
        assert_same(&store.find(id).await.expect("the user"), &made.user);
        assert_eq!(store.events(id).await, [made.event]);
    }
}

/// A batch that was imported is there, and is left as it is.
pub async fn an_import_done_again_changes_nothing_and_tells_nothing(store: &ImportUnderTest) {
    let batch = [import(record(awkward_user("alice")))];
    let [outcome] = store.run_these(&batch).await;
    let id = created(&outcome);
    let before = store.find(id).await.expect("the user");
    let [first] = batch;
    let again = import(first.record.clone());
    assert_eq!(store.run(&[again]).await, [Ok(Imported::Unchanged(id))]);
    // The very same batch, as after a commit whose answer was lost.
    assert_eq!(store.run(&[first]).await, [Ok(Imported::Created(id))]);
    assert_same(&store.find(id).await.expect("the user"), &before);
    assert_eq!(store.kinds(id).await, [EventKind::Created]);
}

/// Each of the four keys leads to the user, alone.
pub async fn an_import_finds_its_user_by_each_key(store: &ImportUnderTest) {
    let alice = with_external_id("Alice", "42");
    let id = created(&store.run_one(record(alice.clone())).await);
    let by_id = Record {
        id: Some(id),
        ..record(with_external_id("alicia", "42"))
    };
    let by_external_id = with_external_id("alina", "42");
    let by_username = NewUser {
        username: username("ALINA"),
        ..new_user("unused")
    };
    let stored_email = by_username.email.clone();
    let by_email = NewUser {
        email: stored_email,
        ..new_user("annie")
    };
    for record in [
        by_id,
        record(by_external_id),
        record(by_username),
        record(by_email),
    ] {
        let wanted = record.user.clone();
        assert_eq!(store.run_one(record).await, Ok(Imported::Updated(id)));
        let user = store.find(id).await.expect("the user");
        assert_eq!(user.username.as_str(), wanted.username.as_str());
        assert_eq!(user.email.as_str(), wanted.email.as_str());
        assert_eq!(user.external_id, Some(external_id("42")));
    }
    assert_eq!(store.everybody().await, 1);
}

/// A change of several fields is one change, as the domain makes it.
pub async fn an_import_changes_what_differs_with_one_event(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let user = store.added(&alice).await;
    let mut next = import(Record {
        presence: Presence::Present,
        ..record(called(&alice, "Alice"))
    });
    next.context = context_at(seconds(5));
    next.record.user.rest.email_verified = Some(true);
    let change = Change::Import(Box::new(next.record.clone()));
    let wanted = user
        .apply(&change, &next.context)
        .expect("a change that is admitted")
        .expect("a change that changes");
    assert_eq!(store.run(&[next]).await, [Ok(Imported::Updated(user.id))]);
    assert_same(&store.find(user.id).await.expect("the user"), &wanted.user);
    assert_eq!(store.events(user.id).await.last(), Some(&wanted.event));
    assert_eq!(
        store.kinds(user.id).await,
        [EventKind::Created, EventKind::Updated]
    );
}

/// Who is there keeps its id and its beginning, whatever the record says.
pub async fn an_import_keeps_the_id_and_the_past_of_who_is_there(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let user = store.added(&alice).await;
    let other_past = Record {
        past: Past {
            version: Version::from_i64(70),
            created_at: Some(seconds(1)),
            updated_at: Some(seconds(2)),
            tokens_valid_after: Some(seconds(3)),
        },
        ..record(alice.clone())
    };
    assert_eq!(
        store.run_one(other_past).await,
        Ok(Imported::Unchanged(user.id))
    );
    let other_id = Record {
        id: Some(user_id()),
        ..record(called(&alice, "Alice"))
    };
    assert_refused(&store.run_one(other_id).await, "id", "conflict");
    assert_same(&store.find(user.id).await.expect("the user"), &user);
}

/// A record that says so deletes its user, once.
pub async fn a_deletion_is_imported(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let id = store.added(&alice).await.id;
    let deleted = Record {
        presence: Presence::Deleted(Some(seconds(3))),
        ..record(alice)
    };
    let outcomes = store.run(&[import(deleted.clone()), import(deleted)]).await;
    assert_eq!(
        outcomes,
        [Ok(Imported::Updated(id)), Ok(Imported::Unchanged(id))]
    );
    let user = store.find(id).await.expect("the user");
    assert_eq!(user.deleted_at, Some(seconds(3)));
    assert_eq!(
        store.kinds(id).await,
        [EventKind::Created, EventKind::Deleted]
    );
}

/// A rehearsal comes to the same outcomes and leaves everything as it is.
pub async fn a_rehearsal_tells_what_an_import_does_and_writes_nothing(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let user = store.added(&alice).await;
    let batch = [
        import(record(called(&alice, "Alice"))),
        import(record(new_user("bob"))),
        import(record(new_user("\u{430}lice"))),
    ];
    let rehearsed = store.import.rehearse(&batch).await.expect("a rehearsal");
    assert_same(&store.find(user.id).await.expect("the user"), &user);
    assert_eq!(store.everybody().await, 1);
    assert_eq!(store.kinds(user.id).await, [EventKind::Created]);
    assert_eq!(store.run(&batch).await, rehearsed);
    assert_eq!(store.everybody().await, 2);
}
