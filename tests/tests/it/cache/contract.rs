//! The contract suites of the store's and the cache's ports on a replica with both tiers, PostgreSQL and Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use user_domain::ports::{Lookup, Missed};
use user_domain::test_support::contracts::{CacheUnderTest, StoreUnderTest};
use user_domain::test_support::samples::user_id;
use user_tests::{Store, TestApp, shared_redis};

const PATIENCE: Duration = Duration::from_secs(10);

/// A replica that vouches for what it caches.
async fn replica() -> Arc<TestApp> {
    let url = shared_redis();
    let app = TestApp::start_with(Store::Postgres, &[("REDIS_URL", &url)]).await;
    let cache = &app.composition().ports.cache;
    let begun = Instant::now();
    while let Some(Lookup::Miss(_, Missed::Unvouched)) = cache.look_up(&[user_id()]).await.pop() {
        assert!(begun.elapsed() < PATIENCE, "nobody vouches for the cache");
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
        reader: users.clone(),
        writer: users,
        directory: ports.directory,
        change_log: ports.change_log,
        service_tokens: ports.token_registry,
        keeps: Some(app),
    }
}

async fn tiers() -> CacheUnderTest {
    let app = replica().await;
    let cache = app.composition().ports.cache.clone();
    CacheUnderTest {
        cache,
        keeps: Some(app),
    }
}

mod of_the_store {
    use super::*;

    user_domain::store_contract!(users());
}

mod of_the_cache {
    use super::*;

    user_domain::cache_contract!(tiers());
}
