//! The promises of the stores' ports and of the cache's, one function each; its name is the promise.
//!
//! An implementation runs all of them with one line in its tests, which makes a test of each:
//!
//! ```
//! # use user_domain::test_support::contracts::StoreUnderTest;
//! async fn own_store() -> StoreUnderTest {
//!     StoreUnderTest::default()
//! }
//!
//! user_domain::store_contract!(own_store());
//! # fn main() {}
//! ```
//!
//! Each test gets an empty store of its own, and each of [`cache_contract!`](crate::cache_contract) an empty cache. To
//! add a promise: the sentence in the port's comment, a function here, its name in
//! [`store_contract!`](crate::store_contract), [`import_contract!`](crate::import_contract),
//! [`credentials_contract!`](crate::credentials_contract),
//! [`relationships_contract!`](crate::relationships_contract) or [`cache_contract!`](crate::cache_contract), and a guard removed by hand to see it fail.

pub mod change_log;
pub mod credentials;
pub mod relationships;
pub mod retention;
pub mod service_token_registry;
pub mod user_cache;
pub mod user_directory;
pub mod user_import;
pub mod user_reader;
pub mod user_writer;

mod macros;

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
    ChangeLog, Retention, ServiceTokenRegistry, UserDirectory, UserKey, UserReader, UserWriter,
};
use crate::user::{Applied, Change, Event, NewUser, User};
use crate::values::{Metadata, UserId};
use crate::write::{Erased, WriteContext, WriteError, Written};

/// An empty store, by the ports that a contract tries it through.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is the port of the same name")]
pub struct StoreUnderTest {
    pub reader: Arc<dyn UserReader>,
    pub writer: Arc<dyn UserWriter>,
    pub directory: Arc<dyn UserDirectory>,
    pub change_log: Arc<dyn ChangeLog>,
    pub retention: Arc<dyn Retention>,
    pub service_tokens: Arc<dyn ServiceTokenRegistry>,
    /// What has to live as long as the store does, such as a temporary folder; dropped with the last clone.
    pub keeps: Option<Arc<dyn Any + Send + Sync>>,
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
        + Retention
        + ServiceTokenRegistry
        + 'static,
{
    /// Tries one value that is all six ports.
    fn from(store: Arc<S>) -> Self {
        Self {
            reader: store.clone(),
            writer: store.clone(),
            directory: store.clone(),
            change_log: store.clone(),
            retention: store.clone(),
            service_tokens: store,
            keeps: None,
        }
    }
}

impl Default for StoreUnderTest {
    /// Gives an empty [`FakeStore`].
    fn default() -> Self {
        Self::from(Arc::new(FakeStore::default()))
    }
}

impl StoreUnderTest {
    /// Keeps something alive for as long as the store.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.keeps = Some(Arc::new(kept));
        self
    }

    async fn find(&self, id: UserId) -> Option<Arc<User>> {
        self.find_by(&UserKey::Id(id)).await
    }

    async fn find_by(&self, key: &UserKey) -> Option<Arc<User>> {
        self.reader.find(key).await.expect("an answer")
    }

    async fn events(&self, id: UserId) -> Vec<Event> {
        self.change_log.about(id).await.expect("an answer")
    }

    /// Adds a user that nothing stands in the way of.
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

    /// Makes a change that nothing stands in the way of.
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

fn expect_applied(written: Result<Written, WriteError>) -> User {
    match written {
        Ok(Written::Applied(user)) => user,
        other => panic!("expected the write to be applied, got {other:?}"),
    }
}

/// What a change is to make of a user that a store holds, by the domain's own rule.
fn expected(user: &User, change: &Change, context: &WriteContext) -> Applied {
    user.apply(change, context)
        .expect("a change that the user admits")
        .expect("a change that changes")
}

/// Asserts that a store holds exactly this: values, and metadata digit for digit and in its order.
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
    // Equal names may still have been typed differently.
    assert_eq!(stored.username.as_str(), expected.username.as_str());
    assert_eq!(stored.email.as_str(), expected.email.as_str());
}

/// Lets tasks go at one store at the same moment, and gives what each came to, in the order of their numbers.
async fn race<T, F>(
    store: &StoreUnderTest,
    racers: usize,
    run: impl Fn(StoreUnderTest, usize) -> F,
) -> Vec<T>
where
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
