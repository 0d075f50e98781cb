//! SIGTERM and SIGINT, which stop the service.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Receives the signals from its creation on, so that no signal is lost while the service starts. The kernel would
/// ignore them if the service is the first process of a container.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the signal handlers.
    ///
    /// # Errors
    /// If the system refuses them.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
