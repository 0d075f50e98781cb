//! The contract suites of the storage ports and of the cache port: one public function for each promise of a port.
//!
//! An implementation runs a whole suite with one line in its tests, which creates a test for each function:
//!
//! ```
//! # use user_domain::test_support::contracts::StoreUnderTest;
//! async fn empty_store() -> StoreUnderTest {
//!     StoreUnderTest::default()
//! }
//!
//! user_domain::store_contract!(empty_store());
//! # fn main() {}
//! ```
//!
//! Each test has its own empty store or cache. The suites are [`store_contract!`](crate::store_contract),
//! [`import_contract!`](crate::import_contract), [`credentials_contract!`](crate::credentials_contract),
//! [`relationships_contract!`](crate::relationships_contract) and [`cache_contract!`](crate::cache_contract).
//!
//! To add a promise:
//!
//! 1. State it in the doc comment of the port.
//! 2. Add a public async function to the port's module below. Its name states the promise. Each implementation now has a
//!    test of that name: the build script of this crate finds the functions.
//! 3. Remove the protection from an implementation by hand and see the test fail.

pub mod change_log;
pub mod credentials;
pub mod erasures;
pub mod event_feed;
pub mod event_relays;
pub mod relationships;
pub mod retention;
pub mod service_token_registry;
pub mod suspension_ends;
pub mod user_cache;
pub mod user_directory;
pub mod user_import;
pub mod user_reader;
pub mod user_records;
pub mod user_writer;

mod macros;

// `contract_functions!`, which the build script writes.
include!(concat!(env!("OUT_DIR"), "/contract_functions.rs"));

#[doc(hidden)]
pub use contract_functions;
pub use credentials::CredentialsUnderTest;
pub use relationships::RelationshipsUnderTest;
pub use user_cache::CacheUnderTest;
pub use user_import::ImportUnderTest;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::fakes::FakeStore;
use super::samples;
use crate::ports::{
    ChangeLog, Erasures, EventFeed, EventPage, EventRelays, EventsRequest, Retention,
    ServiceTokenRegistry, SuspensionEnds, UserDirectory, UserEvent, UserKey, UserReader,
    UserRecords, UserWriter, WriteRecords,
};
use crate::user::{Applied, Change, Event, NewUser, User};
use crate::values::{Metadata, UserId};
use crate::write::{Erased, WriteContext, WriteError, Written};

/// An empty store, as the ports that the contract tests call.
#[derive(Clone)]
#[expect(missing_docs, reason = "each field is the port of the same name")]
pub struct StoreUnderTest {
    pub reader: Arc<dyn UserReader>,
    pub writer: Arc<dyn UserWriter>,
    pub directory: Arc<dyn UserDirectory>,
    pub change_log: Arc<dyn ChangeLog>,
    pub erasures: Arc<dyn Erasures>,
    pub event_feed: Arc<dyn EventFeed>,
    pub event_relays: Arc<dyn EventRelays>,
    pub records: Arc<dyn UserRecords>,
    pub retention: Arc<dyn Retention>,
    pub service_tokens: Arc<dyn ServiceTokenRegistry>,
    pub write_records: Arc<dyn WriteRecords>,
    pub suspension_ends: Arc<dyn SuspensionEnds>,
    /// A value that must live as long as the store, such as a temporary folder. Dropped with the last clone.
    pub resource: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for StoreUnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUnderTest")
    }
}

impl AsRef<Self> for StoreUnderTest {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<S> From<Arc<S>> for StoreUnderTest
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
        + 'static,
{
    /// Uses one value as all these ports.
    fn from(store: Arc<S>) -> Self {
        Self {
            reader: store.clone(),
            writer: store.clone(),
            directory: store.clone(),
            change_log: store.clone(),
            erasures: store.clone(),
            event_feed: store.clone(),
            event_relays: store.clone(),
            records: store.clone(),
            retention: store.clone(),
            service_tokens: store.clone(),
            write_records: store.clone(),
            suspension_ends: store,
            resource: None,
        }
    }
}

impl Default for StoreUnderTest {
    /// Returns an empty [`FakeStore`].
    fn default() -> Self {
        Self::from(Arc::new(FakeStore::default()))
    }
}

impl StoreUnderTest {
    /// Keeps a value alive for as long as the store.
    #[must_use]
    pub fn with_resource(mut self, resource: impl Any + Send + Sync) -> Self {
        self.resource = Some(Arc::new(resource));
        self
    }

    async fn find(&self, id: UserId) -> Option<Arc<User>> {
        self.find_by(&UserKey::Id(id)).await
    }

    async fn find_by(&self, key: &UserKey) -> Option<Arc<User>> {
        self.reader.find(key).await.expect("an answer")
    }

    async fn events(&self, id: UserId) -> Vec<Event> {
        events_of(&*self.change_log, id).await
    }

    /// Adds a user and asserts that the write was applied.
    async fn added(&self, new: &NewUser) -> User {
        self.added_with(new, &samples::context()).await
    }

    async fn added_with(&self, new: &NewUser, context: &WriteContext) -> User {
        let applied = samples::registered(new, context);
        expect_applied(self.writer.add(&applied, context).await)
    }

    async fn add(&self, new: &NewUser, context: &WriteContext) -> Result<Written, WriteError> {
        self.writer
            .add(&samples::registered(new, context), context)
            .await
    }

    /// Changes a user and asserts that the write was applied.
    async fn changed(&self, id: UserId, change: &Change) -> User {
        self.changed_with(id, change, &samples::context()).await
    }

    async fn changed_with(&self, id: UserId, change: &Change, context: &WriteContext) -> User {
        expect_applied(self.writer.change(id, change, context).await)
    }

    async fn erased(&self, id: UserId) {
        let erased = self.writer.erase(id, &samples::context()).await;
        assert_eq!(erased, Ok(Erased::Applied));
    }
}

/// Returns all events about a user, oldest first.
///
/// # Panics
/// If the log returns an error.
pub async fn events_of(log: &dyn ChangeLog, user: UserId) -> Vec<Event> {
    let (mut events, mut before) = (Vec::new(), None);
    loop {
        let request = EventsRequest {
            user,
            before,
            limit: 100,
        };
        let EventPage { events: page, next } = log.about(&request).await.expect("an answer");
        events.extend(page.into_iter().filter_map(|event| match event {
            UserEvent::User(event) => Some(event),
            UserEvent::Relationship(_) => None,
        }));
        before = next;
        if before.is_none() {
            events.reverse();
            return events;
        }
    }
}

fn expect_applied(written: Result<Written, WriteError>) -> User {
    match written {
        Ok(Written::Applied(user)) => user,
        other => panic!("expected the write to be applied, got {other:?}"),
    }
}

/// The expected result of a change to a stored user, by the domain rule.
fn expected(user: &User, change: &Change, context: &WriteContext) -> Applied {
    user.apply(change, context)
        .expect("a change that the user admits")
        .expect("a change that changes")
}

/// Asserts that a stored user is exactly as expected. Metadata is compared digit for digit and in its order.
#[track_caller]
fn assert_same(stored: &User, expected: &User) {
    assert_eq!(stored, expected);
    let json = |user: &User| {
        [
            &user.metadata.public,
            &user.metadata.user,
            &user.metadata.private,
        ]
        .map(Metadata::to_json)
    };
    assert_eq!(json(stored), json(expected));
    // Equal usernames and addresses may still differ in spelling.
    assert_eq!(stored.username.as_str(), expected.username.as_str());
    assert_eq!(stored.email.as_str(), expected.email.as_str());
}

/// Runs tasks against one store at the same moment and returns their results in the order of the task numbers.
async fn race<S, T, F>(store: &S, racers: usize, run: impl Fn(S, usize) -> F) -> Vec<T>
where
    S: Clone,
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(racers));
    let mut tasks = JoinSet::new();
    for number in 0..racers {
        let (start, run) = (start.clone(), run(store.clone(), number));
        tasks.spawn(async move {
            start.wait().await;
            (number, run.await)
        });
    }
    let mut results = tasks.join_all().await;
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
