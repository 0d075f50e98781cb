//! The sessions of migrations on PostgreSQL: their timeouts, and the lock between processes.

use std::time::Duration;

use sea_orm_migration::sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm_migration::sea_orm::sqlx::{self, AssertSqlSafe, Executor as _};
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr,
    SqliteTransactionMode, SqlxPostgresConnector, Statement, TransactionOptions, TransactionTrait,
};

/// The key of the advisory lock that serializes migrating replicas of one PostgreSQL database.
const ADVISORY_LOCK: i64 = 0x7573_6572_7376_6331;

/// The maximum time to connect for statements outside the transaction of the lock.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bounds how long a transaction of a migration delays writers, which queue behind the lock that it waits for, and then
/// behind each statement under the lock. A write of the service gives up after 0.5 s without a connection, and after
/// 0.9 s at a lock.
pub(crate) const SHORT_TIMEOUTS: &str =
    "SET LOCAL lock_timeout = '300ms'; SET LOCAL statement_timeout = '2s'";

/// The transaction that holds the advisory lock is idle while a migration runs on another connection. It must not keep
/// a snapshot then, because `CREATE INDEX CONCURRENTLY` waits for older snapshots. If this machine fails, the server
/// must end it.
const LOCKING_TRANSACTION: &str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL idle_in_transaction_session_timeout = '1h'; \
    SET LOCAL tcp_keepalives_idle = 10; SET LOCAL tcp_keepalives_interval = 10";

/// The settings of a session that creates indexes concurrently. It waits for older transactions without blocking
/// writers. A server that supports `client_connection_check_interval` cancels its statement if this process ends.
pub const CONCURRENT_SESSION: &str = "SELECT set_config(name, value, false) FROM pg_settings
    JOIN (VALUES ('statement_timeout', '0'), ('lock_timeout', '600000'), ('client_connection_check_interval', '1000'),
        ('standard_conforming_strings', 'on'), ('default_transaction_isolation', 'read committed'),
        ('default_transaction_read_only', 'off')) AS wanted (name, value) USING (name)";

/// Begins a transaction that excludes other migration runners until it ends. Returns `None` if another process holds
/// the lock.
///
/// It does not wait for the lock: a waiting statement has a snapshot, for whose end the holder of the lock may wait. It
/// is not a lock of the session, because a connection pooler gives each transaction another session.
pub(crate) async fn begin_exclusive(
    db: &DatabaseConnection,
) -> Result<Option<DatabaseTransaction>, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let tx = db.begin_with_options(options).await?;
    if tx.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(Some(tx));
    }
    tx.execute_unprepared(LOCKING_TRANSACTION).await?;
    tx.execute_unprepared(SHORT_TIMEOUTS).await?;
    let lock = format!("SELECT pg_try_advisory_xact_lock({ADVISORY_LOCK})");
    let row = tx
        .query_one_raw(Statement::from_string(DatabaseBackend::Postgres, lock))
        .await?;
    if row.map_or(Ok(false), |row| row.try_get_by_index(0))? {
        return Ok(Some(tx));
    }
    tx.rollback().await?;
    Ok(None)
}

/// Opens a connection of its own for statements that run outside the transaction of the lock, in this schema. It has
/// the timeouts of [`CONCURRENT_SESSION`].
pub(crate) fn connect_concurrent(
    db: &DatabaseConnection,
    schema: Option<&str>,
) -> DatabaseConnection {
    let search_path = schema.map(|schema| format!("SET search_path = \"{schema}\""));
    let options = db.get_postgres_connection_pool().connect_options();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            let search_path = search_path.clone();
            Box::pin(async move {
                if let Some(search_path) = search_path {
                    connection.execute(AssertSqlSafe(search_path)).await?;
                }
                connection.execute(CONCURRENT_SESSION).await.map(drop)
            })
        })
        .connect_lazy_with((*options).clone());
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
}

/// Whether a lock was not available in time, or two transactions waited for each other.
pub(crate) fn is_lock_conflict(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| ["55P03", "40P01"].contains(&code.as_ref()))
}
