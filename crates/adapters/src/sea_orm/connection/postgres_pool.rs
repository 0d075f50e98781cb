//! The driver's pool of PostgreSQL connections, and its checks of connections that were used before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::{self, Executor, PgPool, Row};
use tokio::time::timeout;

use super::ACQUIRE_TIMEOUT;
use super::generation::Generation;
use super::servers::Servers;
use super::session::{Access, Session};
use crate::guards::{Guard, Guards};

/// The maximum age of a connection. After a failover or behind a load balancer, new connections reach other servers.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// The check of a connection. In a session of the read pool, `transaction_read_only` says nothing about the server.
const CHECK: &str = "SELECT now() = statement_timestamp(), pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'";
/// The maximum duration of the check of a returned connection.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the connections of a pool have in common.
#[derive(Clone)]
pub(super) struct ConnectionRules {
    pub(super) session: Session,
    pub(super) servers: Arc<Servers>,
    pub(super) generation: Arc<Generation>,
    pub(super) guards: Guards,
}

/// Creates a pool without connecting.
///
/// The driver's background reaper of idle connections stays disabled. While a connection is returned and acquired again
/// at once, the driver's idle count is briefly below zero. A reaper run that starts in that moment loops forever, on a
/// thread that serves requests.
pub(super) fn postgres_pool(
    server: PgConnectOptions,
    connections: u32,
    rules: &ConnectionRules,
) -> PgPool {
    let session = rules.session.clone();
    let (before, after) = (rules.clone(), rules.clone());
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let session = session.clone();
            Box::pin(async move { session.prepare(connection).await })
        })
        .before_acquire(move |connection, metadata| {
            let rules = before.clone();
            let returned = Instant::now().checked_sub(metadata.idle_for);
            let is_current = returned.is_none_or(|at| rules.generation.contains(at));
            Box::pin(async move {
                // A connection that does not pass is replaced by a new one.
                Ok(is_current && rules.is_usable(connection).await.unwrap_or(false))
            })
        })
        .after_release(move |connection, metadata| {
            let rules = after.clone();
            let is_young = metadata.age < MAX_LIFETIME;
            Box::pin(async move {
                let check = rules.is_usable(connection);
                Ok(within_release_timeout(check, rules.guards).await? && is_young)
            })
        })
        .connect_lazy_with(server)
}

impl ConnectionRules {
    /// Whether a connection is in no transaction, on a server that has the current data and permits what the pool does.
    ///
    /// A future that is dropped during BEGIN leaves a transaction open that the driver does not know of. The next user
    /// of the connection would write into it and lose the write. Outside a transaction `now()` equals the start of the
    /// statement. In an open one it is earlier, and in a failed one the statement fails.
    async fn is_usable(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let row = connection.fetch_one(CHECK).await?;
        let is_outside_transaction = row.try_get(0)? || !self.guards.is_active(Guard::ReleaseCheck);
        let is_standby: bool = row.try_get(1)?;
        let refuses_writes: bool = row.try_get(2)?;
        let has_role = match self.session.access {
            Access::Read => !is_standby,
            Access::ReadStandby => true,
            Access::Write => !refuses_writes,
        } || !self.guards.is_active(Guard::ServerRole);
        if !has_role && self.servers.are_several() {
            // Another server may have taken over.
            self.generation.end(Instant::now());
        }
        Ok(is_outside_transaction && has_role)
    }
}

/// Waits for the check of a connection, which an error fails. A timeout is an error, after which the driver closes the
/// connection without sending anything. The driver also pings the connection, but waits until the kernel gives up, a
/// quarter of an hour later. The connection would occupy the pool for that time.
async fn within_release_timeout(
    check: impl Future<Output = Result<bool, sqlx::Error>>,
    guards: Guards,
) -> Result<bool, sqlx::Error> {
    if !guards.is_active(Guard::ReleaseTimeout) {
        return Ok(check.await.unwrap_or(false));
    }
    match timeout(RELEASE_TIMEOUT, check).await {
        Ok(checked) => Ok(checked.unwrap_or(false)),
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}
