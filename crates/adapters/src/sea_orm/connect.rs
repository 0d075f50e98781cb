//! Connections, bounded and clean: where the two databases differ.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::guards::{Guard, Guards};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, Connection, Executor, Row};
use sea_orm::{ConnAcquireErr, ConnectOptions, Database, DbErr};
use tokio::time::timeout;

use super::door::Door;
use super::pool::Pool;

/// How long a statement of a write may run before PostgreSQL ends it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a statement of a read may run: as long as a search may; shorter reads have their requests' deadline.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a look at the outbox may take; a later one is worth more.
const TAIL_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a statement may wait for a lock that another holds; below the statement's own time.
const LOCK_TIMEOUT: &str = "900";
/// How long a forgotten transaction lives, in milliseconds.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "5000";
/// How old a connection becomes: after a fail-over, or behind a balancer, new ones lead elsewhere.
const LIFETIME: Duration = Duration::from_mins(30);
/// How long a request may wait for a connection.
const POOL_WAIT: Duration = Duration::from_millis(500);
/// How long the one writer of SQLite may be waited for; there is no second one to ask.
const SQLITE_WRITER_WAIT: Duration = Duration::from_millis(1500);
/// How long the database may take to tell what is pending.
const LOOKING: Duration = Duration::from_secs(3);
/// How long all that is pending may take; an index on many rows takes its time.
const MIGRATING: Duration = Duration::from_hours(1);
/// How many may read a SQLite file at once.
const SQLITE_READERS: u32 = 4;
/// How long a connection that comes back to the pool may take to show that it is alive.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a connection may rest before it is tried again.
const TRUSTED_IDLE: Duration = Duration::from_secs(15);

/// Two bounded pools of one database: a storm of writes leaves the reads their connections, and only the writes'
/// connections ever see a transaction. One connection more follows the outbox, whatever the others do.
#[derive(Clone)]
pub struct Connections {
    pub(super) reads: Pool,
    pub(super) writes: Pool,
    pub(super) tail: Pool,
    /// A second door before the reads, for what takes long: it keeps half of them for those who ask for one user.
    pub(super) listings: Arc<Door>,
    pub(super) guards: Guards,
}

/// How a PostgreSQL is reached.
#[derive(Debug, Clone, Default)]
pub struct PoolOptions {
    /// The schema that holds the tables; the database's default if none.
    pub schema: Option<String>,
    /// The most connections of both pools together, at least 2; the one that follows the outbox comes on top.
    pub max_connections: u32,
    /// What keeps the promises about races.
    pub guards: Guards,
}

impl Connections {
    /// Opens pools of a PostgreSQL. Nothing is connected yet: the database may come up later.
    ///
    /// # Errors
    /// When the URL cannot be understood.
    pub async fn postgres(url: &str, options: &PoolOptions) -> Result<Self, DbErr> {
        let writes = (options.max_connections / 2).max(1);
        let reads = options.max_connections.saturating_sub(writes).max(1);
        let mut write_options = postgres_options(url, options, writes, WRITE_TIMEOUT);
        if options.guards.stands(Guard::ReleaseCheck) {
            keep_clean(&mut write_options, options.guards);
        }
        let mut read_options = postgres_options(url, options, reads, READ_TIMEOUT);
        keep_alive(&mut read_options, options.guards);
        let mut tail_options = postgres_options(url, options, 1, TAIL_TIMEOUT);
        keep_alive(&mut tail_options, options.guards);
        let tail = Database::connect(tail_options).await?;
        let read = Database::connect(read_options).await?;
        let write = Database::connect(write_options).await?;
        Ok(Self {
            tail: Pool::new("tail", tail, 1, POOL_WAIT),
            listings: listings(reads),
            reads: Pool::new("reads", read, reads, POOL_WAIT),
            writes: Pool::new("writes", write, writes, POOL_WAIT),
            guards: options.guards,
        })
    }

    /// Opens a SQLite file, which is made if it is not there; its folder must be.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub async fn sqlite(path: &Path) -> Result<Self, DbErr> {
        let mut write_options = sqlite_options(path, 1, SQLITE_WRITER_WAIT);
        keep_ended(&mut write_options);
        let write = Database::connect(write_options).await?;
        let read = Database::connect(sqlite_options(path, SQLITE_READERS, POOL_WAIT)).await?;
        let tail = Database::connect(sqlite_options(path, 1, POOL_WAIT)).await?;
        Ok(Self {
            writes: Pool::new("writes", write, 1, SQLITE_WRITER_WAIT),
            listings: listings(SQLITE_READERS),
            reads: Pool::new("reads", read, SQLITE_READERS, POOL_WAIT),
            tail: Pool::new("tail", tail, 1, POOL_WAIT),
            guards: Guards::default(),
        })
    }

    /// Brings the schema up to date and gives the names of the migrations that were applied.
    ///
    /// # Errors
    /// [`user_migrations::MigrateError`].
    pub async fn migrate(
        &self,
        schema: Option<&str>,
    ) -> Result<Vec<String>, user_migrations::MigrateError> {
        // Most starts find nothing to do; a database that is silent then is asked again on another connection.
        let looked = timeout(LOOKING, self.pending_migrations()).await;
        let pending = looked.unwrap_or_else(|_| Err(silent()))?;
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let up = user_migrations::up(self.writes.unguarded(), schema);
        timeout(MIGRATING, up)
            .await
            .unwrap_or_else(|_| Err(silent().into()))
    }

    /// Gives the names of the migrations that are still to be applied.
    ///
    /// # Errors
    /// The database's.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, DbErr> {
        user_migrations::pending(&self.tail).await
    }

    /// Takes down how many connections there are, for the metrics.
    pub fn measure(&self) {
        for pool in [&self.reads, &self.writes, &self.tail] {
            pool.measure();
        }
    }

    /// Closes the pools, when nothing uses them any more.
    pub async fn close(self) {
        // A pool that cannot be closed goes with the process; there is nobody left to tell.
        let _ = self.tail.close().await;
        let _ = self.reads.close().await;
        let _ = self.writes.close().await;
    }
}

/// Makes the door of listings before so many connections.
fn listings(reads: u32) -> Arc<Door> {
    let places = usize::try_from(reads / 2).unwrap_or_default().max(1);
    Arc::new(Door::new("listings", places, POOL_WAIT))
}

fn postgres_options(
    url: &str,
    options: &PoolOptions,
    connections: u32,
    timeout: Duration,
) -> ConnectOptions {
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(connections)
        .acquire_timeout(POOL_WAIT)
        .test_before_acquire_if_idle_for(TRUSTED_IDLE)
        .statement_timeout(timeout)
        .set_application_name("user-service")
        .connect_lazy(true)
        .sqlx_logging(false);
    leave_alone(&mut connect);
    connect.map_sqlx_postgres_opts(|postgres| {
        postgres.options([
            ("lock_timeout", LOCK_TIMEOUT),
            // A statement of few rows takes a millisecond; the machine code for it would take a second to make.
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

/// Keeps the driver from looking through the idle connections by itself.
///
/// While one comes back and is taken again at once, its count of them passes below zero for a moment. A look that begins
/// in that moment goes on for ever, on a thread that takes requests.
fn leave_alone(connect: &mut ConnectOptions) {
    connect.idle_timeout(None).max_lifetime(None);
}

/// Takes a connection out of the pool when it comes back still in a transaction, dead, or old.
///
/// A future dropped while it begins a transaction leaves one open that the driver does not know of, and whoever gets
/// the connection next would write into it and lose the write. Outside a transaction `now()` is the start of the very
/// statement; inside one it is earlier, and in a failed one the statement fails.
fn keep_clean(connect: &mut ConnectOptions, guards: Guards) {
    connect.map_sqlx_postgres_pool_opts(move |pool| {
        pool.after_release(move |connection, metadata| {
            let is_young = metadata.age < LIFETIME;
            let check = async move {
                let row = connection
                    .fetch_one("SELECT now() = statement_timestamp()")
                    .await?;
                Ok(row.try_get::<bool, _>(0)? && is_young)
            };
            Box::pin(in_time(check, guards))
        })
    });
}

/// Takes a connection out of the pool when it comes back dead, or old. The driver asks too, but waits for the answer until the
/// kernel gives the connection up, a quarter of an hour later, while the connection's place in the pool is taken.
fn keep_alive(connect: &mut ConnectOptions, guards: Guards) {
    connect.map_sqlx_postgres_pool_opts(move |pool| {
        pool.after_release(move |connection, metadata| {
            let is_young = metadata.age < LIFETIME;
            let check = async move { connection.ping().await.map(|()| is_young) };
            Box::pin(in_time(check, guards))
        })
    });
}

/// Waits for a check of a connection; one that is not answered in time is an error, after which the driver closes the
/// connection without asking it.
async fn in_time(
    check: impl Future<Output = Result<bool, sqlx::Error>>,
    guards: Guards,
) -> Result<bool, sqlx::Error> {
    if !guards.stands(Guard::SilenceDeadline) {
        return check.await;
    }
    timeout(RELEASE_TIMEOUT, check)
        .await
        .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

/// The error of a database that does not answer.
fn silent() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)
}

fn sqlite_options(path: &Path, connections: u32, wait: Duration) -> ConnectOptions {
    let path = path.to_owned();
    let mut connect = ConnectOptions::new("sqlite://users.db");
    connect
        .max_connections(connections)
        .acquire_timeout(wait)
        .test_before_acquire(false)
        .sqlx_logging(false);
    leave_alone(&mut connect);
    connect.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged write outlives a power failure, as on PostgreSQL.
            .synchronous(SqliteSynchronous::Full)
            // Another process may be writing: the command line, say.
            .busy_timeout(SQLITE_WRITER_WAIT)
            // Without statistics a filtered list is walked in the order of its sort.
            .optimize_on_close(true, 1000)
    });
    connect
}

/// Takes a connection to SQLite out of the pool when the driver believes it to be in a transaction still.
///
/// SQLite rolls back by itself when a commit fails for want of room, and the driver goes on counting the transaction. It
/// would make each later one a savepoint within one that nobody ever commits: acknowledged, seen by nobody, and lost.
fn keep_ended(connect: &mut ConnectOptions) {
    connect.map_sqlx_sqlite_pool_opts(|pool| {
        pool.after_release(|connection, _| {
            Box::pin(async move {
                // A rollback that is under way ends first.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_pool_is_looked_through_by_the_driver() {
        let options = PoolOptions::default();
        let postgres = Connections::postgres("postgres://nobody@localhost/none", &options);
        let postgres = postgres.await.unwrap();
        for pool in [&postgres.reads, &postgres.writes, &postgres.tail] {
            let options = pool.unguarded().get_postgres_connection_pool().options();
            let looked_for = (options.get_idle_timeout(), options.get_max_lifetime());
            assert_eq!(looked_for, (None, None));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        let sqlite = Connections::sqlite(&path).await.unwrap();
        for pool in [&sqlite.reads, &sqlite.writes, &sqlite.tail] {
            let options = pool.unguarded().get_sqlite_connection_pool().options();
            let looked_for = (options.get_idle_timeout(), options.get_max_lifetime());
            assert_eq!(looked_for, (None, None));
        }
    }
}
