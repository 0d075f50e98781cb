//! Client connections: the maximum number, and how long the connection of a client that does not read is kept.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use metrics::{Gauge, Unit, describe_gauge, gauge};
use rustix::process::{Resource, getrlimit};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use socket2::{Domain, Protocol, Socket, Type};
use user_http::CLOSING_CONNECTIONS;

/// A gauge of open client connections.
const CONNECTIONS: &str = "http_server_connections";
/// The maximum number of connections of a process. One core answers this many concurrent requests within a second.
const MAX_CONNECTIONS: usize = 10_000;
/// The maximum number of connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// The number of file descriptors reserved for everything but client and database connections: the management port,
/// Redis and the log.
const RESERVED_DESCRIPTORS: u64 = 128;
/// How long sent data may stay unacknowledged before the connection is closed.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of unsent bytes that the kernel buffers for a connection. Its default is some megabytes, which
/// count towards the memory limit of a container.
#[cfg(target_os = "linux")]
const MAX_UNSENT_BYTES: u32 = 64 * 1024;

/// Registers the description of the metric.
pub(crate) fn describe_metrics() {
    describe_gauge!(CONNECTIONS, Unit::Count, "Open client connections");
}

/// Returns the maximum number of connections of each worker. It depends on the limit of open files, less the reserved
/// descriptors and the connections to the database.
pub(crate) fn max_per_worker(workers: usize, database: u32) -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // If the limit is very low, half of the descriptors are for clients.
    let closing = CLOSING_CONNECTIONS.saturating_mul(workers) as u64;
    let reserved = (RESERVED_DESCRIPTORS + closing + u64::from(database)).min(files / 2);
    let available = usize::try_from(files - reserved).unwrap_or(usize::MAX);
    (available.min(MAX_CONNECTIONS) / workers.max(1)).max(1)
}

/// Counts a client connection for as long as it is open, and limits how long a client that does not read keeps it.
pub(crate) fn on_connect(connection: &TcpStream, extensions: &mut Extensions) {
    extensions.insert(OpenConnection::count());
    // Failures are ignored: the connection works without these options.
    #[cfg(target_os = "linux")]
    {
        let socket = SockRef::from(connection);
        let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT));
        let _ = socket.set_tcp_notsent_lowat(MAX_UNSENT_BYTES);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = connection;
}

/// Listens on an address. `SO_REUSEADDR` lets a restarted server listen while old connections are in `TIME_WAIT`.
pub(crate) fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

struct OpenConnection(Gauge);

impl OpenConnection {
    fn count() -> Self {
        let gauge = gauge!(CONNECTIONS);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
