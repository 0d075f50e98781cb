//! The contract of [`crate::ports::UserImport`].

mod batches;
mod dry_run;
mod refusals;

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub use batches::*;
pub use dry_run::*;
pub use refusals::*;

use super::{StoreUnderTest, assert_same};
use crate::Fault;
use crate::directory::DirectoryFilter;
use crate::import::{Import, ImportLedger, ImportOutcome, Imported, MatchBy};
use crate::ports::{
    ChangeLog, Erasures, EventFeed, EventRelays, Retention, ServiceTokenRegistry, SuspensionEnds,
    UserDirectory, UserImport, UserReader, UserRecords, UserWriter, WriteRecords,
};
use crate::test_support::fakes::FakeStore;
use crate::test_support::samples::{
    awkward_user, context_at, external_id, import, line, new_user, record, seconds, user_id,
    username,
};
use crate::user::{
    Change, Edit, EventKind, ImportedHistory, NewUser, Presence, Record, Status, User,
};
use crate::values::{UserId, Version};

/// An empty store, read without a cache, and its import port.
#[derive(Clone)]
pub struct ImportUnderTest {
    /// The store.
    pub store: StoreUnderTest,
    /// The import port of the store.
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
        + Erasures
        + EventFeed
        + EventRelays
        + UserRecords
        + Retention
        + ServiceTokenRegistry
        + WriteRecords
        + SuspensionEnds
        + UserImport
        + 'static,
{
    /// Uses one value as all these ports.
    fn from(store: Arc<S>) -> Self {
        Self {
            import: store.clone(),
            store: store.into(),
        }
    }
}

impl Default for ImportUnderTest {
    /// Returns an empty [`FakeStore`].
    fn default() -> Self {
        Self::from(Arc::new(FakeStore::default()))
    }
}

impl ImportUnderTest {
    /// Keeps a value alive for as long as the store.
    #[must_use]
    pub fn with_resource(mut self, resource: impl Any + Send + Sync) -> Self {
        self.store = self.store.with_resource(resource);
        self
    }

    /// Imports a batch in a run of its own.
    async fn run(&self, batch: &[Import]) -> Vec<ImportOutcome> {
        self.run_in(batch, &ImportLedger::default()).await
    }

    async fn run_in(&self, batch: &[Import], ledger: &ImportLedger) -> Vec<ImportOutcome> {
        let plan = self.import.import(batch, ledger).await;
        let outcomes = plan.expect("an imported batch").outcomes;
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

    /// Imports a record in a run that may match it to a user by this value.
    async fn match_one(&self, match_by: MatchBy, record: Record) -> ImportOutcome {
        let ledger = matching(match_by);
        let mut outcomes = self.run_in(&[import(record)], &ledger).await;
        outcomes.pop().expect("an outcome")
    }

    async fn user_count(&self) -> u64 {
        let filter = DirectoryFilter {
            statuses: Status::ALL.into(),
            ..DirectoryFilter::default()
        };
        self.directory.count(&filter).await.expect("a result")
    }

    async fn kinds(&self, id: UserId) -> Vec<EventKind> {
        let events = self.events(id).await;
        events.iter().map(|event| event.kind).collect()
    }
}

/// The ledger of a run that may match records to users by this value.
fn matching(match_by: MatchBy) -> ImportLedger {
    ImportLedger::new(Some(match_by), [])
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

fn with_name(new: &NewUser, name: &str) -> NewUser {
    let mut new = new.clone();
    new.rest.profile.name = Edit::Set(line(name));
    new
}

/// The stored user and its event are the ones that the domain creates from the record.
pub async fn an_imported_user_is_stored_as_the_domain_creates_it(store: &ImportUnderTest) {
    let id = user_id();
    let whole = Record {
        id: Some(id),
        presence: Presence::Deleted(Some(seconds(9))),
        history: ImportedHistory {
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

/// Importing the same batch again leaves its users unchanged.
pub async fn a_repeated_import_changes_nothing_and_logs_no_event(store: &ImportUnderTest) {
    let batch = [import(record(awkward_user("alice")))];
    let [outcome] = store.run_these(&batch).await;
    let id = created(&outcome);
    let before = store.find(id).await.expect("the user");
    let [first] = batch;
    let again = import(first.record.clone());
    assert_eq!(store.run(&[again]).await, [Ok(Imported::Unchanged(id))]);
    // The same batch with the same ids, as after a commit whose response was lost.
    assert_eq!(store.run(&[first]).await, [Ok(Imported::Created(id))]);
    assert_same(&store.find(id).await.expect("the user"), &before);
    assert_eq!(store.kinds(id).await, [EventKind::Created]);
}

/// Each of the four keys is sufficient to find the user.
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
    for (match_by, record) in [
        (None, by_id),
        (None, record(by_external_id)),
        (Some(MatchBy::Username), record(by_username)),
        (Some(MatchBy::Email), record(by_email)),
    ] {
        let wanted = record.user.clone();
        let ledger = ImportLedger::new(match_by, []);
        let outcomes = store.run_in(&[import(record)], &ledger).await;
        assert_eq!(outcomes, [Ok(Imported::Updated(id))]);
        let user = store.find(id).await.expect("the user");
        assert_eq!(user.username.as_str(), wanted.username.as_str());
        assert_eq!(user.email.as_str(), wanted.email.as_str());
        assert_eq!(user.external_id, Some(external_id("42")));
    }
    assert_eq!(store.user_count().await, 1);
}

/// Email address and username match a user only if the run allows it. Otherwise the record is refused and the error
/// names the owner of the value.
pub async fn a_record_without_a_match_that_collides_is_refused(store: &ImportUnderTest) {
    let user = store.added(&new_user("alice")).await;
    let same_email = NewUser {
        email: user.email.clone(),
        ..new_user("bob")
    };
    let same_username = NewUser {
        username: username("ALICE"),
        ..new_user("carol")
    };
    for (new, path, other) in [
        (same_email, "email", MatchBy::Username),
        (same_username, "username", MatchBy::Email),
    ] {
        for ledger in [ImportLedger::default(), matching(other)] {
            let outcomes = store.run_in(&[import(record(new.clone()))], &ledger).await;
            let outcome = outcomes.first().expect("an outcome for each record");
            assert_refused(outcome, path, "taken");
            let faults = outcome.as_ref().expect_err("a refusal");
            let names_the_other = |fault: &Fault| fault.detail().contains(&user.id.to_string());
            assert!(faults.iter().any(names_the_other));
        }
    }
    assert_same(&store.find(user.id).await.expect("the user"), &user);
    assert_eq!(store.user_count().await, 1);
}

/// All differences are applied as one change, as the domain defines it.
pub async fn an_import_applies_all_differences_with_one_event(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let user = store.added(&alice).await;
    let mut next = import(Record {
        presence: Presence::Present,
        ..record(with_name(&alice, "Alice"))
    });
    next.context = context_at(seconds(5));
    next.record.user.rest.email_verified = Some(true);
    let change = Change::Import(Box::new(next.record.clone()));
    let wanted = user
        .apply(&change, &next.context)
        .expect("a change that is admitted")
        .expect("a change that changes");
    let outcomes = store.run_in(&[next], &matching(MatchBy::Email)).await;
    assert_eq!(outcomes, [Ok(Imported::Updated(user.id))]);
    assert_same(&store.find(user.id).await.expect("the user"), &wanted.user);
    assert_eq!(store.events(user.id).await.last(), Some(&wanted.event));
    assert_eq!(
        store.kinds(user.id).await,
        [EventKind::Created, EventKind::Updated]
    );
}

/// An existing user keeps its id and its creation data, whatever the record contains.
pub async fn an_import_keeps_id_and_creation_of_an_existing_user(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let user = store.added(&alice).await;
    let other_past = Record {
        history: ImportedHistory {
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
        ..record(with_name(&alice, "Alice"))
    };
    assert_refused(
        &store.match_one(MatchBy::Email, other_id).await,
        "id",
        "conflict",
    );
    assert_same(&store.find(user.id).await.expect("the user"), &user);
}

/// A record with a deletion deletes its user. Importing it again changes nothing.
pub async fn a_deletion_is_imported(store: &ImportUnderTest) {
    let alice = new_user("alice");
    let id = store.added(&alice).await.id;
    let deleted = Record {
        presence: Presence::Deleted(Some(seconds(3))),
        ..record(alice)
    };
    let outcome = store.match_one(MatchBy::Email, deleted.clone()).await;
    assert_eq!(outcome, Ok(Imported::Updated(id)));
    assert_eq!(store.run_one(deleted).await, Ok(Imported::Unchanged(id)));
    let user = store.find(id).await.expect("the user");
    assert_eq!(user.deleted_at, Some(seconds(3)));
    assert_eq!(
        store.kinds(id).await,
        [EventKind::Created, EventKind::Deleted]
    );
}
