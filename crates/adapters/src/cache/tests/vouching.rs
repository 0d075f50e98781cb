//! What is given is vouched for at the moment it is looked at, and nothing that is known to be old comes from Redis.

use std::sync::Barrier;
use std::thread;

use super::*;

const ROUNDS: u32 = 300;
const USERS: usize = 500;

/// A look at many takes its time, and the store may come back in the middle of it.
#[test]
fn what_nobody_vouched_for_when_it_was_looked_at_is_not_given() {
    let Replica { tiers, store, .. } = Replica::idle();
    let Inner {
        first, freshness, ..
    } = &*tiers.inner;
    let users: Vec<Arc<User>> = (0..USERS).map(|_| store.add()).collect();
    let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let long_ago = Instant::now();
    // By then, a look at the outbox of long ago vouches for nothing.
    thread::sleep(NOTICED + Duration::from_millis(1));
    for round in 0..ROUNDS {
        for user in &users {
            first.fill(first.lease(user.id), Some(user));
        }
        freshness.polled(long_ago);
        let start = Barrier::new(2);
        let (looks, stamps) = thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                for _ in 0..round {
                    std::hint::spin_loop();
                }
                first.raise(ids[0], i64::MAX);
                freshness.polled(Instant::now());
            });
            start.wait();
            tiers.look_here(&ids)
        });
        let voucher = stamps.voucher(Instant::now());
        let is_known = matches!(looks.first(), Some(Look::Known(_)));
        assert!(
            !(is_known && voucher.is_some()),
            "{voucher:?} vouches for what it has just dropped"
        );
    }
}

#[tokio::test]
async fn nothing_older_than_what_was_noticed_is_taken_from_redis() {
    let tiers = UserTiers::new(CacheOptions {
        memory: 16 << 20,
        redis: Some(RedisOptions {
            url: "redis://127.0.0.1:1".into(),
            ca_file: None,
            sealing_key: [0; 32],
        }),
        guards: Guards::default(),
    });
    let first = &tiers.inner.first;
    let store = Store::default();
    let [noticed, put, forgotten] = [store.add(), store.add(), store.add()];
    for user in [&noticed, &put, &forgotten] {
        store.change(user).await;
    }
    let newest = store.find(noticed.id).await.unwrap();
    tiers.notice(&newest);
    let lease = tiers.lease(put.id);
    tiers.put(lease, store.find(put.id).await.unwrap()).await;
    tiers.forget(forgotten.id).await;
    for old in [noticed, put, forgotten] {
        // As a reader does who asks Redis.
        let held = first.lease(old.id);
        assert!(!first.fill(held, Some(&old)), "Redis was not told");
    }
}
