//! Reuse of PostgreSQL connections without a health check between uses.
//!
//! The driver pings each connection that is returned to its pool, after our own check: two round trips in addition to
//! the one of a read. A connection that has just answered a statement completely is alive and, as far as the client
//! knows, in no transaction. It is therefore kept here for its next use. It returns to the driver's pool when its reuse
//! time is over, after an error, and after a cancelled operation.
//!
//! The server may close such a connection at any time, or become a standby. The first error that says so ends the
//! generation of all connections. What failed is repeated once on a new connection if it was a read or a BEGIN.
//!
//! Behind a connection pooler in transaction mode, each statement outside a transaction gets one of its own, and all
//! statements are unnamed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{AssertSqlSafe, Database, PgPool, Postgres, SqlSafeStr};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseBackend, DbErr, ExecResult, QueryResult, Statement,
    sqlx,
};
use sqlx_core::transaction::TransactionManager;

use super::pool::TransactionMode;
use super::postgres_pool::ConnectionRules;
use super::queries::{exec_error, execute, execute_text, query_all, query_one};
use super::servers::connect_error;
use super::session::Access;
use crate::guards::Guard;
use crate::sea_orm::errors::is_connection_lost;

/// The maximum reuse time of a connection before it returns to the driver's pool, and is checked. After a failover this
/// is also how long a server that became a standby is read.
const REUSE_TIME: Duration = Duration::from_secs(2);

type Transactions = <Postgres as Database>::TransactionManager;

/// Reuses the connections of a pool. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(super) struct ConnectionReuse {
    pool: PgPool,
    rules: ConnectionRules,
    idle: Arc<Idle>,
}

#[derive(Default)]
struct Idle(Mutex<IdleConnections>);

#[derive(Default)]
struct IdleConnections {
    connections: Vec<Connection>,
    is_closed: bool,
}

struct Connection {
    pooled: PoolConnection<Postgres>,
    /// When it was acquired from the driver's pool, which had opened or checked it.
    acquired: Instant,
    /// Whether it has not been checked since an earlier use.
    is_reused: bool,
}

/// A transaction on a connection that is reused after the commit. Dropping it before the commit rolls back.
pub(super) struct ReusedTransaction {
    reuse: ConnectionReuse,
    /// `None` after the commit.
    connection: tokio::sync::Mutex<Option<Connection>>,
}

impl ConnectionReuse {
    /// Creates the reuse of a pool's connections.
    pub(super) fn new(pool: PgPool, rules: ConnectionRules) -> Self {
        Self {
            pool,
            rules,
            idle: Arc::default(),
        }
    }

    /// Returns the number of idle connections.
    pub(super) fn idle_count(&self) -> usize {
        self.idle.lock().connections.len()
    }

    /// Returns all idle connections to the driver's pool.
    pub(super) fn release_all(&self) {
        let released = std::mem::take(&mut self.idle.lock().connections);
        drop(released);
    }

    /// Ends the reuse of connections.
    pub(super) fn close(&self) {
        self.idle.lock().is_closed = true;
        self.release_all();
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self, mode: TransactionMode) -> Result<ReusedTransaction, DbErr> {
        let is_snapshot = matches!(mode, TransactionMode::Snapshot);
        let begin = async |connection: &mut PgConnection| {
            let statement = AssertSqlSafe(self.rules.session.begin(is_snapshot));
            Transactions::begin(connection, Some(statement.into_sql_str()))
                .await
                .map_err(exec_error)
        };
        let ((), connection) = self.run_first(begin, true).await?;
        Ok(ReusedTransaction {
            reuse: self.clone(),
            connection: tokio::sync::Mutex::new(Some(connection)),
        })
    }

    async fn acquire(&self) -> Result<Connection, DbErr> {
        while let Some(mut connection) = self.idle.pop() {
            if !self.rules.generation.contains(connection.acquired) {
                connection.pooled.close_on_drop();
            } else if connection.is_recent() {
                connection.is_reused = true;
                return Ok(connection);
            }
        }
        self.direct().await?;
        match self.pool.acquire().await {
            Ok(pooled) => Ok(Connection {
                pooled,
                acquired: Instant::now(),
                is_reused: false,
            }),
            Err(sqlx::Error::PoolTimedOut) => {
                Err(self.rules.servers.explain_timeout(&self.pool).await)
            }
            Err(sqlx::Error::PoolClosed) => {
                Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))
            }
            Err(error) => Err(connect_error(&self.pool.connect_options(), &error)),
        }
    }

    /// Lets the driver's pool open its next connections to the server that is in use.
    ///
    /// # Errors
    /// Why no server can be used.
    pub(super) async fn direct(&self) -> Result<(), DbErr> {
        self.rules.servers.direct(&self.pool).await
    }

    /// Runs a statement outside a transaction, and keeps the connection after a complete answer. After an error or a
    /// cancellation the connection returns to the driver's pool, which checks it again.
    async fn run<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, DbErr> + Clone,
    ) -> Result<T, DbErr> {
        let is_repeatable = self.rules.session.access != Access::Write;
        if self.is_pooled() {
            return match self.run_in_transaction(statement.clone()).await {
                Err(error) if is_repeatable && self.shows_loss(&error) => {
                    self.run_in_transaction(statement).await
                }
                outcome => outcome,
            };
        }
        let (answer, connection) = self.run_first(statement, is_repeatable).await?;
        self.keep(connection);
        Ok(answer)
    }

    /// Runs a statement in a transaction of its own.
    async fn run_in_transaction<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        let tx = self.begin(TransactionMode::Read).await?;
        let answer = tx.run(statement).await?;
        tx.commit().await?;
        Ok(answer)
    }

    /// Runs the first statement on a connection. If that reveals that a reused connection is lost, a repeatable statement
    /// runs once more on a connection of the next generation.
    async fn run_first<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, DbErr> + Clone,
        is_repeatable: bool,
    ) -> Result<(T, Connection), DbErr> {
        let mut connection = self.acquire().await?;
        let mut answer = statement.clone()(&mut connection.pooled).await;
        if let Err(error) = &answer
            && self.ends_generation(&mut connection, error)
            && is_repeatable
        {
            connection = self.acquire().await?;
            answer = statement(&mut connection.pooled).await;
        }
        Ok((answer?, connection))
    }

    /// Closes a connection that is lost according to the error, and ends its generation if it was reused. A connection
    /// that is lost at its first use says nothing about older ones.
    fn ends_generation(&self, connection: &mut Connection, error: &DbErr) -> bool {
        if !self.shows_loss(error) {
            return false;
        }
        connection.pooled.close_on_drop();
        if connection.is_reused {
            self.rules.generation.end(connection.acquired);
        }
        connection.is_reused
    }

    /// Whether an error shows that its connection is lost.
    fn shows_loss(&self, error: &DbErr) -> bool {
        is_connection_lost(error) && self.rules.guards.is_active(Guard::LostConnections)
    }

    fn is_pooled(&self) -> bool {
        self.rules.session.is_pooled
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock();
        if idle.is_closed || !connection.is_recent() {
            drop(idle);
            drop(connection);
        } else {
            idle.connections.push(connection);
        }
    }
}

impl Connection {
    fn is_recent(&self) -> bool {
        self.acquired.elapsed() < REUSE_TIME
    }
}

impl Idle {
    fn lock(&self) -> MutexGuard<'_, IdleConnections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pop(&self) -> Option<Connection> {
        self.lock().connections.pop()
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        for idle in std::mem::take(&mut self.lock().connections) {
            // The pool is unused now, and the runtime that the driver needs for a return may be gone.
            drop(idle.pooled.leak());
        }
    }
}

impl ReusedTransaction {
    fn is_pooled(&self) -> bool {
        self.reuse.is_pooled()
    }

    /// Runs a statement on the connection of the transaction.
    async fn run<T>(
        &self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        let mut connection = self.connection.lock().await;
        let connection = connection
            .as_mut()
            .ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?;
        let answer = statement(&mut connection.pooled).await;
        if let Err(error) = &answer {
            self.reuse.ends_generation(connection, error);
        }
        answer
    }

    /// Commits.
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let mut ended = self.connection.lock().await;
        let Some(connection) = ended.as_mut() else {
            return Ok(());
        };
        // The connection stays in the mutex during the commit, so that a cancelled commit is rolled back.
        let committed = Transactions::commit(&mut connection.pooled).await;
        if let Err(error) = committed.map_err(exec_error) {
            self.reuse.ends_generation(connection, &error);
            return Err(error);
        }
        if let Some(connection) = ended.take() {
            self.reuse.keep(connection);
        }
        Ok(())
    }
}

impl Drop for ReusedTransaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.get_mut() {
            // The driver's check of the returned connection sends the rollback first.
            Transactions::start_rollback(&mut connection.pooled);
        }
    }
}

/// Implements `ConnectionTrait` by a method `run`, which provides the connection for one statement.
macro_rules! impl_connection_trait {
    ($($source:ty),+) => {$(
        #[async_trait]
        impl ConnectionTrait for $source {
            fn get_database_backend(&self) -> DatabaseBackend {
                DatabaseBackend::Postgres
            }

            async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
                let is_named = !self.is_pooled();
                self.run(async |connection| execute(connection, &statement, is_named).await).await
            }

            async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
                self.run(async |connection| execute_text(connection, sql).await).await
            }

            async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
                let is_named = !self.is_pooled();
                self.run(async |connection| query_one(connection, &statement, is_named).await).await
            }

            async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
                let is_named = !self.is_pooled();
                self.run(async |connection| query_all(connection, &statement, is_named).await).await
            }
        }
    )+};
}

impl_connection_trait!(ConnectionReuse, ReusedTransaction);
