//! Connections to PostgreSQL that are kept between uses without being asked whether they live.
//!
//! The driver asks each connection that comes back to its pool, after our own check has: two round trips beside the one of
//! a read. A connection that has just answered the last word of what it was asked is alive, and in no transaction, as far
//! as anybody can know; so it is kept here, and only the driver's again when it has been kept for a while, or when there is
//! any doubt: after an error, and after a use that was given up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{AssertSqlSafe, Database, PgPool, Postgres, SqlSafeStr, query_with};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    Statement, Values, sqlx,
};
use sea_query_sqlx::SqlxValues;
use sqlx_core::transaction::TransactionManager;

/// How long a connection is kept before the driver has it again, and our checks with it.
const KEPT: Duration = Duration::from_secs(10);

type Transactions = <Postgres as Database>::TransactionManager;

/// The connections that are kept of a pool. Cheap to clone; clones share them.
#[derive(Clone)]
pub(super) struct Kept {
    pool: PgPool,
    resting: Arc<Resting>,
}

#[derive(Default)]
struct Resting(Mutex<Rest>);

#[derive(Default)]
struct Rest {
    connections: Vec<Connection>,
    is_closed: bool,
}

struct Connection {
    connection: PoolConnection<Postgres>,
    /// When it was taken from the driver's pool.
    taken: Instant,
}

/// A connection in use. Whoever drops it gives it to the driver, which does not trust it.
struct Used<'a> {
    kept: &'a Kept,
    connection: Connection,
}

/// A transaction on a connection that is kept after it; dropped before its end, it is rolled back.
pub(super) struct KeptTransaction {
    kept: Kept,
    /// None only once the transaction has ended.
    connection: tokio::sync::Mutex<Option<Connection>>,
}

impl Kept {
    /// Keeps connections of a pool.
    pub(super) fn of(pool: PgPool) -> Self {
        Self {
            pool,
            resting: Arc::default(),
        }
    }

    /// How many connections wait for their next use.
    pub(super) fn resting(&self) -> usize {
        self.resting.lock().connections.len()
    }

    /// Gives all connections that wait back to the driver.
    pub(super) fn give_up(&self) {
        let given_up = std::mem::take(&mut self.resting.lock().connections);
        drop(given_up);
    }

    /// Keeps no connection from now on.
    pub(super) fn close(&self) {
        self.resting.lock().is_closed = true;
        self.give_up();
    }

    /// Begins a transaction by a statement.
    pub(super) async fn begin(&self, statement: &'static str) -> Result<KeptTransaction, DbErr> {
        let mut connection = self.take().await?;
        Transactions::begin(&mut connection.connection, Some(statement.into_sql_str()))
            .await
            .map_err(exec_error)?;
        Ok(KeptTransaction {
            kept: self.clone(),
            connection: tokio::sync::Mutex::new(Some(connection)),
        })
    }

    async fn take(&self) -> Result<Connection, DbErr> {
        while let Some(connection) = self.resting.pop() {
            if connection.is_trusted() {
                return Ok(connection);
            }
        }
        let acquired = self.pool.acquire().await;
        Ok(Connection {
            connection: acquired.map_err(acquire_error)?,
            taken: Instant::now(),
        })
    }

    async fn used(&self) -> Result<Used<'_>, DbErr> {
        Ok(Used {
            kept: self,
            connection: self.take().await?,
        })
    }

    fn keep(&self, connection: Connection) {
        let mut rest = self.resting.lock();
        if rest.is_closed || !connection.is_trusted() {
            drop(rest);
            drop(connection);
        } else {
            rest.connections.push(connection);
        }
    }
}

impl Connection {
    fn is_trusted(&self) -> bool {
        self.taken.elapsed() < KEPT
    }
}

impl Resting {
    fn lock(&self) -> MutexGuard<'_, Rest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pop(&self) -> Option<Connection> {
        self.lock().connections.pop()
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        for resting in std::mem::take(&mut self.lock().connections) {
            // Nobody uses the pool any more, and there may be no runtime left in which the driver could look after it.
            drop(resting.connection.leak());
        }
    }
}

impl Used<'_> {
    /// Keeps the connection if it has answered in full.
    fn keep_after<T>(self, answer: Result<T, DbErr>) -> Result<T, DbErr> {
        if answer.is_ok() {
            self.kept.keep(self.connection);
        }
        answer
    }
}

impl KeptTransaction {
    /// Commits.
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let mut ended = self.connection.lock().await;
        let Some(connection) = ended.as_mut() else {
            return Ok(());
        };
        // While it is under way the connection stays where it is: one that is given up is rolled back.
        Transactions::commit(&mut connection.connection)
            .await
            .map_err(exec_error)?;
        if let Some(connection) = ended.take() {
            self.kept.keep(connection);
        }
        Ok(())
    }
}

impl Drop for KeptTransaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.get_mut() {
            // Sent before all else that the connection is asked, by the driver's look at it.
            Transactions::start_rollback(&mut connection.connection);
        }
    }
}

#[async_trait]
impl ConnectionTrait for Kept {
    fn get_database_backend(&self) -> DatabaseBackend {
        DatabaseBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut used = self.used().await?;
        let answer = execute(&mut used.connection.connection, &statement).await;
        used.keep_after(answer)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut used = self.used().await?;
        let answer = execute_text(&mut used.connection.connection, sql).await;
        used.keep_after(answer)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut used = self.used().await?;
        let answer = query_one(&mut used.connection.connection, &statement).await;
        used.keep_after(answer)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut used = self.used().await?;
        let answer = query_all(&mut used.connection.connection, &statement).await;
        used.keep_after(answer)
    }
}

#[async_trait]
impl ConnectionTrait for KeptTransaction {
    fn get_database_backend(&self) -> DatabaseBackend {
        DatabaseBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        execute(in_use(&mut *self.connection.lock().await)?, &statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        execute_text(in_use(&mut *self.connection.lock().await)?, sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        query_one(in_use(&mut *self.connection.lock().await)?, &statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        query_all(in_use(&mut *self.connection.lock().await)?, &statement).await
    }
}

fn in_use(connection: &mut Option<Connection>) -> Result<&mut PgConnection, DbErr> {
    let connection = connection
        .as_mut()
        .ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?;
    Ok(&mut connection.connection)
}

fn prepared(statement: &Statement) -> Query<'_, Postgres, SqlxValues> {
    let values = statement.values.clone().unwrap_or(Values(Vec::new()));
    query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

async fn execute(
    connection: &mut PgConnection,
    statement: &Statement,
) -> Result<ExecResult, DbErr> {
    let executed = prepared(statement).execute(connection).await;
    executed.map(Into::into).map_err(exec_error)
}

async fn execute_text(connection: &mut PgConnection, sql: &str) -> Result<ExecResult, DbErr> {
    let executed = sqlx::Executor::execute(connection, AssertSqlSafe(sql)).await;
    executed.map(Into::into).map_err(exec_error)
}

async fn query_one(
    connection: &mut PgConnection,
    statement: &Statement,
) -> Result<Option<QueryResult>, DbErr> {
    let found = prepared(statement).fetch_optional(connection).await;
    found.map(|row| row.map(Into::into)).map_err(query_error)
}

async fn query_all(
    connection: &mut PgConnection,
    statement: &Statement,
) -> Result<Vec<QueryResult>, DbErr> {
    let found = prepared(statement)
        .fetch_all(connection)
        .await
        .map_err(query_error)?;
    Ok(found.into_iter().map(Into::into).collect())
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

fn acquire_error(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))),
    }
}
