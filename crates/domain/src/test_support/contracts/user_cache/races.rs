//! What a cache never says, whatever comes in whichever order.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::{JoinSet, yield_now};

use super::{CacheUnderTest, arrived, history, version};
use crate::ports::Lookup;
use crate::user::User;
use crate::values::UserId;

const ROUNDS: u64 = 20;
const WRITERS: u64 = 3;
const WRITES: usize = 8;
const READERS: u64 = 4;
const READS: usize = 24;

/// One user in a store of which nothing is lost: each write is the next version.
#[derive(Clone)]
struct Row {
    id: UserId,
    versions: Arc<Vec<Arc<User>>>,
    /// How many of the versions have been written.
    written: Arc<Mutex<usize>>,
    is_erased: Arc<Mutex<bool>>,
    /// The version of the last acknowledged write.
    acknowledged: Arc<AtomicI64>,
}

impl Row {
    fn new(versions: usize) -> Self {
        let versions = history(versions);
        Self {
            id: versions.first().expect("a version").id,
            versions: Arc::new(versions),
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
        self.versions.get(last).cloned()
    }

    fn write(&self) -> Arc<User> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let user = self.versions.get(*written).expect("another version");
        *written += 1;
        user.clone()
    }

    fn acknowledge(&self, user: &User) {
        let version = user.version.get();
        self.acknowledged.fetch_max(version, Ordering::SeqCst);
    }
}

/// Draws numbers, the same for the same seed: what is left to chance is the order of the tasks.
struct Dice(u64);

impl Dice {
    fn draw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// Lets other tasks go first, a few times or not at all.
    async fn dawdle(&mut self) {
        for _ in 0..self.draw(4) {
            yield_now().await;
        }
    }
}

async fn write(cache: CacheUnderTest, row: Row, mut dice: Dice) {
    for _ in 0..WRITES {
        let lease = cache.cache.lease(row.id);
        dice.dawdle().await;
        let made = row.write();
        dice.dawdle().await;
        cache.cache.put(lease, made.clone()).await;
        row.acknowledge(&made);
        dice.dawdle().await;
    }
}

/// Reads as the policy does, and now and then as one who asks for the newest.
async fn read(cache: CacheUnderTest, row: Row, mut dice: Dice) {
    for _ in 0..READS {
        let acknowledged = row.acknowledged.load(Ordering::SeqCst);
        if dice.draw(6) == 0 {
            let found = row.read();
            dice.dawdle().await;
            if let Some(found) = found {
                cache.cache.notice(&found);
            }
            continue;
        }
        if let Some(at_once) = cache.cache.known(row.id) {
            assert!(
                version(at_once.user.as_ref()) >= acknowledged,
                "known at once"
            );
        }
        let answer = cache.cache.look_up(&[row.id]).await.pop();
        let told = match answer.expect("an answer") {
            Lookup::Hit(hit) => Some(version(hit.user.as_ref())),
            Lookup::Miss(lease, _) => {
                dice.dawdle().await;
                let found = row.read();
                dice.dawdle().await;
                if dice.draw(8) > 0 {
                    cache.cache.fill(lease, found);
                }
                None
            }
            Lookup::Coming(arrival) => arrived(arrival).await.map(|user| version(user.as_ref())),
        };
        assert!(
            told.is_none_or(|told| told >= acknowledged),
            "version {told:?} after {acknowledged} was acknowledged"
        );
        dice.dawdle().await;
    }
}

/// However fills, puts and notices of one user fall together, no reader gets what is older than what was acknowledged
/// before it asked, and in the end the newest is known, or nothing.
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
        let newest = version(row.read().as_ref());
        cache.assert_newest_or_nothing(row.id, newest).await;
    }
}

/// Whoever reads a user that is being erased does not bring it back.
pub async fn readers_that_race_an_erasure_bring_nobody_back(cache: &CacheUnderTest) {
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
                    match answer.expect("an answer") {
                        Lookup::Miss(lease, _) => {
                            let found = row.read();
                            dice.dawdle().await;
                            cache.cache.fill(lease, found);
                        }
                        Lookup::Coming(arrival) => drop(arrived(arrival).await),
                        Lookup::Hit(_) => dice.dawdle().await,
                    }
                }
            });
        }
        let (cache_then, row_then) = (cache.clone(), row.clone());
        let mut dice = Dice(round * 100 + 50);
        tasks.spawn(async move {
            dice.dawdle().await;
            *row_then
                .is_erased
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = true;
            dice.dawdle().await;
            cache_then.cache.forget(row_then.id).await;
        });
        tasks.join_all().await;
        cache.assert_newest_or_nothing(row.id, 0).await;
    }
}
