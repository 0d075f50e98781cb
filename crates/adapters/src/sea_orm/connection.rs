//! Database connections: pools with admission control, and their settings for each of the two databases.

mod admission;
mod backoff;
mod generation;
mod maintenance;
mod pool;
mod pooler;
mod postgres_pool;
mod queries;
mod read_connection;
mod reuse;
mod servers;
mod session;
mod sqlite_pool;
mod standbys;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::{ConnAcquireErr, Database, DbErr, RuntimeErr};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use user_domain::directory::MetadataKey;

use super::directory::{IndexOutcome, update_indexes};
use crate::guards::Guards;
use admission::AdmissionControl;
pub(super) use admission::Permit;
use generation::Generation;
use maintenance::Maintenance;
pub(super) use pool::{Pool, Transaction, TransactionMode};
use postgres_pool::{ConnectionRules, postgres_pool};
pub(super) use queries::exec_error;
pub(super) use read_connection::ReadConnection;
use servers::Servers;
use session::{Access, Session};
use sqlite_pool::{SQLITE_READERS, SQLITE_WRITER_TIMEOUT, check_after_sqlite, sqlite_options};
pub(super) use standbys::{PolledPosition, Standbys};

/// The maximum wait of a request for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(500);
/// The maximum duration of a statement of a write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum duration of a statement of a read, sized for a search. Shorter reads have the deadlines of their
/// requests.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum duration of a statement on a standby. A slower read is repeated on the primary server.
const STANDBY_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum duration of an outbox query. A poll that takes longer is abandoned for a newer one.
const OUTBOX_TIMEOUT: Duration = Duration::from_millis(500);
/// The maximum duration of the query for pending migrations.
const PENDING_MIGRATIONS_TIMEOUT: Duration = Duration::from_secs(3);
/// The maximum duration of all pending migrations. An index on many rows takes minutes.
const MIGRATION_TIMEOUT: Duration = Duration::from_hours(1);

/// The bounded connection pools of one database.
///
/// Reads and writes have separate pools, so that a burst of writes takes no connection from reads. Only write
/// connections run write transactions. One more connection polls the outbox, independent of the load on the others.
#[derive(Clone)]
pub struct Connections {
    pub(super) reads: Pool,
    pub(super) writes: Pool,
    pub(super) outbox: Pool,
    /// Limits long queries to half of the read connections, so that reads of single users find the other half.
    pub(super) listings: Arc<AdmissionControl>,
    /// Only if the settings name any.
    pub(super) standbys: Option<Arc<Standbys>>,
    /// Only for PostgreSQL.
    servers: Option<Arc<Servers>>,
    standby_servers: Vec<Arc<Servers>>,
    maintenance: Maintenance,
}

/// Options for connecting to PostgreSQL.
#[derive(Debug, Clone, Default)]
pub struct PoolOptions {
    /// The schema of the tables; the database's default if `None`.
    pub schema: Option<String>,
    /// The maximum number of connections of the read and the write pool together, at least 2. The outbox connection is
    /// one more.
    pub max_connections: u32,
    /// The URLs of further servers, one of which may take over from the first.
    pub further_servers: Vec<SecretString>,
    /// Whether the servers are connection poolers that may run each transaction in another session.
    pub is_pooled: bool,
    /// The URLs of the same servers for migrations and index builds, which need sessions. Empty if they are the same.
    pub maintenance_servers: Vec<SecretString>,
    /// Whether a standby may be used if there are several servers.
    pub accepts_standby: bool,
    /// The URLs of standbys that answer lists and other reads of many rows, at most [`PoolOptions::MAX_STANDBYS`].
    pub standbys: Vec<SecretString>,
    /// How long standbys answer reads after the last contact with the primary server; a minute if `None`.
    pub standby_time_without_primary: Option<Duration>,
    /// The guards against races.
    pub guards: Guards,
}

impl PoolOptions {
    /// The maximum number of standbys.
    pub const MAX_STANDBYS: usize = standbys::POOL_NAMES.len();
}

impl Connections {
    /// Creates pools for a PostgreSQL database without connecting, so that the database may start later.
    ///
    /// # Errors
    /// If the URL is invalid.
    #[expect(
        clippy::unused_async,
        reason = "callers open either database in the same way"
    )]
    pub async fn postgres(url: &str, options: &PoolOptions) -> Result<Self, DbErr> {
        let mut servers = vec![connect_options(url)?];
        for url in &options.further_servers {
            servers.push(connect_options(url.expose_secret())?);
        }
        let standbys: Result<Vec<_>, _> = (options.standbys.iter())
            .map(|url| connect_options(url.expose_secret()))
            .collect();
        let standbys = standbys?;
        let mut all = servers.iter().chain(&standbys);
        if options.is_pooled && all.any(|server| server.get_options().is_some()) {
            let refusal = "a connection pooler refuses startup options: remove the parameter `options` and PGOPTIONS";
            return Err(DbErr::Custom(refusal.to_owned()));
        }
        pooler::record_mode(options.is_pooled);
        let first = servers.first().cloned().unwrap_or_default();
        let session = |access, statement_timeout: Duration| Session {
            access,
            schema: options.schema.clone(),
            statement_timeout: statement_timeout.as_millis().to_string(),
            is_pooled: options.is_pooled,
            checks_client: Arc::default(),
        };
        let generation = Arc::new(Generation::default());
        let servers = Arc::new(Servers::new(
            servers,
            options.accepts_standby,
            session(Access::Read, OUTBOX_TIMEOUT),
            generation.clone(),
        ));
        let open = |name, connections, session| {
            let rules = ConnectionRules {
                session,
                servers: servers.clone(),
                generation: generation.clone(),
                guards: options.guards,
            };
            let pool = postgres_pool(first.clone(), connections, &rules);
            Pool::postgres(name, pool, connections, rules)
        };
        let writes = (options.max_connections / 2).max(1);
        let reads = options.max_connections.saturating_sub(writes).max(1);
        let standbys = standbys.into_iter().zip(standbys::POOL_NAMES);
        let standbys = standbys.map(|(server, name)| {
            let session = session(Access::ReadStandby, STANDBY_TIMEOUT);
            let generation = Arc::new(Generation::default());
            let servers = Arc::new(Servers::new(
                vec![server.clone()],
                true,
                session.clone(),
                generation.clone(),
            ));
            let rules = ConnectionRules {
                servers: servers.clone(),
                session,
                generation,
                guards: options.guards,
            };
            let pool = postgres_pool(server, reads, &rules);
            (Pool::postgres(name, pool, reads, rules), servers)
        });
        let (standbys, standby_servers): (Vec<_>, Vec<_>) = standbys.unzip();
        Ok(Self {
            outbox: open("tail", 1, session(Access::Read, OUTBOX_TIMEOUT)),
            listings: listings(reads),
            reads: open("reads", reads, session(Access::Read, READ_TIMEOUT)),
            writes: open("writes", writes, session(Access::Write, WRITE_TIMEOUT)),
            standbys: (!standbys.is_empty())
                .then(|| Arc::new(Standbys::new(standbys, reads, options))),
            servers: Some(servers.clone()),
            standby_servers,
            maintenance: Maintenance::of(options),
        })
    }

    /// Opens a SQLite file, or creates it in an existing folder.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub async fn sqlite(path: &Path) -> Result<Self, DbErr> {
        let mut write_options = sqlite_options(path, 1, SQLITE_WRITER_TIMEOUT);
        check_after_sqlite(&mut write_options);
        let write = Database::connect(write_options).await?;
        let read = sqlite_options(path, SQLITE_READERS, ACQUIRE_TIMEOUT);
        let read = Database::connect(read).await?;
        let outbox = Database::connect(sqlite_options(path, 1, ACQUIRE_TIMEOUT)).await?;
        Ok(Self {
            writes: Pool::new("writes", write, 1, SQLITE_WRITER_TIMEOUT),
            listings: listings(SQLITE_READERS),
            reads: Pool::new("reads", read, SQLITE_READERS, ACQUIRE_TIMEOUT),
            outbox: Pool::new("tail", outbox, 1, ACQUIRE_TIMEOUT),
            standbys: None,
            servers: None,
            standby_servers: Vec::new(),
            maintenance: Maintenance::Writes,
        })
    }

    /// Records a completed poll of the primary server, if a standby may rely on it.
    pub(super) fn record_poll(&self, began: Instant, position: Option<PolledPosition>) {
        if let (Some(standbys), Some(position)) = (&self.standbys, position) {
            standbys.record_poll(began, position);
        }
    }

    /// Checks that a server is reachable, and that its database can be used.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn check(&self) -> Result<(), DbErr> {
        match &self.servers {
            Some(servers) => servers.check().await?,
            None => return Ok(()),
        }
        let standbys = self.standby_servers.iter();
        try_join_all(standbys.map(|servers| servers.refuse_pooler()))
            .await
            .map(drop)
    }

    /// Applies pending migrations and returns their names.
    ///
    /// # Errors
    /// [`user_migrations::MigrateError`].
    pub async fn migrate(
        &self,
        schema: Option<&str>,
    ) -> Result<Vec<String>, user_migrations::MigrateError> {
        self.check().await?;
        // Most starts have no pending migrations. If the database does not answer, the caller retries on another
        // connection.
        let pending = timeout(PENDING_MIGRATIONS_TIMEOUT, self.pending_migrations()).await;
        let pending = pending.unwrap_or_else(|_| Err(timed_out()))?;
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let (pool, own) = self.maintenance.pool(&self.writes).await?;
        let up = user_migrations::up(pool.without_admission().await, schema);
        let applied = timeout(MIGRATION_TIMEOUT, up)
            .await
            .unwrap_or_else(|_| Err(timed_out().into()));
        let Some(own) = own else { return applied };
        own.close().await;
        let applied = applied?;
        if self.pending_migrations().await?.is_empty() {
            return Ok(applied);
        }
        let refusal = "MIGRATE_DATABASE_URI leads to another database or schema than DATABASE_URI";
        Err(DbErr::Custom(refusal.to_owned()).into())
    }

    /// Returns the names of the pending migrations.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, DbErr> {
        user_migrations::pending(&self.outbox).await
    }

    /// Creates the missing or invalid indexes for filters by these metadata keys. With `drop_others`, also drops those
    /// of all other keys. On PostgreSQL this blocks no writer and may take minutes.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn update_metadata_indexes(
        &self,
        keys: &[MetadataKey],
        drop_others: bool,
    ) -> Result<IndexOutcome, DbErr> {
        if !self.pending_migrations().await?.is_empty() {
            return Ok(IndexOutcome::Deferred);
        }
        let (pool, own) = self.maintenance.pool(&self.writes).await?;
        let outcome = update_indexes(&pool, keys, drop_others).await;
        if let Some(own) = own {
            own.close().await;
        }
        outcome
    }

    /// Updates the metrics of the connection counts.
    pub fn measure(&self) {
        let standbys = self.standbys.iter().flat_map(|standbys| standbys.pools());
        for pool in [&self.reads, &self.writes, &self.outbox]
            .into_iter()
            .chain(standbys)
        {
            pool.measure();
        }
    }

    /// Closes the pools.
    pub async fn close(self) {
        // Close errors are ignored: the connections end with the process.
        let _ = self.outbox.close().await;
        let _ = self.reads.close().await;
        let _ = self.writes.close().await;
        for standby in self.standbys.iter().flat_map(|standbys| standbys.pools()) {
            let _ = standby.clone().close().await;
        }
    }
}

/// Creates the admission control for long queries on a pool of `reads` connections.
fn listings(reads: u32) -> Arc<AdmissionControl> {
    let permits = usize::try_from(reads / 2).unwrap_or_default().max(1);
    Arc::new(AdmissionControl::new("listings", permits, ACQUIRE_TIMEOUT))
}

/// The error of a database that does not answer in time.
fn timed_out() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)
}

fn connect_options(url: &str) -> Result<PgConnectOptions, DbErr> {
    let options: PgConnectOptions = url
        .parse()
        .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))?;
    Ok(options
        .application_name("user-service")
        // Connection poolers refuse it. No value of the service is a text of a floating-point number.
        .extra_float_digits(None)
        .disable_statement_logging())
}

/// Registers the descriptions of the metrics of the connections.
pub(super) fn describe_metrics() {
    admission::describe_metrics();
    generation::describe_metrics();
    pool::describe_metrics();
    pooler::describe_metrics();
    standbys::describe_metrics();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_driver_never_reaps_idle_connections() {
        let options = PoolOptions::default();
        let postgres = Connections::postgres("postgres://nobody@localhost/none", &options);
        let postgres = postgres.await.unwrap();
        for pool in [&postgres.reads, &postgres.writes, &postgres.outbox] {
            let pool = pool.without_admission().await;
            let options = pool.get_postgres_connection_pool().options();
            let reaper = (options.get_idle_timeout(), options.get_max_lifetime());
            assert_eq!(reaper, (None, None));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        let sqlite = Connections::sqlite(&path).await.unwrap();
        for pool in [&sqlite.reads, &sqlite.writes, &sqlite.outbox] {
            let pool = pool.without_admission().await;
            let options = pool.get_sqlite_connection_pool().options();
            let reaper = (options.get_idle_timeout(), options.get_max_lifetime());
            assert_eq!(reaper, (None, None));
        }
    }
}
