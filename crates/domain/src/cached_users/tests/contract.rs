//! With a cache before it, a store keeps every promise that it keeps alone.

use std::future::ready;
use std::sync::Arc;

use crate::CachedUsers;
use crate::ports::NoCache;
use crate::ports::UserCache;
use crate::test_support::contracts::StoreUnderTest;
use crate::test_support::fakes::{FakeCache, FakeStore};

fn behind(cache: impl UserCache + 'static) -> StoreUnderTest {
    let store = Arc::new(FakeStore::default());
    let users = CachedUsers::new(store.clone(), store.clone(), Arc::new(cache));
    let users = Arc::new(users);
    StoreUnderTest {
        reader: users.clone(),
        writer: users,
        ..StoreUnderTest::from(store)
    }
}

crate::store_contract!(ready(behind(FakeCache::default())));

mod without_a_cache {
    use super::*;

    crate::store_contract!(ready(behind(NoCache)));
}
