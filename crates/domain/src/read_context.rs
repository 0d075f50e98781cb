//! What one request requires of the servers that answer its reads, and which of them did.
//!
//! The context accompanies the future of the request, like a trace span. As a parameter, it would be part of every port
//! and use case that reads, although none of them decides anything by it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ports::WritePosition;

thread_local! {
    static CURRENT: RefCell<Option<Arc<ReadContext>>> = const { RefCell::new(None) };
}

/// The context of the reads of one request.
#[derive(Debug, Default)]
pub struct ReadContext {
    at_least: WritePosition,
    is_without_primary: AtomicBool,
}

/// Restores the context of the caller, also if the future panics.
struct Restore(Option<Arc<ReadContext>>);

impl ReadContext {
    /// Creates a context whose reads see every write up to a position.
    pub fn new(at_least: WritePosition) -> Arc<Self> {
        Arc::new(Self {
            at_least,
            is_without_primary: AtomicBool::new(false),
        })
    }

    /// Returns the context of the running future, if it has one.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Runs a future in this context. Tasks that it spawns are outside: what they read may miss the required writes, so a
    /// reader that depends on the context must not spawn.
    pub async fn run<T>(self: Arc<Self>, future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        poll_fn(|context| {
            let _restore = Restore(CURRENT.replace(Some(self.clone())));
            future.as_mut().poll(context)
        })
        .await
    }

    /// The position up to which the reads see every write.
    pub fn at_least(&self) -> WritePosition {
        self.at_least
    }

    /// Records that a read was answered by a standby because the primary server was unavailable.
    pub fn record_read_without_primary(&self) {
        self.is_without_primary.store(true, Ordering::Relaxed);
    }

    /// Whether a read was answered by a standby because the primary server was unavailable.
    pub fn has_read_without_primary(&self) -> bool {
        self.is_without_primary.load(Ordering::Relaxed)
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<T>(future: &mut std::pin::Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
        future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn two_requests_on_one_thread_have_their_own_contexts() {
        let request = |number: u64| {
            let mut is_first = true;
            let read = poll_fn(move |_| {
                if std::mem::take(&mut is_first) {
                    return Poll::Pending;
                }
                Poll::Ready(ReadContext::current().map(|context| context.at_least().get()))
            });
            Box::pin(ReadContext::new(WritePosition::from_store(number)).run(read))
        };
        let (mut first, mut second) = (request(1), request(2));
        assert!(poll(&mut first).is_pending());
        assert!(poll(&mut second).is_pending());
        assert!(ReadContext::current().is_none());
        assert_eq!(poll(&mut first), Poll::Ready(Some(1)));
        assert_eq!(poll(&mut second), Poll::Ready(Some(2)));
        assert!(ReadContext::current().is_none());
    }
}
