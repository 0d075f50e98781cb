//! The TCP connection to the broker.

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::{SockRef, Socket, TcpKeepalive};

/// How long a connection is idle before the kernel probes it.
const KEEPALIVE_TIME: Duration = Duration::from_secs(30);

/// Closes the TCP connection when it is dropped.
///
/// The driver runs a thread for each connection. Without this, the thread of a broker that does not answer would stay.
#[derive(Debug, Default)]
pub(super) struct SocketGuard(Arc<Held>);

#[derive(Debug, Default)]
struct Held(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Connecting,
    Open(Socket),
    Closed,
}

/// The part of the guard that the driver has.
#[derive(Debug, Clone)]
pub(super) struct SocketHolder(Arc<Held>);

impl SocketGuard {
    /// Returns the part that takes the connection when it is open. It does not keep the connection open.
    pub(super) fn holder(&self) -> SocketHolder {
        SocketHolder(self.0.clone())
    }

    /// Closes the connection, also one that is opened later.
    pub(super) fn close(&self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(socket) = std::mem::replace(&mut *state, State::Closed) {
            // It fails if the connection is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for SocketGuard {
    fn drop(&mut self) {
        self.close();
    }
}

impl SocketHolder {
    /// Takes a new connection. The kernel probes its peer while it is idle.
    ///
    /// There is no limit for unacknowledged data (`TCP_USER_TIMEOUT`): it would also end the connection to a broker that
    /// reads nothing because it is short of memory.
    ///
    /// # Errors
    /// If the guard was dropped, or those of the system.
    pub(super) fn hold(&self, stream: &tokio::net::TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_TIME))?;
        let socket = socket.try_clone()?;
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Closed) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        *state = State::Open(socket);
        Ok(())
    }
}
