//! Runs the contract suites on a store behind a cache: the store's contract must still hold.

use std::future::ready;
use std::sync::Arc;

use crate::ports::NoCache;
use crate::ports::UserCache;
use crate::test_support::contracts::{ImportUnderTest, RelationshipsUnderTest, StoreUnderTest};
use crate::test_support::fakes::{FakeCache, FakeStore};
use crate::{CachedRelationships, CachedRetention, CachedSuspensions, CachedUsers};

fn behind(cache: impl UserCache + 'static) -> StoreUnderTest {
    let store = Arc::new(FakeStore::default());
    let cache = Arc::new(cache);
    let retention = CachedRetention::new(store.clone(), cache.clone());
    let suspensions = CachedSuspensions::new(store.clone(), cache.clone());
    let users = CachedUsers::new(store.clone(), store.clone(), cache);
    let users = Arc::new(users);
    StoreUnderTest {
        reader: users.clone(),
        writer: users,
        retention: Arc::new(retention),
        suspension_ends: Arc::new(suspensions),
        ..StoreUnderTest::from(store)
    }
}

fn relationships_behind(cache: impl UserCache + 'static) -> RelationshipsUnderTest {
    let store = Arc::new(FakeStore::default());
    let cache = Arc::new(cache);
    let relationships = CachedRelationships::new(store.clone(), cache.clone());
    let retention = CachedRetention::new(store.clone(), cache.clone());
    let users = Arc::new(CachedUsers::new(store.clone(), store.clone(), cache));
    let uncached = RelationshipsUnderTest::from(store);
    RelationshipsUnderTest {
        relationships: Arc::new(relationships),
        store: ImportUnderTest {
            store: StoreUnderTest {
                reader: users.clone(),
                writer: users,
                retention: Arc::new(retention),
                ..uncached.store.store
            },
            import: uncached.store.import,
        },
        count_maintenance: uncached.count_maintenance,
    }
}

crate::store_contract!(ready(behind(FakeCache::default())));
crate::relationships_contract!(ready(relationships_behind(FakeCache::default())));

mod without_a_cache {
    use super::*;

    crate::store_contract!(ready(behind(NoCache)));
}
