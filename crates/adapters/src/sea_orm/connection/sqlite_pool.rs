//! Options of the driver's pools of SQLite connections, and its checks of returned connections.

use std::path::Path;
use std::time::Duration;

use sea_orm::ConnectOptions;
use sea_orm::sqlx::Connection;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};

/// The maximum wait for the single writer of SQLite.
pub(super) const SQLITE_WRITER_TIMEOUT: Duration = Duration::from_millis(1500);
/// The number of connections that read a SQLite file.
pub(super) const SQLITE_READERS: u32 = 4;

/// Returns the options of a SQLite pool.
pub(super) fn sqlite_options(path: &Path, connections: u32, wait: Duration) -> ConnectOptions {
    let path = path.to_owned();
    let mut connect = ConnectOptions::new("sqlite://users.db");
    connect
        .max_connections(connections)
        .acquire_timeout(wait)
        .test_before_acquire(false)
        // Disables the driver's background reaper, as for PostgreSQL.
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false);
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
