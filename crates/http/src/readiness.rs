//! Whether the process accepts new requests.

use std::sync::Arc;

use tokio::sync::watch;

/// The readiness that load balancers query. It is shared by all clones.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    draining: Arc<watch::Sender<bool>>,
}

impl Readiness {
    /// Makes `/health/ready` return 503 from now on. Requests are still answered; those that wait for events are
    /// answered at once.
    pub fn start_draining(&self) {
        self.draining.send_replace(true);
    }

    /// Whether [`Readiness::start_draining`] was called.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Waits until [`Readiness::start_draining`] was called.
    pub(crate) async fn draining(&self) {
        let mut draining = self.draining.subscribe();
        // Fails only without the sender, which this value owns.
        let _ = draining.wait_for(|is_draining| *is_draining).await;
    }
}
