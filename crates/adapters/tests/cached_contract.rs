//! Runs the contract suites of the store and of the cache with SQLite behind the in-memory cache.
//!
//! The runs with Redis are in `tests/`, because they need a server.

#![expect(clippy::unwrap_used, reason = "a test helper may panic")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinSet;
use user_adapters::SystemClock;
use user_adapters::cache::{CacheOptions, CoalescingReader, TieredUserCache};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::{Connections, SeaOrmUsers};
use user_domain::ports::{Lookup, MissReason, UserCache as _};
use user_domain::test_support::contracts::{
    CacheUnderTest, ImportUnderTest, RelationshipsUnderTest, StoreUnderTest,
};
use user_domain::test_support::samples::user_id;
use user_domain::{CachedRelationships, CachedRetention, CachedSuspensions, CachedUsers};

const FRESHNESS_TIMEOUT: Duration = Duration::from_secs(10);

/// A store on SQLite with a cache in front. The cache polls the store until `resources` is dropped.
struct Replica {
    users: Arc<SeaOrmUsers>,
    tiers: Arc<TieredUserCache>,
    resources: (TempDir, JoinSet<()>),
}

/// Starts a replica and waits until its cache is fresh.
async fn replica() -> Replica {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    let connections = Connections::sqlite(&path).await.unwrap();
    connections.migrate(None).await.unwrap();
    let users = Arc::new(SeaOrmUsers::new(connections));
    let tiers = Arc::new(TieredUserCache::new(CacheOptions {
        memory_bytes: 16 << 20,
        redis: None,
        clock: Arc::new(SystemClock),
        guards: Guards::default(),
    }));
    let mut polling = JoinSet::new();
    let (cache, store) = (tiers.clone(), users.clone());
    polling.spawn(async move { cache.keep_fresh(&store).await });
    let started = Instant::now();
    while let Some(Lookup::Miss(_, MissReason::Stale)) = tiers.look_up(&[user_id()]).await.pop() {
        assert!(
            started.elapsed() < FRESHNESS_TIMEOUT,
            "the cache is still stale"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Replica {
        users,
        tiers,
        resources: (folder, polling),
    }
}

async fn cache() -> CacheUnderTest {
    let replica = replica().await;
    CacheUnderTest::from(replica.tiers).with_resource(replica.resources)
}

async fn cached_store() -> StoreUnderTest {
    let replica = replica().await;
    store_of(&replica.users, &replica.tiers).with_resource(replica.resources)
}

async fn cached_relationships() -> RelationshipsUnderTest {
    let Replica {
        users,
        tiers,
        resources,
    } = replica().await;
    let store = ImportUnderTest {
        store: store_of(&users, &tiers),
        import: users.clone(),
    };
    RelationshipsUnderTest {
        store: store.with_resource(resources),
        relationships: Arc::new(CachedRelationships::new(users.clone(), tiers)),
        count_maintenance: users,
    }
}

fn store_of(users: &Arc<SeaOrmUsers>, tiers: &Arc<TieredUserCache>) -> StoreUnderTest {
    let coalescing = Arc::new(CoalescingReader::new(users.clone()));
    let retention = Arc::new(CachedRetention::new(users.clone(), tiers.clone()));
    let cached = Arc::new(CachedUsers::new(coalescing, users.clone(), tiers.clone()));
    StoreUnderTest {
        reader: cached.clone(),
        writer: cached,
        retention,
        suspension_ends: Arc::new(CachedSuspensions::new(users.clone(), tiers.clone())),
        ..StoreUnderTest::from(users.clone())
    }
}

user_domain::cache_contract!(cache());

mod store {
    use super::*;

    user_domain::store_contract!(cached_store());
}

mod relationships {
    use super::*;

    user_domain::relationships_contract!(cached_relationships());
}
