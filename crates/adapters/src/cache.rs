//! The user cache: an in-process tier, a Redis tier, and the rules that decide whether an entry is fresh.
//!
//! [`TieredUserCache`] implements the port. `memory` and `redis` store the users. `outbox_poller` and `redis::session`
//! receive the changes that other replicas made. `freshness` decides whether an entry may be served. `docs/caching.md`
//! states the guarantees and proves them.

mod coalescing_reader;
mod freshness;
mod invalidation;
mod memory;
mod meters;
mod outbox_poller;
mod recent_changes;
mod redis;
mod token_tier;
mod tokens;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::{sleep, timeout};
use user_domain::ports::{
    ChangeLog, Clock, FreshnessSource, Hit, Lease, Lookup, MissReason, Tier, UserCache, UserKey,
};
use user_domain::user::User;
use user_domain::values::UserId;

use crate::failure::failure;
use crate::guards::Guards;
use crate::sea_orm::SeaOrmUsers;
use freshness::{FreshnessSnapshot, FreshnessTracker};
use memory::{Entry, Flight, MemoryLease, MemoryLookup, MemoryTier};
use meters::Meters;
use outbox_poller::OutboxPoller;
use recent_changes::RecentChanges;
use redis::{RedisLease, RedisLookup, RedisTier};

pub use coalescing_reader::CoalescingReader;
pub use meters::{OUTBOX_LAG, OUTBOX_LAG_BUCKETS, describe_metrics};
pub use redis::options::*;
pub use redis::{RedisError, clear, refuse_cluster};
pub(crate) use token_tier::CachedServiceToken;
pub use tokens::ServiceTokenCache;

/// The time between two attempts to read the id of the store.
const STORE_ID_RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// The time limit of one attempt, which uses the connection of the outbox poller.
const STORE_ID_TIMEOUT: Duration = Duration::from_millis(500);

/// The settings of a cache.
#[derive(Clone)]
pub struct CacheOptions {
    /// The approximate size of the in-process tier in bytes; 0 stores no user there.
    pub memory_bytes: u64,
    /// The Redis tier, if there is one.
    pub redis: Option<RedisOptions>,
    /// The clock that timestamps the values in Redis: the clock of the store, which all replicas follow.
    pub clock: Arc<dyn Clock>,
    /// The mechanisms that keep the guarantees under races.
    pub guards: Guards,
}

/// The cache of a replica. Every lookup is a miss until [`TieredUserCache::keep_fresh`] runs.
#[derive(Clone)]
pub struct TieredUserCache {
    inner: Arc<Inner>,
}

struct Inner {
    memory: Arc<MemoryTier>,
    redis: Option<Arc<RedisTier>>,
    freshness: Arc<FreshnessTracker>,
    poller: OutboxPoller,
    meters: Arc<Meters>,
}

/// The lease of one user in both tiers, or in the in-process tier alone.
type TieredLease = (MemoryLease, Option<RedisLease>);

/// The state of one user's lookup while the tiers are read in turn.
enum PendingLookup {
    Known(Entry),
    Joined(Flight),
    Leading(TieredLease),
    Answered(Hit),
}

impl TieredUserCache {
    /// Creates an empty cache.
    pub fn new(options: CacheOptions) -> Self {
        let CacheOptions {
            memory_bytes,
            redis,
            clock,
            guards,
        } = options;
        let meters = Arc::new(Meters::default());
        let freshness = Arc::new(FreshnessTracker::new(guards));
        let mut memory = MemoryTier::new(memory_bytes, guards, &meters);
        let mut poller = OutboxPoller::default();
        let redis = redis.map(|redis| {
            let recent = Arc::new(RecentChanges::new(clock, guards));
            poller = OutboxPoller::with_recent_changes(recent.clone());
            RedisTier::new(redis, recent, freshness.clone(), meters.clone(), guards)
        });
        if redis.is_some() {
            memory = memory.with_minimum_revisions();
        }
        let inner = Inner {
            memory: Arc::new(memory),
            redis: redis.map(Arc::new),
            freshness,
            poller,
            meters,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Returns the cache of service tokens, which follows the same freshness rule as the users.
    pub fn tokens(&self) -> ServiceTokenCache {
        ServiceTokenCache {
            memory: self.inner.memory.clone(),
            redis: self.inner.redis.clone(),
            freshness: self.inner.freshness.clone(),
        }
    }

    /// Polls the outbox and keeps the connection to Redis up, for as long as the future is polled.
    pub async fn keep_fresh(&self, users: &SeaOrmUsers) {
        let store = store_id(users);
        Box::pin(self.run(users, store)).await;
    }

    /// Follows a change log. The Redis connection starts once the id of the store is known.
    async fn run(&self, log: &dyn ChangeLog, store: impl Future<Output = String>) {
        let Inner {
            memory,
            redis,
            freshness,
            poller,
            meters,
        } = &*self.inner;
        let measure = || {
            if let Some(redis) = redis {
                redis.measure();
            }
        };
        let follow = poller.run(log, memory, freshness, meters, measure);
        let Some(redis) = redis else {
            return follow.await;
        };
        let session = async {
            let store = store.await;
            tokio::join!(
                redis.clone().keep_connected(&store, &**memory, poller),
                redis.apply_corrections(&**memory, poller, log)
            );
        };
        tokio::join!(follow, session);
    }

    /// Looks users up in the in-process tier. The snapshot is taken first: it proves the freshness only of entries that
    /// are read after it.
    fn look_up_memory(&self, ids: &[UserId]) -> (Vec<PendingLookup>, FreshnessSnapshot) {
        let snapshot = self.inner.freshness.snapshot();
        let lookups = ids
            .iter()
            .map(|id| match self.inner.memory.look_up(*id) {
                MemoryLookup::Known(entry) => PendingLookup::Known(entry),
                MemoryLookup::Joined(flight) => PendingLookup::Joined(flight),
                MemoryLookup::Leading(lease) => PendingLookup::Leading((lease, None)),
            })
            .collect();
        (lookups, snapshot)
    }

    /// Takes a lease for every user because the cache is not fresh. No reader joins the read of another, whose result
    /// may be stale as well.
    fn all_stale(&self, ids: &[UserId], lookups: Vec<PendingLookup>) -> Vec<Lookup> {
        drop(lookups);
        self.inner.meters.process.stale.increment(ids.len() as u64);
        ids.iter()
            .map(|id| Lookup::Miss(self.lease(*id), MissReason::Stale))
            .collect()
    }

    /// Reads the users that this reader leads from Redis.
    async fn look_up_redis(
        &self,
        ids: &[UserId],
        lookups: Vec<PendingLookup>,
    ) -> Vec<PendingLookup> {
        let Inner {
            redis, freshness, ..
        } = &*self.inner;
        let is_led =
            |(lookup, _): &(&PendingLookup, &UserId)| matches!(lookup, PendingLookup::Leading(_));
        let led = lookups.iter().zip(ids).filter(is_led);
        let requested: Vec<UserId> = led.map(|(_, id)| *id).collect();
        let Some(redis) = redis.as_ref().filter(|_| !requested.is_empty()) else {
            return lookups;
        };
        let snapshot = freshness.snapshot();
        let mut results = redis.read(&requested).await.into_iter();
        let source = snapshot.redis_source(Instant::now());
        lookups
            .into_iter()
            .map(|lookup| match lookup {
                PendingLookup::Leading((lease, redis_lease)) => match results.next() {
                    Some(result) => self.accept(lease, result, source),
                    None => PendingLookup::Leading((lease, redis_lease)),
                },
                PendingLookup::Known(_) | PendingLookup::Joined(_) | PendingLookup::Answered(_) => {
                    lookup
                }
            })
            .collect()
    }

    /// Accepts what Redis returned for a user that this reader leads, if the Redis tier is fresh.
    fn accept(
        &self,
        lease: MemoryLease,
        result: RedisLookup,
        source: Option<FreshnessSource>,
    ) -> PendingLookup {
        let Inner { memory, meters, .. } = &*self.inner;
        let (id, tier) = (lease.id(), &meters.shared);
        match (result, source) {
            (RedisLookup::Known(user), Some(freshness_source)) => {
                if !memory.fill(lease, user.as_ref()) {
                    // The user was written during the read.
                    tier.miss.increment(1);
                    return PendingLookup::Leading((memory.lease(id), None));
                }
                count(user.is_some(), &tier.hit, &tier.absent);
                PendingLookup::Answered(Hit {
                    user,
                    tier: Tier::Shared,
                    freshness_source,
                })
            }
            (RedisLookup::Known(_), None) => {
                tier.stale.increment(1);
                PendingLookup::Leading((lease, None))
            }
            (RedisLookup::Miss(redis_lease), _) => {
                tier.miss.increment(1);
                PendingLookup::Leading((lease, redis_lease))
            }
        }
    }

    /// Converts a finished lookup into the answer of the port.
    fn answer(&self, id: UserId, lookup: PendingLookup, source: FreshnessSource) -> Lookup {
        let tier = &self.inner.meters.process;
        match lookup {
            PendingLookup::Answered(hit) => Lookup::Hit(hit),
            PendingLookup::Known(entry) => {
                count(entry.user.is_some(), &tier.hit, &tier.absent);
                Lookup::Hit(Hit {
                    user: entry.user,
                    tier: Tier::Process,
                    freshness_source: source,
                })
            }
            PendingLookup::Leading(lease) => {
                tier.miss.increment(1);
                Lookup::Miss(Lease::new(id, lease), MissReason::Unknown)
            }
            PendingLookup::Joined(flight) => {
                tier.joined.increment(1);
                let freshness = self.inner.freshness.clone();
                Lookup::InFlight(Box::pin(async move {
                    let user = flight.await.ok()?;
                    // The leader's read may have taken longer than the maximum age.
                    freshness
                        .snapshot()
                        .memory_source(Instant::now())
                        .map(|_| user)
                }))
            }
        }
    }

    async fn publish(&self, id: UserId, revision: i64) {
        self.inner.meters.invalidated_by_write.increment(1);
        if let Some(redis) = &self.inner.redis {
            redis.publish(id, revision).await;
        }
    }
}

#[async_trait]
impl UserCache for TieredUserCache {
    async fn look_up(&self, ids: &[UserId]) -> Vec<Lookup> {
        let (lookups, snapshot) = self.look_up_memory(ids);
        if snapshot.memory_source(Instant::now()).is_none() {
            return self.all_stale(ids, lookups);
        }
        let lookups = self.look_up_redis(ids, lookups).await;
        // Time has passed: Redis was read, or this process was stopped.
        let Some(source) = snapshot.memory_source(Instant::now()) else {
            return self.all_stale(ids, lookups);
        };
        lookups
            .into_iter()
            .zip(ids)
            .map(|(lookup, id)| self.answer(*id, lookup, source))
            .collect()
    }

    fn peek(&self, id: UserId) -> Option<Hit> {
        // Taken first: a snapshot proves the freshness only of entries that are read after it.
        let snapshot = self.inner.freshness.snapshot();
        let user = self.inner.memory.get(id)?.user?;
        let freshness_source = snapshot.memory_source(Instant::now())?;
        self.inner.meters.process.hit.increment(1);
        Some(Hit {
            user: Some(user),
            tier: Tier::Process,
            freshness_source,
        })
    }

    fn hint(&self, key: &UserKey) -> Option<UserId> {
        self.inner.memory.hint(key)
    }

    fn lease(&self, id: UserId) -> Lease {
        let lease: TieredLease = (self.inner.memory.lease(id), None);
        Lease::new(id, lease)
    }

    fn fill(&self, lease: Lease, found: Option<Arc<User>>) {
        let id = lease.id();
        let Some((lease, redis_lease)) = lease.into_token::<TieredLease>() else {
            return;
        };
        self.inner.memory.observe(id, found.as_ref());
        let is_accepted = self.inner.memory.fill(lease, found.as_ref());
        if let (Some(redis), Some(lease), true) = (&self.inner.redis, redis_lease, is_accepted) {
            redis.fill(lease, id, found.as_ref());
        }
    }

    fn observe(&self, user: &User) {
        let Inner { memory, .. } = &*self.inner;
        memory.invalidate_ahead_of_redis(user.id, user.revision.get());
        memory.add_hints(user);
    }

    fn observe_absence(&self, id: UserId) {
        self.inner.memory.invalidate_ahead_of_redis(id, i64::MAX);
    }

    async fn put(&self, lease: Lease, user: Arc<User>) {
        let (id, revision) = (user.id, user.revision.get());
        self.inner.memory.invalidate_ahead_of_redis(id, revision);
        if let Some((lease, _)) = lease.into_token::<TieredLease>() {
            self.inner.memory.fill(lease, Some(&user));
        }
        self.publish(id, revision).await;
    }

    async fn forget(&self, id: UserId) {
        self.inner.memory.remove_hints(id);
        self.inner.memory.invalidate_ahead_of_redis(id, i64::MAX);
        self.publish(id, i64::MAX).await;
    }
}

fn count(exists: bool, hit: &metrics::Counter, absent: &metrics::Counter) {
    if exists {
        hit.increment(1);
    } else {
        absent.increment(1);
    }
}

/// Returns the id of the store. Repeats the query until the database answers.
async fn store_id(users: &SeaOrmUsers) -> String {
    loop {
        match timeout(STORE_ID_TIMEOUT, users.store_id()).await {
            Ok(Ok(id)) => return id,
            failed => {
                let cause = failure(failed);
                tracing::debug!(cause, "store id not yet known");
            }
        }
        sleep(STORE_ID_RETRY_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests;
