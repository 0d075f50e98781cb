//! SIGTERM and SIGINT, by which the service is told to end.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals, from the moment on at which this is made: none is lost while the service is still starting, nor left to
/// the kernel, which ignores them where the service is the first process of a container.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens for them.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next of them.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
