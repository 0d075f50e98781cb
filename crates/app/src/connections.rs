//! Clients' connections: how many there may be, and how long one that does not read is kept.

use std::any::Any;
use std::time::Duration;

use actix_web::dev::Extensions;
use metrics::{Gauge, Unit, describe_gauge, gauge};
use rustix::process::{Resource, getrlimit};

/// A gauge of clients' connections.
const CONNECTIONS: &str = "http_server_connections";
/// The most connections of a process: so many requests at once are answered by a core within a second.
const MOST: usize = 10_000;
/// The files that are kept for all else but connections to the database: operators, Redis, the log, and connections that
/// are just being refused.
const RESERVED_FILES: u64 = 128;
/// How long what was sent may stay unread before the connection is cut.
#[cfg(target_os = "linux")]
const UNREAD: Duration = Duration::from_secs(10);

/// Says what the figure is, for whoever reads it.
pub(crate) fn describe_metrics() {
    describe_gauge!(CONNECTIONS, Unit::Count, "Open connections of clients");
}

/// The most connections that each of so many workers may have, by what the process may open besides so many connections
/// to its database.
pub(crate) fn most(workers: usize, database: u32) -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Where there are very few, clients and all else share them.
    let reserved = (RESERVED_FILES + u64::from(database)).min(files / 2);
    let left = usize::try_from(files - reserved).unwrap_or(usize::MAX);
    (left.min(MOST) / workers.max(1)).max(1)
}

/// Counts a client's connection for as long as it lasts, and sees to it that a reader who stalls does not keep it.
pub(crate) fn opened(connection: &dyn Any, extensions: &mut Extensions) {
    extensions.insert(Open::count());
    #[cfg(target_os = "linux")]
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() {
        // A connection for which it cannot be set is as good as any other.
        let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNREAD));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = connection;
}

struct Open(Gauge);

impl Open {
    fn count() -> Self {
        let gauge = gauge!(CONNECTIONS);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
