//! What a cache must never return, in any order of concurrent operations.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::{JoinSet, yield_now};

use super::{CacheUnderTest, history, result_of, revision};
use crate::ports::Lookup;
use crate::user::User;
use crate::values::UserId;

const ROUNDS: u64 = 20;
const WRITERS: u64 = 3;
const WRITES: usize = 8;
const READERS: u64 = 4;
const READS: usize = 24;

/// One user in a simulated store. Each write stores the next revision.
#[derive(Clone)]
struct Row {
    id: UserId,
    revisions: Arc<Vec<Arc<User>>>,
    /// How many of the revisions have been written.
    written: Arc<Mutex<usize>>,
    is_erased: Arc<Mutex<bool>>,
    /// The revision of the last acknowledged write.
    acknowledged: Arc<AtomicI64>,
}

impl Row {
    fn new(revisions: usize) -> Self {
        let revisions = history(revisions);
        Self {
            id: revisions.first().expect("a revision").id,
            revisions: Arc::new(revisions),
            written: Arc::default(),
            is_erased: Arc::default(),
            acknowledged: Arc::default(),
        }
    }

    fn read(&self) -> Option<Arc<User>> {
        if *self
            .is_erased
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            return None;
        }
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let last = written.checked_sub(1)?;
        self.revisions.get(last).cloned()
    }

    fn write(&self) -> Arc<User> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let user = self.revisions.get(*written).expect("another revision");
        *written += 1;
        user.clone()
    }

    fn acknowledge(&self, user: &User) {
        let revision = user.revision.get();
        self.acknowledged.fetch_max(revision, Ordering::SeqCst);
    }
}

/// Deterministic pseudo-random numbers. Only the order of the tasks differs between runs.
struct Dice(u64);

impl Dice {
    fn draw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// Yields to other tasks zero to three times.
    async fn yield_sometimes(&mut self) {
        for _ in 0..self.draw(4) {
            yield_now().await;
        }
    }
}

async fn write(cache: CacheUnderTest, row: Row, mut dice: Dice) {
    for _ in 0..WRITES {
        let lease = cache.cache.lease(row.id);
        dice.yield_sometimes().await;
        let made = row.write();
        dice.yield_sometimes().await;
        cache.cache.put(lease, made.clone()).await;
        row.acknowledge(&made);
        dice.yield_sometimes().await;
    }
}

/// Reads through the cache as the use cases do, and sometimes reads the newest user from the store.
async fn read(cache: CacheUnderTest, row: Row, mut dice: Dice) {
    for _ in 0..READS {
        let acknowledged = row.acknowledged.load(Ordering::SeqCst);
        if dice.draw(6) == 0 {
            let found = row.read();
            dice.yield_sometimes().await;
            if let Some(found) = found {
                cache.cache.observe(&found);
            }
            continue;
        }
        if let Some(at_once) = cache.cache.peek(row.id) {
            assert!(
                revision(at_once.user.as_ref()) >= acknowledged,
                "peek returned an older revision"
            );
        }
        let answer = cache.cache.look_up(&[row.id]).await.pop();
        let seen = match answer.expect("a result") {
            Lookup::Hit(hit) => Some(revision(hit.user.as_ref())),
            Lookup::Miss(lease, _) => {
                dice.yield_sometimes().await;
                let found = row.read();
                dice.yield_sometimes().await;
                if dice.draw(8) > 0 {
                    cache.cache.fill(lease, found);
                }
                None
            }
            Lookup::InFlight(in_flight) => result_of(in_flight)
                .await
                .map(|user| revision(user.as_ref())),
        };
        assert!(
            seen.is_none_or(|seen| seen >= acknowledged),
            "revision {seen:?} after {acknowledged} was acknowledged"
        );
        dice.yield_sometimes().await;
    }
}

/// With any interleaving of fills, puts and observations, no reader gets a revision older than the last one that was
/// acknowledged before its lookup. At the end the newest revision is cached, or none.
pub async fn racing_fills_and_puts_leave_the_newest_or_nothing(cache: &CacheUnderTest) {
    for round in 0..ROUNDS {
        let writes = WRITES * usize::try_from(WRITERS).expect("a few writers");
        let row = Row::new(writes);
        let mut tasks = JoinSet::new();
        for number in 0..READERS {
            let dice = Dice(round * 100 + number);
            tasks.spawn(read(cache.clone(), row.clone(), dice));
        }
        for number in 0..WRITERS {
            let dice = Dice(round * 100 + 50 + number);
            tasks.spawn(write(cache.clone(), row.clone(), dice));
        }
        tasks.join_all().await;
        let newest = revision(row.read().as_ref());
        cache.assert_newest_or_nothing(row.id, newest).await;
    }
}

/// Concurrent readers must not restore a user that is being erased.
pub async fn readers_racing_an_erasure_do_not_restore_the_user(cache: &CacheUnderTest) {
    for round in 0..ROUNDS {
        let row = Row::new(1);
        row.write();
        let mut tasks = JoinSet::new();
        for number in 0..READERS {
            let (cache, row) = (cache.clone(), row.clone());
            let mut dice = Dice(round * 100 + number);
            tasks.spawn(async move {
                for _ in 0..READS {
                    let answer = cache.cache.look_up(&[row.id]).await.pop();
                    match answer.expect("a result") {
                        Lookup::Miss(lease, _) => {
                            let found = row.read();
                            dice.yield_sometimes().await;
                            cache.cache.fill(lease, found);
                        }
                        Lookup::InFlight(in_flight) => drop(result_of(in_flight).await),
                        Lookup::Hit(_) => dice.yield_sometimes().await,
                    }
                }
            });
        }
        let (cache_then, row_then) = (cache.clone(), row.clone());
        let mut dice = Dice(round * 100 + 50);
        tasks.spawn(async move {
            dice.yield_sometimes().await;
            *row_then
                .is_erased
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = true;
            dice.yield_sometimes().await;
            cache_then.cache.forget(row_then.id).await;
        });
        tasks.join_all().await;
        cache.assert_newest_or_nothing(row.id, 0).await;
    }
}
