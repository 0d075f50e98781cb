//! The way to a pool's connections: as many at a time as there are, and a queue no longer than its patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Operations that wait for a connection, by `pool`.
const PENDING: &str = "db_client_connection_pending_requests";
/// Operations that got no connection in time, by `pool`.
const TIMEOUTS: &str = "db_client_connection_timeouts_total";

/// Says what is counted, for whoever reads it.
pub(super) fn describe_metrics() {
    describe_gauge!(
        PENDING,
        Unit::Count,
        "Operations that wait for a connection"
    );
    describe_counter!(
        TIMEOUTS,
        Unit::Count,
        "Operations that were refused since no connection would come free in time"
    );
}

/// How much of the usual time the newest turn makes up: an eighth, so that one slow statement closes no door.
const WEIGHT: u64 = 8;

/// A door with a place for each connection behind it.
///
/// Whoever cannot get in before its patience is at an end is sent away at once, by what turns have taken of late: a
/// client that is told early can go elsewhere, and those who wait are not kept from what they came for.
pub(super) struct Door {
    places: usize,
    patience: Duration,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// What a turn usually takes, in nanoseconds.
    usual: Arc<AtomicU64>,
    queue: Gauge,
    refused: Counter,
}

/// A turn behind the door; it ends when it is dropped.
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
    begun: Instant,
    usual: Arc<AtomicU64>,
}

/// There is no turn in time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused;

impl Door {
    /// Makes a door; what waits before it and whom it refuses is counted by its name.
    pub(super) fn new(name: &'static str, places: usize, patience: Duration) -> Self {
        Self {
            places,
            patience,
            turns: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            usual: Arc::default(),
            queue: gauge!(PENDING, "pool" => name),
            refused: counter!(TIMEOUTS, "pool" => name),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`Refused`], at once or when its patience is at an end.
    pub(super) async fn enter(&self) -> Result<Turn, Refused> {
        if let Ok(place) = self.turns.clone().try_acquire_owned() {
            return Ok(self.turn(place));
        }
        let waiting = Waiting::behind(self);
        if self.expected_wait(waiting.place) > self.patience {
            self.refused.increment(1);
            return Err(Refused);
        }
        let turn = timeout(self.patience, self.turns.clone().acquire_owned()).await;
        if let Ok(Ok(place)) = turn {
            return Ok(self.turn(place));
        }
        self.refused.increment(1);
        Err(Refused)
    }

    /// How long whoever is so far back in the queue will wait: turns end one after the other, all places taken together.
    fn expected_wait(&self, place: usize) -> Duration {
        let usual = Duration::from_nanos(self.usual.load(Ordering::Relaxed));
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let places = u32::try_from(self.places.max(1)).unwrap_or(u32::MAX);
        usual.saturating_mul(place) / places
    }

    /// Counts somebody who had a turn and got no connection all the same.
    pub(super) fn count_refusal(&self) {
        self.refused.increment(1);
    }

    fn turn(&self, place: OwnedSemaphorePermit) -> Turn {
        Turn {
            _place: place,
            begun: Instant::now(),
            usual: self.usual.clone(),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let taken = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // Two turns that end at once may lose one figure of the two.
        let usual = self.usual.load(Ordering::Relaxed);
        let next = usual - usual / WEIGHT + taken / WEIGHT;
        self.usual.store(next, Ordering::Relaxed);
    }
}

/// A place in the queue, given up by whoever gets in and by whoever goes away.
struct Waiting<'a> {
    door: &'a Door,
    place: usize,
}

impl<'a> Waiting<'a> {
    fn behind(door: &'a Door) -> Self {
        door.queue.increment(1.0);
        Self {
            place: door.waiting.fetch_add(1, Ordering::Relaxed) + 1,
            door,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.door.waiting.fetch_sub(1, Ordering::Relaxed);
        self.door.queue.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    fn door(places: usize, patience: Duration) -> Door {
        Door::new("test", places, patience)
    }

    /// Lets turns of so long pass until they are usual.
    async fn accustom(door: &Door, turn: Duration) {
        for _ in 0..64 {
            let entered = door.enter().await;
            let usual = u64::try_from(turn.as_nanos()).unwrap();
            drop(entered);
            door.usual.store(usual, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn as_many_get_in_as_there_are_places_and_the_next_when_one_leaves() {
        let door = door(2, Duration::from_mins(1));
        let first = door.enter().await;
        let _second = door.enter().await;
        let mut third = std::pin::pin!(door.enter());
        let waits = std::future::poll_fn(|context| {
            std::task::Poll::Ready(third.as_mut().poll(context).is_pending())
        });
        assert!(waits.await);
        drop(first);
        assert!(third.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_its_patience() {
        let door = door(1, Duration::from_millis(500));
        let _inside = door.enter().await;
        let begun = tokio::time::Instant::now();
        assert!(door.enter().await.is_err());
        assert_eq!(begun.elapsed().as_millis(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_would_wait_too_long_is_sent_away_at_once() {
        let door = door(1, Duration::from_millis(500));
        accustom(&door, Duration::from_millis(300)).await;
        let _inside = door.enter().await;
        let mut second = std::pin::pin!(door.enter());
        let waits = std::future::poll_fn(|context| {
            std::task::Poll::Ready(second.as_mut().poll(context).is_pending())
        });
        assert!(waits.await, "the first in the queue may hope");
        let begun = tokio::time::Instant::now();
        assert!(door.enter().await.is_err(), "the second may not");
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(second.await.is_err());
        assert_eq!(door.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_places_one_comes_free_sooner() {
        let door = door(4, Duration::from_millis(500));
        accustom(&door, Duration::from_millis(600)).await;
        // 150 ms for the first in the queue, 450 for the third, 600 for the fourth.
        assert_eq!(door.expected_wait(1), Duration::from_millis(150));
        assert!(door.expected_wait(3) < door.patience);
        assert!(door.expected_wait(4) > door.patience);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_door_refuses_nobody_however_long_turns_took() {
        let door = door(2, Duration::from_millis(500));
        accustom(&door, Duration::from_secs(5)).await;
        assert!(door.enter().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_usual_follows_the_turns() {
        let door = door(1, Duration::from_millis(500));
        accustom(&door, Duration::from_secs(5)).await;
        for _ in 0..64 {
            drop(door.enter().await);
        }
        assert!(door.expected_wait(1) < Duration::from_millis(50));
    }
}
