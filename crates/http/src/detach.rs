//! Writes that outlive their request.

use std::any::Any;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Runs each write in a task of its own.
///
/// The framework drops a handler's future when its client goes away. A write that is dropped half-way may leave a
/// connection inside its transaction, so a write never belongs to the handler.
#[derive(Debug, Clone)]
pub struct Writes {
    handle: Handle,
    tracker: TaskTracker,
    #[cfg(feature = "removable-guards")]
    in_the_handler: bool,
}

/// Why the result of a write is not known to its request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It is still going on.
    TooLate,
    /// It was cut off with the runtime.
    Cancelled,
    /// It panicked, with this message.
    Panicked(String),
}

impl Writes {
    /// Runs writes on this runtime, which must live until [`Writes::drain`] has returned.
    pub fn new(handle: Handle) -> Self {
        Self {
            handle,
            tracker: TaskTracker::new(),
            #[cfg(feature = "removable-guards")]
            in_the_handler: false,
        }
    }

    /// Runs writes inside their handlers, so that a test shows what a client's disconnect then does to them.
    #[cfg(feature = "removable-guards")]
    pub fn in_the_handler(handle: Handle) -> Self {
        Self {
            in_the_handler: true,
            ..Self::new(handle)
        }
    }

    /// Waits until no write is under way.
    pub async fn drain(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Starts a write that nobody waits for but the drain.
    pub(crate) fn start(&self, write: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn_on(write, &self.handle);
    }

    /// Runs a write and waits for it so long at most; it goes on in any case.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        write: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Lost> {
        #[cfg(feature = "removable-guards")]
        if self.in_the_handler {
            return Ok(write.await);
        }
        let task = self.tracker.spawn_on(write, &self.handle);
        match tokio::time::timeout(patience, task).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(match error.try_into_panic() {
                Ok(panic) => Lost::Panicked(panic_message(&*panic)),
                Err(_) => Lost::Cancelled,
            }),
            Err(_) => Err(Lost::TooLate),
        }
    }
}

/// The text of a panic, where it has one.
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
    async fn a_write_goes_on_when_nobody_waits_for_it_and_the_drain_waits() {
        let writes = Writes::new(Handle::current());
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
    async fn a_late_write_and_a_panicking_one_are_told_apart() {
        let writes = Writes::new(Handle::current());
        let late = writes.run(
            Duration::from_millis(5),
            tokio::time::sleep(Duration::from_millis(50)),
        );
        assert_eq!(late.await, Err(Lost::TooLate));
        let broken = writes.run::<()>(Duration::from_secs(9), async { panic!("boom") });
        assert_eq!(broken.await, Err(Lost::Panicked("boom".to_owned())));
    }
}
