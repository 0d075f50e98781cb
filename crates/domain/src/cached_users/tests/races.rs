//! A reader that is slower than a write, over a cache that keeps its promises.

use tokio::sync::{Semaphore, SemaphorePermit};

use super::*;
use crate::test_support::fakes::{FakeCache, FakeStore};
use crate::test_support::samples::call;

/// Reads from the store at once, and tells what it read when it is let go.
struct SlowReader {
    store: Arc<FakeStore>,
    has_read: Semaphore,
    may_tell: Semaphore,
}

impl SlowReader {
    async fn linger(&self) {
        self.has_read.add_permits(1);
        self.may_tell
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
        self.linger().await;
        found
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        let found = self.store.find_many(keys).await;
        self.linger().await;
        found
    }
}

/// What may happen to a user while somebody reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meanwhile {
    Added,
    Changed,
    Erased,
    /// Changed, and read by others who fill the cache.
    ChangedAndRead,
}

/// How the slow reader asks.
#[derive(Debug, Clone, Copy)]
enum Question {
    One(Freshness),
    Many(Freshness),
}

struct World {
    slow: Arc<SlowReader>,
    /// Reads through the slow reader.
    slowly: CachedUsers,
    /// Reads and writes past it, through the same cache.
    users: CachedUsers,
}

impl World {
    fn new() -> Self {
        let (store, cache) = (
            Arc::new(FakeStore::default()),
            Arc::new(FakeCache::default()),
        );
        let slow = Arc::new(SlowReader {
            store: store.clone(),
            has_read: Semaphore::new(0),
            may_tell: Semaphore::new(0),
        });
        Self {
            slowly: CachedUsers::new(slow.clone(), store.clone(), cache.clone()),
            users: CachedUsers::new(store.clone(), store, cache),
            slow,
        }
    }

    /// Lets something happen between a slow reader's question and its answer, and gives the answer.
    async fn read_slowly(
        &self,
        question: Question,
        applied: &Applied,
        meanwhile: Meanwhile,
    ) -> Option<Arc<User>> {
        let (slowly, id) = (self.slowly.clone(), applied.user.id);
        let reader = tokio::spawn(async move {
            match question {
                Question::One(freshness) => {
                    let reading = slowly.read(&UserKey::Id(id), freshness).await;
                    reading.unwrap().user
                }
                Question::Many(freshness) => {
                    let readings = slowly.read_many(&UserKeys::Ids(vec![id]), freshness).await;
                    readings.unwrap().pop().unwrap().user
                }
            }
        });
        self.slow.has_read.acquire().await.unwrap().forget();
        match meanwhile {
            Meanwhile::Added => drop(self.users.add(applied, &context()).await.unwrap()),
            Meanwhile::Changed | Meanwhile::ChangedAndRead => {
                let change = call("Alice");
                self.users.change(id, &change, &context()).await.unwrap();
            }
            Meanwhile::Erased => {
                self.users.erase(id, &context()).await.unwrap();
            }
        }
        if meanwhile == Meanwhile::ChangedAndRead {
            self.users.find(&UserKey::Id(id)).await.unwrap();
        }
        self.slow.may_tell.add_permits(1);
        reader.await.unwrap()
    }
}

fn version(user: Option<&Arc<User>>) -> i64 {
    user.map_or(0, |user| user.version.get())
}

#[tokio::test]
async fn what_a_slow_reader_read_before_a_write_is_not_cached() {
    for question in [
        Question::One(Freshness::Bounded),
        Question::One(Freshness::Current),
        Question::Many(Freshness::Bounded),
        Question::Many(Freshness::Current),
    ] {
        for (meanwhile, before, after) in [
            (Meanwhile::Added, 0, 1),
            (Meanwhile::Changed, 1, 2),
            (Meanwhile::ChangedAndRead, 1, 2),
            (Meanwhile::Erased, 1, 0),
        ] {
            let world = World::new();
            let applied = registered(&new_user("alice"), &context());
            if meanwhile != Meanwhile::Added {
                world.slow.store.put(&applied);
            }
            let told = world.read_slowly(question, &applied, meanwhile).await;
            assert_eq!(version(told.as_ref()), before);
            for _ in 0..3 {
                let found = world.users.find(&by_id(&applied.user)).await.unwrap();
                let found = version(found.as_ref());
                assert_eq!(found, after, "{question:?} {meanwhile:?}");
            }
        }
    }
}

/// The guard that the race above leans on: with no write in between, what the reader read is cached.
#[tokio::test]
async fn what_a_slow_reader_read_is_cached_if_nobody_wrote() {
    let world = World::new();
    let applied = registered(&new_user("alice"), &context());
    world.slow.store.put(&applied);
    world.slow.may_tell.add_permits(1);
    let key = by_id(&applied.user);
    let first = world.slowly.read(&key, Freshness::Bounded).await.unwrap();
    assert_eq!(first.source, MISSED);
    let second = world.slowly.read(&key, Freshness::Bounded).await.unwrap();
    assert_eq!(second.source, HIT);
}
