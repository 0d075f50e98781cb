//! Writes that continue after their request has ended.

use std::any::Any;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Runs each write in its own task.
///
/// The framework drops the future of a handler when its client disconnects. A write that is dropped halfway may leave a
/// connection inside its transaction, so a write is never part of the handler's future.
#[derive(Debug, Clone)]
pub struct WriteTasks {
    handle: Handle,
    tracker: TaskTracker,
    #[cfg(feature = "removable-guards")]
    inside_handler: bool,
}

/// Why the result of a write is not available to its request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TaskError {
    /// The write still runs.
    TimedOut,
    /// The runtime shut down before the write ended.
    Cancelled,
    /// The write panicked with this message.
    Panicked(String),
}

impl WriteTasks {
    /// Runs writes on this runtime, which must live until [`WriteTasks::drain`] has returned.
    pub fn new(handle: Handle) -> Self {
        Self {
            handle,
            tracker: TaskTracker::new(),
            #[cfg(feature = "removable-guards")]
            inside_handler: false,
        }
    }

    /// Runs writes inside their handlers. A test uses it to show what a disconnecting client then does to a write.
    #[cfg(feature = "removable-guards")]
    pub fn inside_handler(handle: Handle) -> Self {
        Self {
            inside_handler: true,
            ..Self::new(handle)
        }
    }

    /// Waits until no write is running.
    pub async fn drain(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Starts a write whose result is not used. Only [`WriteTasks::drain`] waits for it.
    pub(crate) fn spawn(&self, write: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn_on(write, &self.handle);
    }

    /// Runs a write and waits at most `max_wait` for its result. The write continues in any case.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        max_wait: Duration,
        write: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, TaskError> {
        #[cfg(feature = "removable-guards")]
        if self.inside_handler {
            return Ok(write.await);
        }
        let task = self.tracker.spawn_on(write, &self.handle);
        match tokio::time::timeout(max_wait, task).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(match error.try_into_panic() {
                Ok(panic) => TaskError::Panicked(panic_message(&*panic)),
                Err(_) => TaskError::Cancelled,
            }),
            Err(_) => Err(TaskError::TimedOut),
        }
    }
}

/// Returns the message of a panic.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[actix_web::test]
    async fn an_abandoned_write_continues_and_the_drain_waits_for_it() {
        let writes = WriteTasks::new(Handle::current());
        let done = Arc::new(AtomicBool::new(false));
        let flag = done.clone();
        let waiting = writes.run(Duration::from_secs(9), async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            flag.store(true, Ordering::SeqCst);
        });
        assert!(
            tokio::time::timeout(Duration::from_millis(5), waiting)
                .await
                .is_err()
        );
        assert!(!done.load(Ordering::SeqCst));
        writes.drain().await;
        assert!(done.load(Ordering::SeqCst));
    }

    #[actix_web::test]
    async fn a_slow_write_and_a_panicking_write_are_different_errors() {
        let writes = WriteTasks::new(Handle::current());
        let late = writes.run(
            Duration::from_millis(5),
            tokio::time::sleep(Duration::from_millis(50)),
        );
        assert_eq!(late.await, Err(TaskError::TimedOut));
        let broken = writes.run::<()>(Duration::from_secs(9), async { panic!("boom") });
        assert_eq!(broken.await, Err(TaskError::Panicked("boom".to_owned())));
    }
}
