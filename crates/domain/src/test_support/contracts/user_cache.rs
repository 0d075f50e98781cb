//! The contract of [`crate::ports::UserCache`].
//!
//! A cache may miss at any time. The contract therefore states mostly what a cache must never return. A hit is required
//! only directly after a fill or put with no other event in between.

mod leases;
mod races;

pub use leases::*;
pub use races::*;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ports::{InFlight, Lease, Lookup, MissReason, UserCache, UserKey};
use crate::test_support::fakes::FakeCache;
use crate::test_support::samples::{
    context, external_id, new_user, registered, rename, set_name, user_id,
};
use crate::user::{Change, Edit, User};
use crate::values::{UserId, UsernameKey};

/// How often, and at which interval, a lookup is repeated while the cache is stale.
const MAX_LOOKUPS: usize = 500;
const LOOKUP_INTERVAL: Duration = Duration::from_millis(20);
/// The maximum wait for the result of another reader.
const READER_TIMEOUT: Duration = Duration::from_secs(10);

/// An empty cache that is ready for lookups.
#[derive(Clone)]
pub struct CacheUnderTest {
    /// The port of the same name.
    pub cache: Arc<dyn UserCache>,
    /// A value that must live as long as the cache, such as a connection. Dropped with the last clone.
    pub resource: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for CacheUnderTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheUnderTest")
    }
}

impl AsRef<Self> for CacheUnderTest {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl<C: UserCache + 'static> From<Arc<C>> for CacheUnderTest {
    fn from(cache: Arc<C>) -> Self {
        Self {
            cache,
            resource: None,
        }
    }
}

impl Default for CacheUnderTest {
    /// Returns an empty [`FakeCache`].
    fn default() -> Self {
        Self::from(Arc::new(FakeCache::default()))
    }
}

impl CacheUnderTest {
    /// Keeps a value alive for as long as the cache.
    #[must_use]
    pub fn with_resource(mut self, resource: impl Any + Send + Sync) -> Self {
        self.resource = Some(Arc::new(resource));
        self
    }

    /// Looks up a batch, and repeats it for a while if the cache is stale.
    async fn look_up(&self, ids: &[UserId]) -> Vec<Lookup> {
        let mut lookups = 0;
        loop {
            lookups += 1;
            let answers = self.cache.look_up(ids).await;
            let is_stale = |answer: &Lookup| matches!(answer, Lookup::Miss(_, MissReason::Stale));
            if !answers.iter().any(is_stale) || lookups == MAX_LOOKUPS {
                return answers;
            }
            drop(answers);
            tokio::time::sleep(LOOKUP_INTERVAL).await;
        }
    }

    async fn look_up_one(&self, id: UserId) -> Lookup {
        let mut answers = self.look_up(&[id]).await;
        assert_eq!(answers.len(), 1, "one result for one id");
        answers.pop().expect("a result")
    }

    /// Returns the lease of a user that must be a miss.
    async fn miss(&self, id: UserId) -> Lease {
        match self.look_up_one(id).await {
            Lookup::Miss(lease, _) => lease,
            other => panic!("expected a miss, got {other:?}"),
        }
    }

    /// Returns the cached revision: 0 for a cached absence, `None` for a miss.
    async fn cached_revision(&self, id: UserId) -> Option<i64> {
        match self.look_up_one(id).await {
            Lookup::Hit(hit) => {
                if let Some(user) = &hit.user {
                    assert_eq!(user.id, id, "the requested user");
                }
                if let Some(at_once) = self.cache.peek(id) {
                    assert_eq!(at_once.user, hit.user, "peek and look_up agree");
                }
                Some(revision(hit.user.as_ref()))
            }
            Lookup::Miss(lease, _) => {
                assert_eq!(lease.id(), id, "a lease of the requested user");
                assert!(
                    self.cache.peek(id).is_none(),
                    "peek returned what a lookup missed"
                );
                None
            }
            Lookup::InFlight(_) => panic!("no other reader holds a lease"),
        }
    }

    /// Asserts that the user is cached at this revision or is a miss.
    async fn assert_newest_or_nothing(&self, id: UserId, newest: i64) {
        let known = self.cached_revision(id).await;
        assert!(
            known.is_none_or(|known| known == newest),
            "{known:?} instead of {newest}"
        );
    }

    /// Fills the cache with what the store returned after a miss.
    async fn fill(&self, id: UserId, found: Option<&Arc<User>>) {
        let lease = self.miss(id).await;
        self.cache.fill(lease, found.cloned());
    }
}

fn revision(user: Option<&Arc<User>>) -> i64 {
    user.map_or(0, |user| user.revision.get())
}

/// Waits for the result of another reader. `None` if that read was abandoned.
async fn result_of(in_flight: InFlight) -> Option<Option<Arc<User>>> {
    tokio::time::timeout(READER_TIMEOUT, in_flight)
        .await
        .expect("an in_flight that ends with its lease")
}

/// The revisions of one user with an external id, oldest first. Every second change is internal.
fn history(revisions: usize) -> Vec<Arc<User>> {
    let mut new = new_user("alice");
    new.rest.external_id = Edit::Set(external_id("4711"));
    let mut user = registered(&new, &context()).user;
    let mut history = vec![Arc::new(user.clone())];
    for number in 1..revisions {
        let change = if number % 2 == 0 {
            Change::SetHasBlocks(number % 4 == 2)
        } else {
            set_name(&number.to_string())
        };
        user = next(&user, &change);
        history.push(Arc::new(user.clone()));
    }
    history
}

fn next(user: &User, change: &Change) -> User {
    let applied = user.apply(change, &context());
    applied
        .expect("a change that the user admits")
        .expect("a change that changes")
        .user
}

/// Three revisions of one user. The last two have the same version.
fn three_revisions() -> [Arc<User>; 3] {
    history(3).try_into().expect("three revisions")
}

/// A lookup in an empty cache is a miss with a lease of that user.
pub async fn an_unknown_id_is_a_miss(cache: &CacheUnderTest) {
    let id = user_id();
    let lease = cache.miss(id).await;
    assert_eq!(lease.id(), id);
    assert_eq!(cache.cache.lease(id).id(), id);
}

/// A user that a reader filled in is a hit for the next reader.
pub async fn a_filled_user_is_a_hit(cache: &CacheUnderTest) {
    let [user, ..] = three_revisions();
    cache.fill(user.id, Some(&user)).await;
    for _ in 0..3 {
        match cache.look_up_one(user.id).await {
            Lookup::Hit(hit) => assert_eq!(hit.user.as_deref(), Some(&*user)),
            other => panic!("expected a hit, got {other:?}"),
        }
    }
}

/// A user that a write put is a hit for the next reader.
pub async fn a_put_user_is_a_hit(cache: &CacheUnderTest) {
    let [first, second, _] = three_revisions();
    for user in [first, second] {
        let lease = cache.cache.lease(user.id);
        cache.cache.put(lease, user.clone()).await;
        let known = cache.cached_revision(user.id).await;
        assert_eq!(known, Some(user.revision.get()));
    }
}

/// The absence of a user is cached, for its id only.
pub async fn an_absent_user_is_cached(cache: &CacheUnderTest) {
    let (absent, another) = (user_id(), user_id());
    cache.fill(absent, None).await;
    assert_eq!(cache.cached_revision(absent).await, Some(0));
    assert_eq!(cache.cached_revision(another).await, None);
}

/// A created user is visible immediately, even if its absence was cached.
pub async fn a_put_replaces_a_cached_absence(cache: &CacheUnderTest) {
    let [user, ..] = three_revisions();
    cache.fill(user.id, None).await;
    let lease = cache.cache.lease(user.id);
    cache.cache.put(lease, user.clone()).await;
    cache.assert_newest_or_nothing(user.id, 1).await;
}

/// An absence is no longer cached once the user is observed.
pub async fn an_observation_removes_a_cached_absence(cache: &CacheUnderTest) {
    let [user, ..] = three_revisions();
    cache.fill(user.id, None).await;
    cache.cache.observe(&user);
    cache.assert_newest_or_nothing(user.id, 1).await;
}

/// Revisions older than an observed one are no longer returned.
pub async fn an_observed_newer_version_removes_the_older(cache: &CacheUnderTest) {
    let [first, second, _] = three_revisions();
    cache.fill(first.id, Some(&first)).await;
    cache.cache.observe(&second);
    cache.assert_newest_or_nothing(first.id, 2).await;
}

/// A late observation of an older revision removes nothing.
pub async fn an_observed_older_version_keeps_the_newer(cache: &CacheUnderTest) {
    let [first, second, _] = three_revisions();
    cache.fill(second.id, Some(&second)).await;
    for user in [&first, &second] {
        cache.cache.observe(user);
        assert_eq!(cache.cached_revision(second.id).await, Some(2));
    }
}

/// A later fill with a newer revision replaces the cached one.
pub async fn a_newer_fill_replaces_an_older_value(cache: &CacheUnderTest) {
    let [first, second, _] = three_revisions();
    let (slow, quick) = (cache.cache.lease(first.id), cache.cache.lease(first.id));
    cache.cache.fill(quick, Some(first.clone()));
    cache.cache.fill(slow, Some(second));
    cache.assert_newest_or_nothing(first.id, 2).await;
}

/// The slower of two readers may have read an older revision. It must not win.
pub async fn an_older_fill_never_replaces_a_newer_value(cache: &CacheUnderTest) {
    let [first, second, _] = three_revisions();
    for older in [Some(first.clone()), None] {
        let (slow, quick) = (cache.cache.lease(first.id), cache.cache.lease(first.id));
        cache.cache.fill(quick, Some(second.clone()));
        cache.cache.fill(slow, older);
        cache.assert_newest_or_nothing(first.id, 2).await;
    }
}

/// A forgotten user is a miss. It can be filled again, possibly after a delay.
pub async fn a_forgotten_user_is_a_miss_and_can_be_filled_again(cache: &CacheUnderTest) {
    let [first, second, _] = three_revisions();
    for known in [Some(&second), None] {
        cache.cache.forget(first.id).await;
        cache.fill(first.id, known).await;
        cache.cache.forget(first.id).await;
        assert_eq!(cache.cached_revision(first.id).await, None);
    }
    for _ in 0..MAX_LOOKUPS {
        cache.fill(first.id, Some(&first)).await;
        if cache.cached_revision(first.id).await == Some(1) {
            return;
        }
        tokio::time::sleep(LOOKUP_INTERVAL).await;
    }
    panic!("a forgotten user is never cached again");
}

/// Operations on one user do not affect others.
pub async fn users_are_cached_independently(cache: &CacheUnderTest) {
    let [alice, _, newer] = three_revisions();
    let [bob, ..] = three_revisions();
    let lease = cache.miss(bob.id).await;
    cache.fill(alice.id, Some(&alice)).await;
    cache.cache.observe(&newer);
    cache.cache.forget(alice.id).await;
    cache.cache.fill(lease, Some(bob.clone()));
    assert_eq!(cache.cached_revision(alice.id).await, None);
    assert_eq!(cache.cached_revision(bob.id).await, Some(1));
}

/// A lookup returns one result for each id, in order.
pub async fn a_lookup_keeps_the_order_of_the_ids(cache: &CacheUnderTest) {
    let [user, ..] = three_revisions();
    let (absent, unknown) = (user_id(), user_id());
    cache.fill(user.id, Some(&user)).await;
    cache.fill(absent, None).await;
    for ids in [
        [user.id, absent, unknown],
        [unknown, user.id, absent],
        [absent, unknown, user.id],
    ] {
        let answers = cache.look_up(&ids).await;
        assert_eq!(answers.len(), ids.len());
        for (id, answer) in ids.into_iter().zip(answers) {
            match answer {
                Lookup::Hit(hit) if id == user.id => assert_eq!(revision(hit.user.as_ref()), 1),
                Lookup::Hit(hit) if id == absent => assert_eq!(hit.user, None),
                Lookup::Miss(lease, _) if id == unknown => assert_eq!(lease.id(), unknown),
                other => panic!("{other:?} for {id:?}"),
            }
        }
    }
    assert!(cache.cache.look_up(&[]).await.is_empty());
}

/// The largest batch is accepted in one call.
pub async fn a_lookup_of_500_ids_is_one_call(cache: &CacheUnderTest) {
    let ids: Vec<UserId> = (0..500).map(|_| user_id()).collect();
    let answers = cache.look_up(&ids).await;
    assert_eq!(answers.len(), ids.len());
    for (id, answer) in ids.iter().zip(answers) {
        match answer {
            Lookup::Miss(lease, _) => {
                assert_eq!(lease.id(), *id);
                cache.cache.fill(lease, None);
            }
            other => panic!("expected a miss, got {other:?}"),
        }
    }
    let answers = cache.look_up(&ids).await;
    let is_absence = |answer: &Lookup| matches!(answer, Lookup::Hit(hit) if hit.user.is_none());
    assert_eq!(answers.iter().filter(|one| is_absence(one)).count(), 500);
}

/// A username or external id maps to the user that last had it, however the cache saw that user.
pub async fn hints_find_filled_observed_and_put_users(cache: &CacheUnderTest) {
    for operation in ["filled", "observed", "put"] {
        let mut new = new_user(&format!("user.was.{operation}"));
        new.rest.external_id = Edit::Set(external_id(operation));
        let user = Arc::new(registered(&new, &context()).user);
        let keys = [
            UserKey::Username(UsernameKey::from(&user.username)),
            UserKey::ExternalId(external_id(operation)),
        ];
        for key in &keys {
            assert_eq!(cache.cache.hint(key), None, "{key:?}");
        }
        let lease = cache.miss(user.id).await;
        match operation {
            "filled" => cache.cache.fill(lease, Some(user.clone())),
            "observed" => cache.cache.observe(&user),
            _ => cache.cache.put(lease, user.clone()).await,
        }
        for key in &keys {
            assert_eq!(cache.cache.hint(key), Some(user.id), "{operation} {key:?}");
        }
    }
}

/// A new username maps to its user as soon as the cache has seen the rename.
pub async fn a_hint_follows_a_rename(cache: &CacheUnderTest) {
    let [first, ..] = three_revisions();
    cache.fill(first.id, Some(&first)).await;
    let renamed = Arc::new(next(&first, &rename("alicia")));
    let lease = cache.cache.lease(first.id);
    cache.cache.put(lease, renamed.clone()).await;
    let key = UserKey::Username(UsernameKey::from(&renamed.username));
    assert_eq!(cache.cache.hint(&key), Some(first.id));
}
