//! The time for which a server that failed is not asked again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a server is not asked after it failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// When a server failed last.
#[derive(Default)]
pub(super) struct Backoff(Mutex<Option<Instant>>);

impl Backoff {
    /// Whether the server failed within the retry interval.
    pub(super) fn is_waiting(&self) -> bool {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|failed| failed.elapsed() < RETRY_INTERVAL)
    }

    /// Records that the server answered.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Records that the server failed.
    pub(super) fn record_failure(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}
