//! The promises of [`crate::ports::UserCache`].
//!
//! A cache may always not know. What is promised is therefore mostly what it never says; only right after something was
//! told to it and nothing else happened must it know.

mod leases;
mod races;

pub use leases::*;
pub use races::*;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::ports::{Arrival, Lease, Lookup, Missed, UserCache, UserKey};
use crate::test_support::fakes::FakeCache;
use crate::test_support::samples::{
    call, context, external_id, new_user, registered, rename, user_id,
};
use crate::user::{Change, Edit, User};
use crate::values::{UserId, UsernameKey};

/// How often a cache of which nothing is vouched for just then is asked again, and after which pause.
const LOOKS: usize = 500;
const PAUSE: Duration = Duration::from_millis(20);
/// For how long another reader is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// An empty cache, ready to be asked.
#[derive(Clone)]
pub struct CacheUnderTest {
    /// The port of the same name.
    pub cache: Arc<dyn UserCache>,
    /// What has to live as long as the cache does, such as a connection; dropped with the last clone.
    pub keeps: Option<Arc<dyn Any + Send + Sync>>,
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
        Self { cache, keeps: None }
    }
}

impl Default for CacheUnderTest {
    /// Gives an empty [`FakeCache`].
    fn default() -> Self {
        Self::from(Arc::new(FakeCache::default()))
    }
}

impl CacheUnderTest {
    /// Keeps something alive for as long as the cache.
    #[must_use]
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.keeps = Some(Arc::new(kept));
        self
    }

    /// Looks for many; again for a while if nothing vouches just then for what is known.
    async fn look_up(&self, ids: &[UserId]) -> Vec<Lookup> {
        let mut looks = 0;
        loop {
            looks += 1;
            let answers = self.cache.look_up(ids).await;
            let is_unvouched =
                |answer: &Lookup| matches!(answer, Lookup::Miss(_, Missed::Unvouched));
            if !answers.iter().any(is_unvouched) || looks == LOOKS {
                return answers;
            }
            drop(answers);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&self, id: UserId) -> Lookup {
        let mut answers = self.look_up(&[id]).await;
        assert_eq!(answers.len(), 1, "one answer for one id");
        answers.pop().expect("an answer")
    }

    /// Leases a user that is not known.
    async fn missed(&self, id: UserId) -> Lease {
        match self.look(id).await {
            Lookup::Miss(lease, _) => lease,
            other => panic!("expected a miss, got {other:?}"),
        }
    }

    /// The version that is known: 0 of an absence, none if the cache cannot tell.
    async fn known(&self, id: UserId) -> Option<i64> {
        match self.look(id).await {
            Lookup::Hit(hit) => {
                if let Some(user) = &hit.user {
                    assert_eq!(user.id, id, "the user who was asked for");
                }
                if let Some(at_once) = self.cache.known(id) {
                    assert_eq!(at_once.user, hit.user, "what is known without waiting");
                }
                Some(version(hit.user.as_ref()))
            }
            Lookup::Miss(lease, _) => {
                assert_eq!(lease.id(), id, "a lease of the user who was asked for");
                assert!(self.cache.known(id).is_none(), "a look is a miss");
                None
            }
            Lookup::Coming(_) => panic!("nobody holds a lease"),
        }
    }

    /// Asserts that this version is known or nothing: nothing older, and nothing that never was.
    async fn assert_newest_or_nothing(&self, id: UserId, newest: i64) {
        let known = self.known(id).await;
        assert!(
            known.is_none_or(|known| known == newest),
            "{known:?} instead of {newest}"
        );
    }

    /// Fills in what a store tells after this.
    async fn filled(&self, id: UserId, found: Option<&Arc<User>>) {
        let lease = self.missed(id).await;
        self.cache.fill(lease, found.cloned());
    }
}

fn version(user: Option<&Arc<User>>) -> i64 {
    user.map_or(0, |user| user.version.get())
}

/// What another reader found, as soon as it has.
async fn arrived(arrival: Arrival) -> Option<Option<Arc<User>>> {
    tokio::time::timeout(PATIENCE, arrival)
        .await
        .expect("an arrival that ends with its lease")
}

/// One user at so many versions, the first first, with a name and an older id.
fn history(versions: usize) -> Vec<Arc<User>> {
    let mut new = new_user("alice");
    new.rest.external_id = Edit::Set(external_id("4711"));
    let mut user = registered(&new, &context()).user;
    let mut history = vec![Arc::new(user.clone())];
    for number in 1..versions {
        user = next(&user, &call(&number.to_string()));
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

/// Three versions of one user.
fn three() -> [Arc<User>; 3] {
    history(3).try_into().expect("three versions")
}

/// An empty cache knows nothing, and says so with a lease of each.
pub async fn who_was_never_seen_is_a_miss(cache: &CacheUnderTest) {
    let id = user_id();
    let lease = cache.missed(id).await;
    assert_eq!(lease.id(), id);
    assert_eq!(cache.cache.lease(id).id(), id);
}

/// What a reader filled in is known to the next.
pub async fn a_fill_is_a_hit_afterwards(cache: &CacheUnderTest) {
    let [user, ..] = three();
    cache.filled(user.id, Some(&user)).await;
    for _ in 0..3 {
        match cache.look(user.id).await {
            Lookup::Hit(hit) => assert_eq!(hit.user.as_deref(), Some(&*user)),
            other => panic!("expected a hit, got {other:?}"),
        }
    }
}

/// What a write put is known to the next reader.
pub async fn a_put_is_a_hit_afterwards(cache: &CacheUnderTest) {
    let [first, second, _] = three();
    for user in [first, second] {
        let lease = cache.cache.lease(user.id);
        cache.cache.put(lease, user.clone()).await;
        let known = cache.known(user.id).await;
        assert_eq!(known, Some(user.version.get()));
    }
}

/// That there is nobody is known as well, of this id only.
pub async fn an_absence_is_remembered(cache: &CacheUnderTest) {
    let (nobody, another) = (user_id(), user_id());
    cache.filled(nobody, None).await;
    assert_eq!(cache.known(nobody).await, Some(0));
    assert_eq!(cache.known(another).await, None);
}

/// Who is created is seen at once, though it was known that there is nobody.
pub async fn an_absence_ends_when_the_user_is_put(cache: &CacheUnderTest) {
    let [user, ..] = three();
    cache.filled(user.id, None).await;
    let lease = cache.cache.lease(user.id);
    cache.cache.put(lease, user.clone()).await;
    cache.assert_newest_or_nothing(user.id, 1).await;
}

/// Who was found elsewhere is no longer nobody.
pub async fn an_absence_ends_when_the_user_is_noticed(cache: &CacheUnderTest) {
    let [user, ..] = three();
    cache.filled(user.id, None).await;
    cache.cache.notice(&user);
    cache.assert_newest_or_nothing(user.id, 1).await;
}

/// What is older than what was noticed is not given any more.
pub async fn a_notice_of_a_newer_version_drops_the_older(cache: &CacheUnderTest) {
    let [first, second, _] = three();
    cache.filled(first.id, Some(&first)).await;
    cache.cache.notice(&second);
    cache.assert_newest_or_nothing(first.id, 2).await;
}

/// A notice that comes late takes nothing away.
pub async fn a_notice_of_an_older_version_keeps_the_newer(cache: &CacheUnderTest) {
    let [first, second, _] = three();
    cache.filled(second.id, Some(&second)).await;
    for user in [&first, &second] {
        cache.cache.notice(user);
        assert_eq!(cache.known(second.id).await, Some(2));
    }
}

/// What was filled in earlier makes way for what is newer.
pub async fn a_newer_fill_replaces_what_is_older(cache: &CacheUnderTest) {
    let [first, second, _] = three();
    let (slow, quick) = (cache.cache.lease(first.id), cache.cache.lease(first.id));
    cache.cache.fill(quick, Some(first.clone()));
    cache.cache.fill(slow, Some(second));
    cache.assert_newest_or_nothing(first.id, 2).await;
}

/// Of two readers the slower may have read the older: it never wins.
pub async fn an_older_fill_never_replaces_what_is_newer(cache: &CacheUnderTest) {
    let [first, second, _] = three();
    for older in [Some(first.clone()), None] {
        let (slow, quick) = (cache.cache.lease(first.id), cache.cache.lease(first.id));
        cache.cache.fill(quick, Some(second.clone()));
        cache.cache.fill(slow, older);
        cache.assert_newest_or_nothing(first.id, 2).await;
    }
}

/// Of a user who was forgotten nothing is known, and it can be learnt anew, be it after a while.
pub async fn who_was_forgotten_is_a_miss_and_may_be_filled_anew(cache: &CacheUnderTest) {
    let [first, second, _] = three();
    for known in [Some(&second), None] {
        cache.cache.forget(first.id).await;
        cache.filled(first.id, known).await;
        cache.cache.forget(first.id).await;
        assert_eq!(cache.known(first.id).await, None);
    }
    for _ in 0..LOOKS {
        cache.filled(first.id, Some(&first)).await;
        if cache.known(first.id).await == Some(1) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("who was forgotten is never known again");
}

/// What happens to one user says nothing of another.
pub async fn users_do_not_meet(cache: &CacheUnderTest) {
    let [alice, _, newer] = three();
    let [bob, ..] = three();
    let lease = cache.missed(bob.id).await;
    cache.filled(alice.id, Some(&alice)).await;
    cache.cache.notice(&newer);
    cache.cache.forget(alice.id).await;
    cache.cache.fill(lease, Some(bob.clone()));
    assert_eq!(cache.known(alice.id).await, None);
    assert_eq!(cache.known(bob.id).await, Some(1));
}

/// Each id has its answer, in its place.
pub async fn answers_come_in_the_order_of_the_ids(cache: &CacheUnderTest) {
    let [user, ..] = three();
    let (nobody, unknown) = (user_id(), user_id());
    cache.filled(user.id, Some(&user)).await;
    cache.filled(nobody, None).await;
    for ids in [
        [user.id, nobody, unknown],
        [unknown, user.id, nobody],
        [nobody, unknown, user.id],
    ] {
        let answers = cache.look_up(&ids).await;
        assert_eq!(answers.len(), ids.len());
        for (id, answer) in ids.into_iter().zip(answers) {
            match answer {
                Lookup::Hit(hit) if id == user.id => assert_eq!(version(hit.user.as_ref()), 1),
                Lookup::Hit(hit) if id == nobody => assert_eq!(hit.user, None),
                Lookup::Miss(lease, _) if id == unknown => assert_eq!(lease.id(), unknown),
                other => panic!("{other:?} for {id:?}"),
            }
        }
    }
    assert!(cache.cache.look_up(&[]).await.is_empty());
}

/// A full batch is one look.
pub async fn five_hundred_ids_are_looked_up_at_once(cache: &CacheUnderTest) {
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

/// A name or older id leads to whom it was seen with last, however the cache came to see it.
pub async fn hints_lead_to_who_was_filled_noticed_or_put(cache: &CacheUnderTest) {
    for told in ["filled", "noticed", "put"] {
        let mut new = new_user(&format!("who.was.{told}"));
        new.rest.external_id = Edit::Set(external_id(told));
        let user = Arc::new(registered(&new, &context()).user);
        let keys = [
            UserKey::Username(UsernameKey::from(&user.username)),
            UserKey::ExternalId(external_id(told)),
        ];
        for key in &keys {
            assert_eq!(cache.cache.hint(key), None, "{key:?}");
        }
        let lease = cache.missed(user.id).await;
        match told {
            "filled" => cache.cache.fill(lease, Some(user.clone())),
            "noticed" => cache.cache.notice(&user),
            _ => cache.cache.put(lease, user.clone()).await,
        }
        for key in &keys {
            assert_eq!(cache.cache.hint(key), Some(user.id), "{told} {key:?}");
        }
    }
}

/// A new name leads to its bearer as soon as the cache has seen it.
pub async fn a_hint_follows_a_change_of_name(cache: &CacheUnderTest) {
    let [first, ..] = three();
    cache.filled(first.id, Some(&first)).await;
    let renamed = Arc::new(next(&first, &rename("alicia")));
    let lease = cache.cache.lease(first.id);
    cache.cache.put(lease, renamed.clone()).await;
    let key = UserKey::Username(UsernameKey::from(&renamed.username));
    assert_eq!(cache.cache.hint(&key), Some(first.id));
}
