//! Options of the driver's pools, and its checks of returned connections.

use std::path::Path;
use std::time::Duration;

use sea_orm::ConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, Connection, Executor, Row};
use tokio::time::timeout;

use super::PoolOptions;
use crate::guards::{Guard, Guards};

/// The maximum wait of a statement for a lock, in milliseconds. It is shorter than the statement timeouts.
const LOCK_TIMEOUT: &str = "900";
/// The maximum idle time of an open transaction, in milliseconds.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "5000";
/// The maximum age of a connection. After a failover or behind a load balancer, new connections reach other servers.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// The maximum wait of a request for a connection.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(500);
/// The maximum wait for the single writer of SQLite.
pub(super) const SQLITE_WRITER_TIMEOUT: Duration = Duration::from_millis(1500);
/// The number of connections that read a SQLite file.
pub(super) const SQLITE_READERS: u32 = 4;
/// The maximum duration of the check of a returned connection.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);
/// The idle time after which a connection is tested before its next use.
const TRUSTED_IDLE_TIME: Duration = Duration::from_secs(15);

/// Returns the options of a PostgreSQL pool whose statements end after `timeout`.
pub(super) fn postgres_options(
    url: &str,
    options: &PoolOptions,
    connections: u32,
    timeout: Duration,
) -> ConnectOptions {
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire_if_idle_for(TRUSTED_IDLE_TIME)
        .statement_timeout(timeout)
        .set_application_name("user-service")
        .connect_lazy(true)
        .sqlx_logging(false);
    disable_reaper(&mut connect);
    connect.map_sqlx_postgres_opts(|postgres| {
        postgres.options([
            ("lock_timeout", LOCK_TIMEOUT),
            // A statement on few rows takes a millisecond; JIT compilation would take a second.
            ("jit", "off"),
            (
                "idle_in_transaction_session_timeout",
                IDLE_IN_TRANSACTION_TIMEOUT,
            ),
        ])
    });
    if let Some(schema) = &options.schema {
        connect.set_schema_search_path(schema);
    }
    connect
}

/// Disables the driver's background reaper of idle connections.
///
/// While a connection is returned and acquired again at once, the driver's idle count is briefly below zero. A reaper
/// run that starts in that moment loops forever, on a thread that serves requests.
fn disable_reaper(connect: &mut ConnectOptions) {
    connect.idle_timeout(None).max_lifetime(None);
}

/// Closes a returned connection if it is dead, too old, or still in a transaction.
///
/// A future that is dropped during BEGIN leaves a transaction open that the driver does not know of. The next user of
/// the connection would write into it and lose the write. Outside a transaction `now()` equals the start of the
/// statement. In an open one it is earlier, and in a failed one the statement fails.
pub(super) fn check_after_write(connect: &mut ConnectOptions, guards: Guards) {
    connect.map_sqlx_postgres_pool_opts(move |pool| {
        pool.after_release(move |connection, metadata| {
            let is_young = metadata.age < MAX_LIFETIME;
            let check = async move {
                let row = connection
                    .fetch_one("SELECT now() = statement_timestamp()")
                    .await?;
                Ok(row.try_get::<bool, _>(0)? && is_young)
            };
            Box::pin(within_release_timeout(check, guards))
        })
    });
}

/// Closes a returned connection if it is dead or too old. The driver also pings it, but waits until the kernel gives
/// up, a quarter of an hour later. The connection would occupy the pool for that time.
pub(super) fn check_after_read(connect: &mut ConnectOptions, guards: Guards) {
    connect.map_sqlx_postgres_pool_opts(move |pool| {
        pool.after_release(move |connection, metadata| {
            let is_young = metadata.age < MAX_LIFETIME;
            let check = async move { connection.ping().await.map(|()| is_young) };
            Box::pin(within_release_timeout(check, guards))
        })
    });
}

/// Waits for the check of a connection. A timeout is an error, after which the driver closes the connection without
/// sending anything.
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

/// Returns the options of a SQLite pool.
pub(super) fn sqlite_options(path: &Path, connections: u32, wait: Duration) -> ConnectOptions {
    let path = path.to_owned();
    let mut connect = ConnectOptions::new("sqlite://users.db");
    connect
        .max_connections(connections)
        .acquire_timeout(wait)
        .test_before_acquire(false)
        .sqlx_logging(false);
    disable_reaper(&mut connect);
    connect.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged write survives a power failure, as on PostgreSQL.
            .synchronous(SqliteSynchronous::Full)
            // Another process, such as the command line, may be writing.
            .busy_timeout(SQLITE_WRITER_TIMEOUT)
            // Deleted data is overwritten in the file too.
            .pragma("secure_delete", "ON")
            // Without statistics SQLite scans a filtered list in sort order.
            .optimize_on_close(true, 1000)
    });
    connect
}

/// Closes a returned SQLite connection if the driver still counts an open transaction.
///
/// SQLite rolls back by itself when a commit fails because the disk is full, but the driver keeps counting the
/// transaction. Later transactions would become savepoints inside one that is never committed: their writes would be
/// acknowledged and lost.
pub(super) fn check_after_sqlite(connect: &mut ConnectOptions) {
    connect.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|connection, _| {
            Box::pin(async move {
                // Waits for a pending rollback.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
    });
}
