//! Admission control for the connections of a pool.

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

/// Registers the descriptions of the metrics of admission control.
pub(super) fn describe_metrics() {
    describe_gauge!(
        PENDING,
        Unit::Count,
        "Operations that wait for a connection"
    );
    describe_counter!(
        TIMEOUTS,
        Unit::Count,
        "Operations that were refused because no connection was or would be free in time"
    );
}

/// The divisor of the moving average: a new hold time counts one eighth, so that one slow statement causes no refusals.
const AVERAGE_WINDOW: u64 = 8;

/// Admits as many operations at a time as there are connections, and queues the others.
///
/// Rejects an operation at once if its estimated wait exceeds `max_wait`, based on recent hold times. An early
/// rejection lets the client go elsewhere, and keeps the queue short for the others.
pub(in crate::sea_orm) struct AdmissionControl {
    capacity: usize,
    max_wait: Duration,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// The moving average of the time for which a permit is held, in nanoseconds.
    average_hold: Arc<AtomicU64>,
    queue: Gauge,
    refused: Counter,
}

/// Admission of one operation; ends when it is dropped.
pub(in crate::sea_orm) struct Permit {
    _slot: OwnedSemaphorePermit,
    since: Instant,
    average_hold: Arc<AtomicU64>,
}

/// The operation would not be admitted in time, or was not.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sea_orm) struct NotAdmitted;

impl AdmissionControl {
    /// Creates the admission control of a pool of `capacity` connections. `name` is the label of its metrics.
    pub(super) fn new(name: &'static str, capacity: usize, max_wait: Duration) -> Self {
        Self {
            capacity,
            max_wait,
            permits: Arc::new(Semaphore::new(capacity)),
            waiting: AtomicUsize::new(0),
            average_hold: Arc::default(),
            queue: gauge!(PENDING, "pool" => name),
            refused: counter!(TIMEOUTS, "pool" => name),
        }
    }

    /// Waits until a connection is free.
    ///
    /// # Errors
    /// [`NotAdmitted`], at once or after `max_wait`.
    pub(in crate::sea_orm) async fn admit(&self) -> Result<Permit, NotAdmitted> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(self.permit(permit));
        }
        let queued = Queued::last_in(self);
        if self.estimated_wait(queued.position) > self.max_wait {
            self.refused.increment(1);
            return Err(NotAdmitted);
        }
        let permit = timeout(self.max_wait, self.permits.clone().acquire_owned()).await;
        if let Ok(Ok(permit)) = permit {
            return Ok(self.permit(permit));
        }
        self.refused.increment(1);
        Err(NotAdmitted)
    }

    /// Returns the estimated wait at a position of the queue. All connections release permits in parallel.
    fn estimated_wait(&self, position: usize) -> Duration {
        let average_hold = Duration::from_nanos(self.average_hold.load(Ordering::Relaxed));
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let capacity = u32::try_from(self.capacity.max(1)).unwrap_or(u32::MAX);
        average_hold.saturating_mul(position) / capacity
    }

    /// Counts an operation that was admitted but got no connection.
    pub(super) fn count_refusal(&self) {
        self.refused.increment(1);
    }

    fn permit(&self, permit: OwnedSemaphorePermit) -> Permit {
        Permit {
            _slot: permit,
            since: Instant::now(),
            average_hold: self.average_hold.clone(),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let held = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // Two simultaneous updates may lose one of them, which an average tolerates.
        let average = self.average_hold.load(Ordering::Relaxed);
        let next = average - average / AVERAGE_WINDOW + held / AVERAGE_WINDOW;
        self.average_hold.store(next, Ordering::Relaxed);
    }
}

/// A position in the queue, released on admission and on cancellation.
struct Queued<'a> {
    admission: &'a AdmissionControl,
    position: usize,
}

impl<'a> Queued<'a> {
    fn last_in(admission: &'a AdmissionControl) -> Self {
        admission.queue.increment(1.0);
        Self {
            position: admission.waiting.fetch_add(1, Ordering::Relaxed) + 1,
            admission,
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.admission.waiting.fetch_sub(1, Ordering::Relaxed);
        self.admission.queue.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    fn control(capacity: usize, max_wait: Duration) -> AdmissionControl {
        AdmissionControl::new("test", capacity, max_wait)
    }

    /// Sets the average hold time.
    async fn set_average_hold(control: &AdmissionControl, hold: Duration) {
        for _ in 0..64 {
            let permit = control.admit().await;
            let hold = u64::try_from(hold.as_nanos()).unwrap();
            drop(permit);
            control.average_hold.store(hold, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn operations_beyond_the_capacity_wait_for_a_permit() {
        let control = control(2, Duration::from_mins(1));
        let first = control.admit().await;
        let _second = control.admit().await;
        let mut third = std::pin::pin!(control.admit());
        let waits = std::future::poll_fn(|context| {
            std::task::Poll::Ready(third.as_mut().poll(context).is_pending())
        });
        assert!(waits.await);
        drop(first);
        assert!(third.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_operation_is_refused_after_the_maximum_wait() {
        let control = control(1, Duration::from_millis(500));
        let _admitted = control.admit().await;
        let start = tokio::time::Instant::now();
        assert!(control.admit().await.is_err());
        assert_eq!(start.elapsed().as_millis(), 500);
    }

    #[tokio::test(start_paused = true)]
    async fn a_too_long_estimated_wait_is_refused_at_once() {
        let control = control(1, Duration::from_millis(500));
        set_average_hold(&control, Duration::from_millis(300)).await;
        let _admitted = control.admit().await;
        let mut second = std::pin::pin!(control.admit());
        let waits = std::future::poll_fn(|context| {
            std::task::Poll::Ready(second.as_mut().poll(context).is_pending())
        });
        assert!(waits.await, "the first operation in the queue waits");
        let start = tokio::time::Instant::now();
        assert!(control.admit().await.is_err(), "the second is refused");
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(second.await.is_err());
        assert_eq!(control.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_estimated_wait_is_divided_by_the_capacity() {
        let control = control(4, Duration::from_millis(500));
        set_average_hold(&control, Duration::from_millis(600)).await;
        // 150 ms for the first in the queue, 450 for the third, 600 for the fourth.
        assert_eq!(control.estimated_wait(1), Duration::from_millis(150));
        assert!(control.estimated_wait(3) < control.max_wait);
        assert!(control.estimated_wait(4) > control.max_wait);
    }

    #[tokio::test(start_paused = true)]
    async fn a_free_connection_is_granted_despite_long_hold_times() {
        let control = control(2, Duration::from_millis(500));
        set_average_hold(&control, Duration::from_secs(5)).await;
        assert!(control.admit().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_average_follows_the_hold_times() {
        let control = control(1, Duration::from_millis(500));
        set_average_hold(&control, Duration::from_secs(5)).await;
        for _ in 0..64 {
            drop(control.admit().await);
        }
        assert!(control.estimated_wait(1) < Duration::from_millis(50));
    }
}
