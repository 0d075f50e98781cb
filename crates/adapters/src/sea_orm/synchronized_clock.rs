//! The clock for stored timestamps and for comparisons with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use metrics::{Unit, describe_gauge, gauge};
use tokio::time::sleep;
use user_domain::StoreError;
use user_domain::ports::{Clock, ClockReading, StoreClock};
use user_domain::values::Timestamp;

use super::connection::Pool;
use super::dialect::Dialect;
use super::errors::OperationError;
use super::raw_sql;

/// The interval between readings of the database's clock.
const INTERVAL: Duration = Duration::from_secs(10);
/// The delay after a failed reading.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// The maximum round trip of a reading that replaces a previous one. A reading can be wrong by half its round trip.
const MAX_ROUND_TRIP: Duration = Duration::from_millis(500);
/// The value of `epoch` before the first reading.
const UNREAD: i64 = i64::MIN;

/// The offset of the machine's clock from the database's.
const CLOCK_SKEW: &str = "database_clock_skew_seconds";

/// A clock that follows the clock of the database, so that replicas with wrong clocks agree on the age of records.
///
/// The database's clock is read periodically. Between readings the time advances by the monotonic clock of the process,
/// which cannot be set. Before the first reading, and with SQLite, it is the machine's time.
#[derive(Clone)]
pub struct SynchronizedClock {
    inner: Arc<Inner>,
}

struct Inner {
    db: Pool,
    machine: Arc<dyn Clock>,
    origin: Instant,
    /// The database's time at the origin, in microseconds since 1970.
    epoch: AtomicI64,
}

impl SynchronizedClock {
    pub(super) fn new(db: Pool, machine: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                db,
                machine,
                origin: Instant::now(),
                epoch: AtomicI64::new(UNREAD),
            }),
        }
    }

    /// Reads the database's clock periodically, and never returns except on SQLite.
    pub async fn keep_synchronized(&self) {
        if !self.inner.has_own_clock() {
            return;
        }
        loop {
            match self.read().await {
                Ok(_) => sleep(INTERVAL).await,
                Err(error) => {
                    tracing::debug!(%error, "database clock could not be read");
                    sleep(RETRY_DELAY).await;
                }
            }
        }
    }
}

impl Inner {
    fn has_own_clock(&self) -> bool {
        Dialect::of(&self.db).has_own_clock()
    }

    /// Returns the time since the origin, in microseconds.
    fn micros_at(&self, moment: Instant) -> i64 {
        let elapsed = moment.saturating_duration_since(self.origin);
        i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
    }

    /// Adopts a reading, unless the current offset is within the uncertainty of the reading.
    fn follow(&self, store: Timestamp, started: Instant, round_trip: Duration) {
        let uncertainty = round_trip / 2;
        let epoch = store.as_utc().timestamp_micros() - self.micros_at(started + uncertainty);
        let known = self.epoch.load(Ordering::Relaxed);
        let is_known = known != UNREAD;
        let uncertainty = uncertainty.as_micros();
        let is_within_uncertainty = u128::from(known.abs_diff(epoch)) <= uncertainty;
        if is_known && (is_within_uncertainty || round_trip > MAX_ROUND_TRIP) {
            return;
        }
        self.epoch.store(epoch, Ordering::Relaxed);
    }
}

impl Clock for SynchronizedClock {
    fn now(&self) -> Timestamp {
        let epoch = self.inner.epoch.load(Ordering::Relaxed);
        if epoch == UNREAD {
            return self.inner.machine.now();
        }
        let micros = epoch.saturating_add(self.inner.micros_at(Instant::now()));
        let moment = DateTime::from_timestamp_micros(micros);
        moment.map_or_else(|| self.inner.machine.now(), Timestamp::from_utc)
    }
}

#[async_trait]
impl StoreClock for SynchronizedClock {
    async fn read(&self) -> Result<ClockReading, StoreError> {
        let machine = self.inner.machine.now();
        if !self.inner.has_own_clock() {
            return Ok(ClockReading {
                store: machine,
                machine,
            });
        }
        let started = Instant::now();
        let store = read(&self.inner.db).await?;
        let round_trip = started.elapsed();
        self.inner.follow(store, started, round_trip);
        let reading = ClockReading {
            store,
            machine: machine.plus(round_trip / 2),
        };
        let ahead = reading.machine.as_utc() - reading.store.as_utc();
        gauge!(CLOCK_SKEW).set(ahead.as_seconds_f64());
        Ok(reading)
    }
}

/// Reads the clock of PostgreSQL.
async fn read(db: &Pool) -> Result<Timestamp, OperationError> {
    let row = raw_sql::query_one(db, "SELECT clock_timestamp() AS now")
        .await?
        .ok_or_else(|| StoreError::Internal("the clock query returned no row".to_owned()))?;
    let now: DateTime<Utc> = row.try_get("", "now")?;
    Ok(Timestamp::from_utc(now))
}

/// Registers the descriptions of the metrics of the clock.
pub(super) fn describe_metrics() {
    describe_gauge!(
        CLOCK_SKEW,
        Unit::Seconds,
        "How far the machine's clock is ahead of the database's; negative if it is behind"
    );
}

#[cfg(test)]
mod tests {
    use user_domain::test_support::fakes::FixedClock;
    use user_domain::test_support::samples::{seconds, start};

    use super::*;
    use crate::sea_orm::Connections;

    async fn on_sqlite(machine: Arc<FixedClock>) -> (SynchronizedClock, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        let connections = Connections::sqlite(&path).await.unwrap();
        (SynchronizedClock::new(connections.reads, machine), folder)
    }

    #[tokio::test]
    async fn on_sqlite_it_is_the_machine_clock() {
        let machine = Arc::new(FixedClock::from(start()));
        let (clock, _folder) = on_sqlite(machine.clone()).await;
        for now in [start(), seconds(60)] {
            machine.set(now);
            let reading = clock.read().await.unwrap();
            assert_eq!((reading.store, reading.machine), (now, now));
            assert_eq!(clock.now(), now);
        }
    }

    #[tokio::test]
    async fn the_time_follows_a_reading_and_not_the_machine_clock() {
        let machine = Arc::new(FixedClock::from(start()));
        let (clock, _folder) = on_sqlite(machine.clone()).await;
        assert_eq!(clock.now(), start());
        let store = seconds(1_000_000);
        clock.inner.follow(store, Instant::now(), Duration::ZERO);
        let first = clock.now();
        assert!(first >= store, "{first}");
        // Setting the machine's clock has no effect.
        machine.set(seconds(5));
        assert!(clock.now() >= first);
    }

    #[tokio::test]
    async fn a_slow_reading_does_not_replace_a_better_one() {
        let (clock, _folder) = on_sqlite(Arc::new(FixedClock::from(start()))).await;
        let started = Instant::now();
        clock.inner.follow(seconds(1000), started, Duration::ZERO);
        let better = clock.inner.epoch.load(Ordering::Relaxed);
        for (store, round_trip) in [
            (seconds(2000), MAX_ROUND_TRIP + Duration::from_millis(1)),
            (seconds(1000), Duration::from_millis(10)),
        ] {
            clock.inner.follow(store, started, round_trip);
            assert_eq!(clock.inner.epoch.load(Ordering::Relaxed), better);
        }
        clock.inner.follow(seconds(2000), started, MAX_ROUND_TRIP);
        assert_ne!(clock.inner.epoch.load(Ordering::Relaxed), better);
    }
}
