//! Runs the contract suites of the store and of the cache on a replica with PostgreSQL, Redis and both cache tiers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use user_domain::ports::{Lookup, MissReason};
use user_domain::test_support::contracts::{CacheUnderTest, StoreUnderTest};
use user_domain::test_support::samples::user_id;
use user_tests::{Store, TestApp, shared_redis};

const FRESHNESS_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts a replica and waits until its cache is fresh.
async fn replica() -> Arc<TestApp> {
    let url = shared_redis();
    let app = TestApp::start_with(Store::Postgres, &[("REDIS_URL", &url)]).await;
    let cache = &app.composition().ports.cache;
    let started = Instant::now();
    while let Some(Lookup::Miss(_, MissReason::Stale)) = cache.look_up(&[user_id()]).await.pop() {
        assert!(
            started.elapsed() < FRESHNESS_TIMEOUT,
            "the cache is still stale"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Arc::new(app)
}

async fn users() -> StoreUnderTest {
    let app = replica().await;
    let ports = app.composition().ports.clone();
    let users = ports.users();
    StoreUnderTest {
        retention: ports.cached_retention(),
        suspension_ends: ports.cached_suspensions(),
        reader: users.clone(),
        writer: users,
        directory: ports.directory,
        change_log: ports.change_log,
        erasures: ports.erasures,
        event_feed: ports.event_feed,
        event_relays: ports.event_relays,
        records: ports.records,
        service_tokens: ports.token_registry,
        write_records: ports.write_records,
        resource: Some(app),
    }
}

async fn tiers() -> CacheUnderTest {
    let app = replica().await;
    let cache = app.composition().ports.cache.clone();
    CacheUnderTest {
        cache,
        resource: Some(app),
    }
}

mod store {
    use super::*;

    user_domain::store_contract!(users());
}

mod cache {
    use super::*;

    user_domain::cache_contract!(tiers());
}
