//! Freshness is decided when an entry is read, and nothing known to be old is accepted from Redis.

use std::sync::Barrier;
use std::thread;

use super::*;
use crate::cache::invalidation::InvalidationTarget as _;

const ROUNDS: u32 = 300;
const USERS: usize = 500;

/// A lookup of many users takes time, and a poll may complete in the middle of it.
#[test]
fn a_poll_during_a_lookup_does_not_make_old_entries_fresh() {
    let Replica { tiers, store, .. } = Replica::idle();
    let Inner {
        memory, freshness, ..
    } = &*tiers.inner;
    let users: Vec<Arc<User>> = (0..USERS).map(|_| store.add()).collect();
    let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let long_ago = Instant::now();
    // After this wait, the old poll proves nothing.
    thread::sleep(NOTICED + Duration::from_millis(1));
    for round in 0..ROUNDS {
        for user in &users {
            memory.fill(memory.lease(user.id), Some(user));
        }
        freshness.record_poll(long_ago);
        let start = Barrier::new(2);
        let (lookups, snapshot) = thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for _ in 0..round {
                    std::hint::spin_loop();
                }
                memory.invalidate(ids[0], i64::MAX);
                freshness.record_poll(Instant::now());
            });
            start.wait();
            tiers.look_up_memory(&ids)
        });
        let memory_source = snapshot.memory_source(Instant::now());
        let is_known = matches!(lookups.first(), Some(PendingLookup::Known(_)));
        assert!(
            !(is_known && memory_source.is_some()),
            "{memory_source:?} proves the freshness of a removed entry"
        );
    }
}

#[tokio::test]
async fn a_revision_older_than_an_observed_one_is_refused_from_redis() {
    let tiers = TieredUserCache::new(CacheOptions {
        memory_bytes: 16 << 20,
        redis: Some(RedisOptions {
            connection: RedisConnection {
                server: RedisServer::Address(RedisAddress {
                    host: "127.0.0.1".to_owned(),
                    port: 1,
                }),
                credentials: RedisCredentials::default(),
                database: 0,
                tls: None,
            },
            timeout: Duration::from_millis(5),
            sealing_key: [0; 32],
        }),
        clock: Arc::new(SystemClock),
        guards: Guards::default(),
    });
    let memory = &tiers.inner.memory;
    let store = Store::default();
    let [noticed, put, forgotten] = [store.add(), store.add(), store.add()];
    for user in [&noticed, &put, &forgotten] {
        store.change(user).await;
    }
    let newest = store.find(noticed.id).await.unwrap();
    tiers.observe(&newest);
    let lease = tiers.lease(put.id);
    tiers.put(lease, store.find(put.id).await.unwrap()).await;
    tiers.forget(forgotten.id).await;
    for old in [noticed, put, forgotten] {
        // This is what a reader of Redis does.
        let lease = memory.lease(old.id);
        assert!(
            !memory.fill(lease, Some(&old)),
            "Redis has not confirmed it"
        );
    }
}
