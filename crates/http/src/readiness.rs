//! Whether the process accepts new requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The readiness that load balancers query. It is shared by all clones.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    draining: Arc<AtomicBool>,
}

impl Readiness {
    /// Makes `/health/ready` return 503 from now on. Requests are still answered.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether [`Readiness::start_draining`] was called.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
