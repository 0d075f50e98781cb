//! The contract suites through the cache: SQLite keeps its promises behind it, and it keeps its own. The runs with
//! Redis stand in `tests/`, since they need a server.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinSet;
use user_adapters::cache::{CacheOptions, GatheredReader, UserTiers};
use user_adapters::guards::Guards;
use user_adapters::sea_orm::{Connections, SeaOrmUsers};
use user_domain::ports::{Lookup, Missed, UserCache as _};
use user_domain::test_support::contracts::{
    CacheUnderTest, ImportUnderTest, RelationshipsUnderTest, StoreUnderTest,
};
use user_domain::test_support::samples::user_id;
use user_domain::{CachedRelationships, CachedRetention, CachedUsers};

const PATIENCE: Duration = Duration::from_secs(10);

/// A store on SQLite and the cache before it, which follows the store for as long as the last value lives.
struct Replica {
    users: Arc<SeaOrmUsers>,
    tiers: Arc<UserTiers>,
    kept: (TempDir, JoinSet<()>),
}

/// Gives a replica that vouches for what it caches.
async fn replica() -> Replica {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    let connections = Connections::sqlite(&path).await.unwrap();
    connections.migrate(None).await.unwrap();
    let users = Arc::new(SeaOrmUsers::new(connections));
    let tiers = Arc::new(UserTiers::new(CacheOptions {
        memory: 16 << 20,
        redis: None,
        guards: Guards::default(),
    }));
    let mut follows = JoinSet::new();
    let (following, followed) = (tiers.clone(), users.clone());
    follows.spawn(async move { following.keep_fresh(&followed).await });
    let begun = Instant::now();
    while let Some(Lookup::Miss(_, Missed::Unvouched)) = tiers.look_up(&[user_id()]).await.pop() {
        assert!(begun.elapsed() < PATIENCE, "nobody vouches for the cache");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Replica {
        users,
        tiers,
        kept: (folder, follows),
    }
}

async fn cache() -> CacheUnderTest {
    let Replica { tiers, kept, .. } = replica().await;
    CacheUnderTest::from(tiers).keeping(kept)
}

async fn cached_store() -> StoreUnderTest {
    let replica = replica().await;
    store_of(&replica.users, &replica.tiers).keeping(replica.kept)
}

async fn cached_relationships() -> RelationshipsUnderTest {
    let Replica { users, tiers, kept } = replica().await;
    let store = ImportUnderTest {
        store: store_of(&users, &tiers),
        import: users.clone(),
    };
    RelationshipsUnderTest {
        store: store.keeping(kept),
        relationships: Arc::new(CachedRelationships::new(users.clone(), tiers)),
        upkeep: users,
    }
}

fn store_of(users: &Arc<SeaOrmUsers>, tiers: &Arc<UserTiers>) -> StoreUnderTest {
    let gathered = Arc::new(GatheredReader::new(users.clone()));
    let retention = Arc::new(CachedRetention::new(users.clone(), tiers.clone()));
    let cached = Arc::new(CachedUsers::new(gathered, users.clone(), tiers.clone()));
    StoreUnderTest {
        reader: cached.clone(),
        writer: cached,
        retention,
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
