//! How background workers start and stop.
//!
//! To add a worker, add a file under `workers/` with its loop, and start it in `workers.rs`: with
//! [`WorkerGroup::start_cancellable`] if it may end at any await, with [`WorkerGroup::start`] and a [`StopSignal`] if it
//! writes in batches.
//!
//! Every worker of `serve` belongs to a [`WorkerGroup`]. There are two groups, because they stop at different times:
//! the batch workers write to the store, and the upkeep workers publish what was written. `Service::stop` has the order.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use user_domain::use_cases::BatchThrottle;

/// Background workers that stop together. They also stop if the group is dropped, for example by a failed start.
#[derive(Default)]
pub(crate) struct WorkerGroup {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl WorkerGroup {
    /// Starts a worker that ends soon after its [`StopSignal`] from this group. It is never interrupted, so it can
    /// complete a batch. A panic ends only this worker, and is logged.
    pub(crate) fn start(
        &self,
        worker: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = tokio::spawn(work);
        self.tasks.spawn(async move {
            if let Err(error) = task.await {
                tracing::error!(worker, %error, "background worker failed");
            }
        });
    }

    /// Starts a worker that is dropped at its next await when the group stops.
    pub(crate) fn start_cancellable(
        &self,
        worker: &'static str,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let stop = self.stop.clone();
        self.start(worker, async move {
            stop.run_until_cancelled_owned(work).await;
        });
    }

    /// Creates the signal by which a worker learns that it must stop, with this pause between two of its batches.
    pub(crate) fn stop_signal(&self, batch_pause: Duration) -> StopSignal {
        StopSignal {
            stop: self.stop.clone(),
            batch_pause,
        }
    }

    /// Asks all workers to stop, without waiting for them.
    pub(crate) fn request_stop(&self) {
        self.stop.cancel();
    }

    /// Stops all workers, and waits until they have ended.
    pub(crate) async fn stop(&self) {
        self.request_stop();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Whether no worker is running.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl Drop for WorkerGroup {
    fn drop(&mut self) {
        self.request_stop();
    }
}

/// Pauses a worker between batches and runs, until the worker is stopped.
pub(crate) struct StopSignal {
    stop: CancellationToken,
    batch_pause: Duration,
}

impl StopSignal {
    /// Creates a signal for a single run that is never stopped, with this pause between two batches.
    pub(crate) fn never(batch_pause: Duration) -> Self {
        Self {
            stop: CancellationToken::new(),
            batch_pause,
        }
    }

    /// Waits for this time. Returns false at once if the worker is stopped.
    pub(crate) async fn wait(&self, time: Duration) -> bool {
        self.stop.run_until_cancelled(sleep(time)).await.is_some()
    }
}

#[async_trait::async_trait]
impl BatchThrottle for StopSignal {
    async fn pause(&self) {
        self.wait(self.batch_pause).await;
    }

    fn should_stop(&self) -> bool {
        self.stop.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_a_batch_and_interrupts_what_is_cancellable() {
        let group = WorkerGroup::default();
        let is_complete = Arc::new(AtomicBool::new(false));
        let (signal, flag) = (group.stop_signal(Duration::ZERO), is_complete.clone());
        group.start("batch", async move {
            assert!(!signal.wait(Duration::from_hours(1)).await);
            sleep(Duration::from_secs(2)).await;
            flag.store(true, Ordering::Relaxed);
        });
        group.start_cancellable("upkeep", std::future::pending());
        tokio::task::yield_now().await;
        group.stop().await;
        assert!(is_complete.load(Ordering::Relaxed));
        assert!(group.is_empty());
    }

    #[tokio::test]
    async fn a_worker_that_panics_ends_no_other() {
        let group = WorkerGroup::default();
        group.start("broken", async { panic!("boom") });
        let signal = group.stop_signal(Duration::ZERO);
        group.start("sound", async move {
            assert!(!signal.wait(Duration::from_hours(1)).await);
        });
        while group.tasks.len() > 1 {
            tokio::task::yield_now().await;
        }
        assert!(!group.is_empty());
        group.stop().await;
    }

    #[tokio::test]
    async fn a_dropped_group_stops_its_workers() {
        let group = WorkerGroup::default();
        let signal = group.stop_signal(Duration::ZERO);
        drop(group);
        assert!(!signal.wait(Duration::from_hours(1)).await);
        assert!(signal.should_stop());
    }
}
