//! With a cache before it, a store keeps every promise that it keeps alone.

use std::future::ready;
use std::sync::Arc;

use crate::ports::NoCache;
use crate::ports::UserCache;
use crate::test_support::contracts::StoreUnderTest;
use crate::test_support::fakes::{FakeCache, FakeStore};
use crate::{CachedRetention, CachedUsers};

fn behind(cache: impl UserCache + 'static) -> StoreUnderTest {
    let store = Arc::new(FakeStore::default());
    let cache = Arc::new(cache);
    let retention = CachedRetention::new(store.clone(), cache.clone());
    let users = CachedUsers::new(store.clone(), store.clone(), cache);
    let users = Arc::new(users);
    StoreUnderTest {
        reader: users.clone(),
        writer: users,
        retention: Arc::new(retention),
        ..StoreUnderTest::from(store)
    }
}

crate::store_contract!(ready(behind(FakeCache::default())));

mod without_a_cache {
    use super::*;

    crate::store_contract!(ready(behind(NoCache)));
}
