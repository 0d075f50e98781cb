//! Whether the process wants new requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells load balancers to go elsewhere while the process shuts down; shared by all clones.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    draining: Arc<AtomicBool>,
}

impl Readiness {
    /// Makes `/health/ready` a 503 from now on; requests are still answered.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Tells whether [`Readiness::start_draining`] was called.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}
