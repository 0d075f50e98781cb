//! The count of active requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::Gauge;

use crate::metric_names::ACTIVE_REQUESTS;

/// The number of active requests.
///
/// A request that waits for its body is not counted: see [`ActiveRequest::pause`].
#[derive(Debug, Clone, Default)]
pub(crate) struct ActiveRequests(Arc<AtomicUsize>);

impl ActiveRequests {
    /// Whether more requests are active than the limit.
    pub(crate) fn exceed(&self, limit: usize) -> bool {
        self.0.load(Ordering::Relaxed) > limit
    }
}

/// An active request. It is counted until this is dropped, which also happens if its client disconnects.
pub(crate) struct ActiveRequest {
    count: ActiveRequests,
    gauge: Arc<Gauge>,
}

/// A request that waits for its body. It is not counted as active until this is dropped.
pub(crate) struct PausedRequest {
    count: ActiveRequests,
    gauge: Gauge,
}

impl ActiveRequest {
    /// Counts a request.
    pub(crate) fn begin(count: ActiveRequests, gauge: Arc<Gauge>) -> Self {
        count.0.fetch_add(1, Ordering::Relaxed);
        gauge.increment(1.0);
        Self { count, gauge }
    }

    /// Stops counting a request while it waits for its body.
    pub(crate) fn pause(count: ActiveRequests) -> PausedRequest {
        count.0.fetch_sub(1, Ordering::Relaxed);
        let gauge = metrics::gauge!(ACTIVE_REQUESTS);
        gauge.decrement(1.0);
        PausedRequest { count, gauge }
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.count.0.fetch_sub(1, Ordering::Relaxed);
        self.gauge.decrement(1.0);
    }
}

impl Drop for PausedRequest {
    fn drop(&mut self) {
        self.count.0.fetch_add(1, Ordering::Relaxed);
        self.gauge.increment(1.0);
    }
}
