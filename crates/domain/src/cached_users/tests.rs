//! Every decision of the policy on mocks, its races on fakes, and the stores' contract through a cache.

mod batches;
mod contract;
mod races;
mod reading;
mod relationships;
mod writing;

use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::test_support::mocks::{MockUserCache, MockUserReader, MockUserWriter};
use crate::test_support::samples::{context, external_id, new_user, registered, user_id};
use crate::user::Edit;
use crate::values::{EmailKey, UsernameKey};

/// What a read that the cache could not answer says of itself.
const MISSED: Source = Source::Store(Missed::Unknown);

/// What a read that the cache answered says of itself.
const HIT: Source = Source::Cache(Tier::Process, Voucher::Store);

/// Users over mocks; a write fails the test.
fn reading(reader: MockUserReader, cache: MockUserCache) -> CachedUsers {
    CachedUsers::new(
        Arc::new(reader),
        Arc::new(MockUserWriter::new()),
        Arc::new(cache),
    )
}

/// A user who has a name and an older id.
fn somebody(name: &str) -> Arc<User> {
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

fn by_older_id(user: &User) -> UserKey {
    UserKey::ExternalId(user.external_id.clone().unwrap())
}

fn by_email(user: &User) -> UserKey {
    UserKey::Email(EmailKey::from(&user.email))
}

fn hit(user: Option<&Arc<User>>) -> Lookup {
    Lookup::Hit(Hit {
        user: user.cloned(),
        tier: Tier::Process,
        vouched_by: Voucher::Store,
    })
}

/// Another reader, who found this.
fn coming(found: Option<&Arc<User>>) -> Lookup {
    Lookup::Coming(Box::pin(ready(Some(found.cloned()))))
}

/// Another reader, who found out nothing.
fn giving_up() -> Lookup {
    Lookup::Coming(Box::pin(ready(None)))
}

/// Leases that tell when they are given back.
#[derive(Clone, Default)]
struct Leases {
    returned: Arc<AtomicUsize>,
}

/// The mark of a lease that [`Leases`] gave.
struct Slip(Arc<AtomicUsize>);

impl Drop for Slip {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Leases {
    fn of(&self, id: UserId) -> Lease {
        Lease::new(id, Slip(self.returned.clone()))
    }

    fn miss(&self, id: UserId) -> Lookup {
        Lookup::Miss(self.of(id), Missed::Unknown)
    }

    /// How many have been dropped, by the policy or by the mock that took them.
    fn returned(&self) -> usize {
        self.returned.load(Ordering::SeqCst)
    }
}

/// A cache that knows where this key leads.
fn hinting(key: &UserKey, id: Option<UserId>) -> MockUserCache {
    let mut cache = MockUserCache::new();
    let key = key.clone();
    cache
        .expect_hint()
        .withf(move |asked| *asked == key)
        .return_const(id);
    cache
}

/// Answers one look for one user.
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
        .returning(|lease, _| assert!(lease.into_slip::<Slip>().is_some()));
}

/// The cache is told, once, that there is no such user.
fn expect_notice_of_absence(cache: &mut MockUserCache, id: UserId) {
    cache
        .expect_notice_absence()
        .withf(move |noticed| *noticed == id)
        .times(1)
        .return_const(());
}

fn expect_notice(cache: &mut MockUserCache, user: &Arc<User>) {
    let user = user.clone();
    cache
        .expect_notice()
        .withf(move |noticed| *noticed == *user)
        .times(1)
        .return_const(());
}

/// A store that is asked once for one user.
fn finding(key: &UserKey, found: Option<&Arc<User>>) -> MockUserReader {
    let mut reader = MockUserReader::new();
    let (key, found) = (key.clone(), found.cloned());
    reader
        .expect_find()
        .withf(move |asked| *asked == key)
        .times(1)
        .returning(move |_| Ok(found.clone()));
    reader
}

fn away() -> StoreError {
    StoreError::Unavailable("the pool is empty".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with answers")]
fn read(user: Option<&Arc<User>>, source: Source) -> Result<Reading, StoreError> {
    Ok(Reading {
        user: user.cloned(),
        source,
    })
}
