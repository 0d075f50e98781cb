//! The cache of users: a tier in the process, a tier in Redis, and who vouches for them.
//!
//! [`UserTiers`] answers the port; `first_tier` and `redis` keep the users; `tail` and the link of `redis` bring
//! the news of what others changed; `freshness` decides whether what is kept may be given. The promise and its proof
//! stand in `docs/caching.md`.

mod first_tier;
mod freshness;
mod gather;
mod meters;
mod redis;
mod tail;
mod tokens;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::{sleep, timeout};
use user_domain::ports::{
    ChangeLog, Hit, Lease, Lookup, Missed, Tier, UserCache, UserKey, Voucher,
};
use user_domain::user::User;
use user_domain::values::UserId;

use crate::guards::Guards;
use crate::sea_orm::SeaOrmUsers;
use first_tier::{Begun, Entry, FirstTier, Flight, Held};
use freshness::{Freshness, Stamps};
use meters::Meters;
use redis::{SecondTier, Told};
use tail::Tail;

pub use gather::GatheredReader;
pub use meters::{OUTBOX_LAG, OUTBOX_LAG_BUCKETS, describe_metrics};
pub use redis::{RedisError, RedisOptions, clear};
pub(crate) use tokens::KnownToken;
pub use tokens::TokenCache;

/// How long to wait before a database that has not told its name is asked again.
const RETRY: Duration = Duration::from_millis(250);
/// How long that question may take: it is asked on the tail's own connection.
const DEADLINE: Duration = Duration::from_millis(500);

/// How the cache is made.
#[derive(Clone)]
pub struct CacheOptions {
    /// The bytes of the tier in the process, roughly; 0 keeps no user there.
    pub memory: u64,
    /// The tier in Redis, if there is one.
    pub redis: Option<RedisOptions>,
    /// What keeps the promises.
    pub guards: Guards,
}

/// The cache. Until [`UserTiers::keep_fresh`] runs nobody vouches for anything in it, and every look is a miss.
#[derive(Clone)]
pub struct UserTiers {
    inner: Arc<Inner>,
}

struct Inner {
    first: Arc<FirstTier>,
    second: Option<Arc<SecondTier>>,
    freshness: Arc<Freshness>,
    tail: Tail,
    meters: Arc<Meters>,
}

/// A look at one user that is under way.
enum Look {
    Known(Entry),
    Joined(Flight),
    Leading(Held),
    Answered(Hit),
}

impl UserTiers {
    /// Makes an empty cache.
    pub fn new(options: CacheOptions) -> Self {
        let CacheOptions {
            memory,
            redis,
            guards,
        } = options;
        let meters = Arc::new(Meters::default());
        let freshness = Arc::new(Freshness::new(guards));
        let second =
            redis.map(|redis| SecondTier::new(redis, freshness.clone(), meters.clone(), guards));
        let mut first = FirstTier::new(memory, guards, &meters);
        if second.is_some() {
            first = first.before_redis();
        }
        let inner = Inner {
            first: Arc::new(first),
            second: second.map(Arc::new),
            freshness,
            tail: Tail::default(),
            meters,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The tokens of services, vouched for as the users are.
    pub fn tokens(&self) -> TokenCache {
        let Inner {
            first,
            second,
            freshness,
            ..
        } = &*self.inner;
        TokenCache {
            first: first.clone(),
            second: second.clone(),
            freshness: freshness.clone(),
        }
    }

    /// Follows the outbox and keeps the link to Redis up, for as long as it is polled.
    pub async fn keep_fresh(&self, users: &SeaOrmUsers) {
        let store = store_id(users);
        Box::pin(self.follow(users, store)).await;
    }

    /// Follows any log of changes, for a store whose name comes up.
    async fn follow(&self, log: &dyn ChangeLog, store: impl Future<Output = String>) {
        let Inner {
            first,
            second,
            freshness,
            tail,
            meters,
        } = &*self.inner;
        let measure = || {
            if let Some(second) = second {
                second.measure();
            }
        };
        let follow = tail.follow(log, first, freshness, meters, measure);
        let Some(second) = second else {
            return follow.await;
        };
        let link = async {
            let store = store.await;
            tokio::join!(
                second.clone().keep_linked(&store, first, tail),
                second.keep_correct(first, tail, log)
            );
        };
        tokio::join!(follow, link);
    }

    /// Looks into the first tier, having taken down who vouches for what is there.
    fn look_here(&self, ids: &[UserId]) -> (Vec<Look>, Stamps) {
        let Inner {
            first, freshness, ..
        } = &*self.inner;
        let stamps = freshness.stamps();
        let looks = ids
            .iter()
            .map(|id| match first.begin(*id) {
                Begun::Known(entry) => Look::Known(entry),
                Begun::Joined(flight) => Look::Joined(flight),
                Begun::Leading(held) => Look::Leading(held),
            })
            .collect();
        (looks, stamps)
    }

    /// Takes leases of users for which nobody vouches: nobody waits for another's answer, which may be as old.
    fn unvouched(&self, ids: &[UserId], looks: Vec<Look>) -> Vec<Lookup> {
        let Inner { first, meters, .. } = &*self.inner;
        drop(looks);
        meters.process.unvouched.increment(ids.len() as u64);
        ids.iter()
            .map(|id| Lookup::Miss(Lease::new(*id, first.lease(*id)), Missed::Unvouched))
            .collect()
    }

    /// Asks Redis for those users that this reader leads.
    async fn look_there(&self, ids: &[UserId], looks: Vec<Look>) -> Vec<Look> {
        let Inner {
            second, freshness, ..
        } = &*self.inner;
        let is_led = |(look, _): &(&Look, &UserId)| matches!(look, Look::Leading(_));
        let led = looks.iter().zip(ids).filter(is_led);
        let sought: Vec<UserId> = led.map(|(_, id)| *id).collect();
        let Some(second) = second.as_ref().filter(|_| !sought.is_empty()) else {
            return looks;
        };
        let stamps = freshness.stamps();
        let mut told = second.read(&sought).await.into_iter();
        let voucher = stamps.second_voucher(Instant::now());
        looks
            .into_iter()
            .map(|look| match look {
                Look::Leading(held) => match told.next() {
                    Some(told) => self.take(held, told, voucher),
                    None => Look::Leading(held),
                },
                Look::Known(_) | Look::Joined(_) | Look::Answered(_) => look,
            })
            .collect()
    }

    /// Takes what Redis told of a user that this reader leads, if somebody vouches for it.
    fn take(&self, mut held: Held, told: Told, voucher: Option<Voucher>) -> Look {
        let Inner { first, meters, .. } = &*self.inner;
        let (id, tier) = (held.id(), &meters.shared);
        match (told, voucher) {
            (Told::Known(user), Some(vouched_by)) => {
                if !first.fill(held, user.as_ref()) {
                    // It was written meanwhile.
                    tier.miss.increment(1);
                    return Look::Leading(first.lease(id));
                }
                count(user.is_some(), &tier.hit, &tier.absent);
                Look::Answered(Hit {
                    user,
                    tier: Tier::Shared,
                    vouched_by,
                })
            }
            (Told::Known(_), None) => {
                tier.unvouched.increment(1);
                Look::Leading(held)
            }
            (Told::Nothing(lease), _) => {
                tier.miss.increment(1);
                held.second = lease;
                Look::Leading(held)
            }
        }
    }

    /// Turns a look into an answer.
    fn answer(&self, id: UserId, look: Look, voucher: Voucher) -> Lookup {
        let tier = &self.inner.meters.process;
        match look {
            Look::Answered(hit) => Lookup::Hit(hit),
            Look::Known(entry) => {
                count(entry.user.is_some(), &tier.hit, &tier.absent);
                Lookup::Hit(Hit {
                    user: entry.user,
                    tier: Tier::Process,
                    vouched_by: voucher,
                })
            }
            Look::Leading(held) => {
                tier.miss.increment(1);
                Lookup::Miss(Lease::new(id, held), Missed::Unknown)
            }
            Look::Joined(flight) => {
                tier.joined.increment(1);
                let freshness = self.inner.freshness.clone();
                Lookup::Coming(Box::pin(async move {
                    let user = flight.await.ok()?;
                    // The other may have been long about it.
                    freshness.stamps().voucher(Instant::now()).map(|_| user)
                }))
            }
        }
    }

    async fn tell(&self, id: UserId, version: i64) {
        self.inner.meters.invalidated_by_write.increment(1);
        if let Some(second) = &self.inner.second {
            second.tell(id, version).await;
        }
    }
}

#[async_trait]
impl UserCache for UserTiers {
    async fn look_up(&self, ids: &[UserId]) -> Vec<Lookup> {
        let (looks, stamps) = self.look_here(ids);
        if stamps.voucher(Instant::now()).is_none() {
            return self.unvouched(ids, looks);
        }
        let looks = self.look_there(ids, looks).await;
        // Redis may have been waited for, and this process stopped.
        let Some(voucher) = stamps.voucher(Instant::now()) else {
            return self.unvouched(ids, looks);
        };
        looks
            .into_iter()
            .zip(ids)
            .map(|(look, id)| self.answer(*id, look, voucher))
            .collect()
    }

    fn known(&self, id: UserId) -> Option<Hit> {
        let Inner {
            first,
            freshness,
            meters,
            ..
        } = &*self.inner;
        // Taken down before the look: they vouch for nothing that is read before them.
        let stamps = freshness.stamps();
        let user = first.known(id)?.user?;
        let vouched_by = stamps.voucher(Instant::now())?;
        meters.process.hit.increment(1);
        Some(Hit {
            user: Some(user),
            tier: Tier::Process,
            vouched_by,
        })
    }

    fn hint(&self, key: &UserKey) -> Option<UserId> {
        self.inner.first.hint(key)
    }

    fn lease(&self, id: UserId) -> Lease {
        Lease::new(id, self.inner.first.lease(id))
    }

    fn fill(&self, lease: Lease, found: Option<Arc<User>>) {
        let id = lease.id();
        let Some(mut held) = lease.into_slip::<Held>() else {
            return;
        };
        let lease = held.second.take();
        self.inner.first.learn(id, found.as_ref());
        let taken = self.inner.first.fill(held, found.as_ref());
        if let (Some(second), Some(lease), true) = (&self.inner.second, lease, taken) {
            second.fill(lease, id, found.as_ref());
        }
    }

    fn notice(&self, user: &User) {
        let Inner { first, .. } = &*self.inner;
        first.raise_ahead_of_redis(user.id, user.version.get());
        first.remember_names(user);
    }

    fn notice_absence(&self, id: UserId) {
        self.inner.first.raise_ahead_of_redis(id, i64::MAX);
    }

    async fn put(&self, lease: Lease, user: Arc<User>) {
        let (id, version) = (user.id, user.version.get());
        self.inner.first.raise_ahead_of_redis(id, version);
        if let Some(held) = lease.into_slip::<Held>() {
            self.inner.first.fill(held, Some(&user));
        }
        self.tell(id, version).await;
    }

    async fn forget(&self, id: UserId) {
        self.inner.first.raise_ahead_of_redis(id, i64::MAX);
        self.tell(id, i64::MAX).await;
    }
}

fn count(exists: bool, hit: &metrics::Counter, absent: &metrics::Counter) {
    if exists {
        hit.increment(1);
    } else {
        absent.increment(1);
    }
}

/// Asks the database for the store's name until it tells.
async fn store_id(users: &SeaOrmUsers) -> String {
    loop {
        match timeout(DEADLINE, users.store_id()).await {
            Ok(Ok(id)) => return id,
            failed => tracing::debug!(?failed, "the store has not told its name yet"),
        }
        sleep(RETRY).await;
    }
}

#[cfg(test)]
mod tests;
