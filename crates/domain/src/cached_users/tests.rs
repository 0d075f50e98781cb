//! Tests of the cache policy: decisions with mocks, races with fakes, and the store contracts through a cache.

mod batches;
mod contract;
mod races;
mod reading;
mod relationships;
mod standby;
mod writing;

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::ports::{FreshnessSource, Hit, Tier};
use crate::test_support::mocks::{MockUserCache, MockUserReader, MockUserWriter};
use crate::test_support::samples::{context, external_id, new_user, registered, user_id};
use crate::user::Edit;
use crate::values::{EmailKey, UsernameKey};

/// The source of a read that missed the cache.
const MISSED: Source = Source::Store(MissReason::Unknown);

/// The source of a read that hit the cache.
const HIT: Source = Source::Cache(Tier::Process, FreshnessSource::Store);

/// Returns a reader with mocks; a write fails the test.
fn reading(reader: MockUserReader, mut cache: MockUserCache) -> CachedUsers {
    cache.expect_peek().returning(|_| None);
    CachedUsers::new(
        Arc::new(reader),
        Arc::new(MockUserWriter::new()),
        Arc::new(cache),
    )
}

/// Returns a user with a username and an external id.
fn sample_user(name: &str) -> Arc<User> {
    let mut new = new_user(name);
    new.rest.external_id = Edit::Set(external_id(name));
    Arc::new(registered(&new, &context()).user)
}

fn by_id(user: &User) -> UserKey {
    UserKey::Id(user.id)
}

fn by_name(user: &User) -> UserKey {
    UserKey::Username(UsernameKey::from(&user.username))
}

fn by_external_id(user: &User) -> UserKey {
    UserKey::ExternalId(user.external_id.clone().unwrap())
}

fn by_email(user: &User) -> UserKey {
    UserKey::Email(EmailKey::from(&user.email))
}

fn hit(user: Option<&Arc<User>>) -> Lookup {
    Lookup::Hit(Hit {
        user: user.cloned(),
        tier: Tier::Process,
        freshness_source: FreshnessSource::Store,
    })
}

/// Returns a lookup that finds another reader in flight, whose read has this result.
fn in_flight(found: Option<&Arc<User>>) -> Lookup {
    Lookup::InFlight(Box::pin(ready(Some(found.cloned()))))
}

/// Returns a lookup that finds another reader in flight, whose read is abandoned.
fn abandoned() -> Lookup {
    Lookup::InFlight(Box::pin(ready(None)))
}

/// Leases that count how many are returned.
#[derive(Clone, Default)]
struct Leases {
    returned: Arc<AtomicUsize>,
}

/// The token of a lease from [`Leases`].
struct Token(Arc<AtomicUsize>);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Leases {
    fn of(&self, id: UserId) -> Lease {
        Lease::new(id, Token(self.returned.clone()))
    }

    fn miss(&self, id: UserId) -> Lookup {
        Lookup::Miss(self.of(id), MissReason::Unknown)
    }

    /// The number of dropped leases, by the policy or by the mock that received them.
    fn returned(&self) -> usize {
        self.returned.load(Ordering::SeqCst)
    }
}

/// Returns a cache with a hint for this key.
fn hinting(key: &UserKey, id: Option<UserId>) -> MockUserCache {
    let mut cache = MockUserCache::new();
    let key = key.clone();
    cache
        .expect_hint()
        .withf(move |requested| *requested == key)
        .return_const(id);
    cache
}

/// Expects one lookup of one user.
fn look_up(
    cache: &mut MockUserCache,
    id: UserId,
    answer: impl FnOnce() -> Lookup + Send + 'static,
) {
    cache
        .expect_look_up()
        .withf(move |ids| *ids == [id])
        .times(1)
        .return_once(move |_| vec![answer()]);
}

/// Expects that one user, or its absence, is filled under a lease of that user.
fn expect_fill(cache: &mut MockUserCache, id: UserId, found: Option<&Arc<User>>) {
    let found = found.cloned();
    cache
        .expect_fill()
        .withf(move |lease, filled| lease.id() == id && *filled == found)
        .times(1)
        .returning(|lease, _| assert!(lease.into_token::<Token>().is_some()));
}

/// Expects one report that a user does not exist.
fn expect_observed_absence(cache: &mut MockUserCache, id: UserId) {
    cache
        .expect_observe_absence()
        .withf(move |observed| *observed == id)
        .times(1)
        .return_const(());
}

fn expect_observe(cache: &mut MockUserCache, user: &Arc<User>) {
    let user = user.clone();
    cache
        .expect_observe()
        .withf(move |observed| *observed == *user)
        .times(1)
        .return_const(());
}

/// Returns a store that expects one query for one user.
fn finding(key: &UserKey, found: Option<&Arc<User>>) -> MockUserReader {
    let mut reader = MockUserReader::new();
    let (key, found) = (key.clone(), found.cloned());
    reader
        .expect_find()
        .withf(move |requested| *requested == key)
        .times(1)
        .returning(move |_| Ok(found.clone()));
    reader
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("the pool is empty".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with answers")]
fn read(user: Option<&Arc<User>>, source: Source) -> Result<Reading, StoreError> {
    Ok(Reading {
        user: user.cloned(),
        source,
    })
}
