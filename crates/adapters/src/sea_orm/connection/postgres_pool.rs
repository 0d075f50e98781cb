//! The driver's pool of PostgreSQL connections, and its checks of connections that were used before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::{self, ConnectOptions, Executor, PgPool, Row};
use tokio::time::timeout;

use super::ACQUIRE_TIMEOUT;
use super::generation::Generation;
use crate::guards::{Guard, Guards};

/// The maximum wait of a statement for a lock, in milliseconds. It is shorter than the statement timeouts.
const LOCK_TIMEOUT: &str = "900";
/// The maximum idle time of an open transaction, in milliseconds.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "5000";
/// The maximum age of a connection. After a failover or behind a load balancer, new connections reach other servers.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// The maximum duration of the check of a returned connection.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the connections of a pool may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Read. The database refuses writes, so every statement can be repeated.
    Read,
    /// Read and write, in transactions.
    Write,
}

/// What the connections of a pool have in common.
#[derive(Clone)]
pub(super) struct SessionOptions {
    pub(super) access: Access,
    /// The schema of the tables; the database's default if `None`.
    pub(super) schema: Option<String>,
    /// The maximum duration of a statement.
    pub(super) statement_timeout: Duration,
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
    session: &SessionOptions,
) -> PgPool {
    let (before, after) = (session.clone(), session.clone());
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .before_acquire(move |connection, metadata| {
            let returned = Instant::now().checked_sub(metadata.idle_for);
            let is_current = returned.is_none_or(|at| before.generation.contains(at));
            let (access, guards) = (before.access, before.guards);
            Box::pin(async move {
                // A connection that does not pass is replaced by a new one.
                Ok(is_current && is_usable(connection, access, guards).await.unwrap_or(false))
            })
        })
        .after_release(move |connection, metadata| {
            let (access, guards) = (after.access, after.guards);
            let is_young = metadata.age < MAX_LIFETIME;
            Box::pin(async move {
                let check = is_usable(connection, access, guards);
                Ok(within_release_timeout(check, guards).await? && is_young)
            })
        })
        .connect_lazy_with(with_settings(server, session))
}

fn with_settings(server: PgConnectOptions, session: &SessionOptions) -> PgConnectOptions {
    let statement_timeout = session.statement_timeout.as_millis().to_string();
    let mut options = vec![
        ("statement_timeout", statement_timeout.as_str()),
        ("lock_timeout", LOCK_TIMEOUT),
        // A statement on few rows takes a millisecond; JIT compilation would take a second.
        ("jit", "off"),
        (
            "idle_in_transaction_session_timeout",
            IDLE_IN_TRANSACTION_TIMEOUT,
        ),
    ];
    if session.access == Access::Read {
        options.push(("default_transaction_read_only", "on"));
    }
    if let Some(schema) = &session.schema {
        options.push(("search_path", schema));
    }
    server
        .application_name("user-service")
        .options(options)
        .disable_statement_logging()
}

/// Whether a connection is in no transaction, on a server that has the current data and permits what the pool does.
///
/// A future that is dropped during BEGIN leaves a transaction open that the driver does not know of. The next user of
/// the connection would write into it and lose the write. Outside a transaction `now()` equals the start of the
/// statement. In an open one it is earlier, and in a failed one the statement fails.
async fn is_usable(
    connection: &mut PgConnection,
    access: Access,
    guards: Guards,
) -> Result<bool, sqlx::Error> {
    let row = connection
        .fetch_one(
            "SELECT now() = statement_timestamp(), pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'",
        )
        .await?;
    let is_outside_transaction = row.try_get(0)? || !guards.is_active(Guard::ReleaseCheck);
    let is_standby: bool = row.try_get(1)?;
    let refuses_writes: bool = row.try_get(2)?;
    let has_role = match access {
        Access::Read => !is_standby,
        Access::Write => !refuses_writes,
    };
    Ok(is_outside_transaction && (has_role || !guards.is_active(Guard::ServerRole)))
}

/// Waits for the check of a connection. A timeout is an error, after which the driver closes the connection without
/// sending anything. The driver also pings the connection, but waits until the kernel gives up, a quarter of an hour
/// later. The connection would occupy the pool for that time.
async fn within_release_timeout(
    check: impl Future<Output = Result<bool, sqlx::Error>>,
    guards: Guards,
) -> Result<bool, sqlx::Error> {
    if !guards.is_active(Guard::ReleaseTimeout) {
        return check.await;
    }
    timeout(RELEASE_TIMEOUT, check)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}
