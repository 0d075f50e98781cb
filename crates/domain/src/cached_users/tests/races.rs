//! Races between a slow reader and a write, with a cache that keeps its contract.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::*;
use crate::test_support::fakes::{FakeCache, FakeStore};
use crate::test_support::samples::set_name;

/// Reads from the store at once, but returns the result only after a permit.
struct SlowReader {
    store: Arc<FakeStore>,
    has_read: Semaphore,
    may_return: Semaphore,
}

impl SlowReader {
    async fn wait_for_permit(&self) {
        self.has_read.add_permits(1);
        self.may_return
            .acquire()
            .await
            .map(SemaphorePermit::forget)
            .unwrap();
    }
}

#[async_trait]
impl UserReader for SlowReader {
    async fn find(&self, key: &UserKey) -> Result<Option<Arc<User>>, StoreError> {
        let found = self.store.find(key).await;
        self.wait_for_permit().await;
        found
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        let found = self.store.find_many(keys).await;
        self.wait_for_permit().await;
        found
    }
}

/// A write during a slow read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ConcurrentWrite {
    Added,
    Changed,
    Erased,
    /// Changed, and then read by another reader, which fills the cache.
    ChangedAndRead,
}

/// The kind of read.
#[derive(Debug, Clone, Copy)]
enum ReadKind {
    One(Freshness),
    Many(Freshness),
}

struct RaceFixture {
    slow: Arc<SlowReader>,
    /// Reads with the slow reader.
    slow_users: CachedUsers,
    /// Reads and writes without the slow reader, with the same cache.
    users: CachedUsers,
}

impl RaceFixture {
    fn new() -> Self {
        let (store, cache) = (
            Arc::new(FakeStore::default()),
            Arc::new(FakeCache::default()),
        );
        let slow = Arc::new(SlowReader {
            store: store.clone(),
            has_read: Semaphore::new(0),
            may_return: Semaphore::new(0),
        });
        Self {
            slow_users: CachedUsers::new(slow.clone(), store.clone(), cache.clone()),
            users: CachedUsers::new(store.clone(), store, cache),
            slow,
        }
    }

    /// Starts a slow read, makes a write during it, and returns the result of the read.
    async fn read_slowly(
        &self,
        kind: ReadKind,
        applied: &Applied,
        write: ConcurrentWrite,
    ) -> Option<Arc<User>> {
        let (slow_users, id) = (self.slow_users.clone(), applied.user.id);
        let reader = tokio::spawn(async move {
            match kind {
                ReadKind::One(freshness) => {
                    let reading = slow_users.read(&UserKey::Id(id), freshness).await;
                    reading.unwrap().user
                }
                ReadKind::Many(freshness) => {
                    let readings = slow_users
                        .read_many(&UserKeys::Ids(vec![id]), freshness)
                        .await;
                    readings.unwrap().pop().unwrap().user
                }
            }
        });
        self.slow.has_read.acquire().await.unwrap().forget();
        match write {
            ConcurrentWrite::Added => drop(self.users.add(applied, &context()).await.unwrap()),
            ConcurrentWrite::Changed | ConcurrentWrite::ChangedAndRead => {
                let change = set_name("Alice");
                self.users.change(id, &change, &context()).await.unwrap();
            }
            ConcurrentWrite::Erased => {
                self.users.erase(id, &context()).await.unwrap();
            }
        }
        if write == ConcurrentWrite::ChangedAndRead {
            self.users.find(&UserKey::Id(id)).await.unwrap();
        }
        self.slow.may_return.add_permits(1);
        reader.await.unwrap()
    }
}

fn revision(user: Option<&Arc<User>>) -> i64 {
    user.map_or(0, |user| user.revision.get())
}

#[tokio::test]
async fn a_value_read_before_a_write_is_not_cached_after_it() {
    for kind in [
        ReadKind::One(Freshness::Bounded),
        ReadKind::One(Freshness::Current),
        ReadKind::Many(Freshness::Bounded),
        ReadKind::Many(Freshness::Current),
    ] {
        for (write, before, after) in [
            (ConcurrentWrite::Added, 0, 1),
            (ConcurrentWrite::Changed, 1, 2),
            (ConcurrentWrite::ChangedAndRead, 1, 2),
            (ConcurrentWrite::Erased, 1, 0),
        ] {
            let fixture = RaceFixture::new();
            let applied = registered(&new_user("alice"), &context());
            if write != ConcurrentWrite::Added {
                fixture.slow.store.put(&applied);
            }
            let read = fixture.read_slowly(kind, &applied, write).await;
            assert_eq!(revision(read.as_ref()), before);
            for _ in 0..3 {
                let found = fixture.users.find(&by_id(&applied.user)).await.unwrap();
                let found = revision(found.as_ref());
                assert_eq!(found, after, "{kind:?} {write:?}");
            }
        }
    }
}

/// The control of the race above: without a write in between, the value is cached.
#[tokio::test]
async fn a_value_of_a_slow_read_is_cached_without_a_write() {
    let fixture = RaceFixture::new();
    let applied = registered(&new_user("alice"), &context());
    fixture.slow.store.put(&applied);
    fixture.slow.may_return.add_permits(1);
    let key = by_id(&applied.user);
    let first = fixture
        .slow_users
        .read(&key, Freshness::Bounded)
        .await
        .unwrap();
    assert_eq!(first.source, MISSED);
    let second = fixture
        .slow_users
        .read(&key, Freshness::Bounded)
        .await
        .unwrap();
    assert_eq!(second.source, HIT);
}
