//! A connection pool with admission control, whose statements are trace spans.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metrics::{Gauge, Unit, describe_gauge, gauge};
use sea_orm::sqlx::PgPool;
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction,
    DbErr, ExecResult, QueryResult, SqliteTransactionMode, SqlxPostgresConnector, Statement,
    TransactionOptions, TransactionTrait,
};
use tracing::{Instrument, Span};

use super::ACQUIRE_TIMEOUT;
use super::admission::{AdmissionControl, Permit};
use super::postgres_pool::ConnectionRules;
use super::reuse::{ConnectionReuse, ReusedTransaction};
use crate::guards::{Guard, Guards};
use crate::operations::{mark_failed, span};
use crate::sea_orm::dialect::Dialect;

/// The number of connections, by `pool` and `state` (used or idle).
const CONNECTIONS: &str = "db_client_connection_count";
/// The maximum number of connections, by `pool`.
const MAX_CONNECTIONS: &str = "db_client_connection_max";

/// A connection pool. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(in crate::sea_orm) struct Pool {
    db: DatabaseConnection,
    /// Only for PostgreSQL: returning a SQLite connection costs no network round trip.
    reuse: Option<ConnectionReuse>,
    admission: Arc<AdmissionControl>,
    guards: Guards,
    used: Gauge,
    idle: Gauge,
}

/// What a transaction does.
#[derive(Debug, Clone, Copy)]
pub(in crate::sea_orm) enum TransactionMode {
    /// Reads and writes. On SQLite it takes the write lock at once: the default mode would fail if another writer is
    /// active.
    Write,
    /// Reads, and blocks no writer.
    Read,
    /// Reads one snapshot with all its statements, as every transaction does on SQLite.
    Snapshot,
}

/// An open transaction, with its permit for a connection.
pub(in crate::sea_orm) struct Transaction {
    tx: AnyTransaction,
    guards: Guards,
    _permit: Permit,
}

/// A transaction of either database.
enum AnyTransaction {
    Reused(ReusedTransaction),
    Plain(DatabaseTransaction),
}

/// Calls a method of the transaction inside [`AnyTransaction`].
macro_rules! on {
    ($inner:expr, $($call:tt)*) => {
        match &$inner {
            AnyTransaction::Reused(tx) => tx.$($call)*,
            AnyTransaction::Plain(tx) => tx.$($call)*,
        }
    };
}

impl Pool {
    /// Wraps a pool of at most `connections` connections to PostgreSQL, which are reused.
    pub(super) fn postgres(
        name: &'static str,
        pool: PgPool,
        connections: u32,
        rules: ConnectionRules,
    ) -> Self {
        let db = SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
        let guards = rules.guards;
        Self {
            reuse: Some(ConnectionReuse::new(pool, rules)),
            guards,
            ..Self::new(name, db, connections, ACQUIRE_TIMEOUT)
        }
    }

    /// Wraps a pool of at most `connections` connections. An operation waits at most `max_wait` for one of them.
    pub(super) fn new(
        name: &'static str,
        db: DatabaseConnection,
        connections: u32,
        max_wait: Duration,
    ) -> Self {
        let permits = usize::try_from(connections).unwrap_or(usize::MAX).max(1);
        gauge!(MAX_CONNECTIONS, "pool" => name).set(f64::from(connections));
        Self {
            db,
            reuse: None,
            admission: Arc::new(AdmissionControl::new(name, permits, max_wait)),
            guards: Guards::default(),
            used: gauge!(CONNECTIONS, "pool" => name, "state" => "used"),
            idle: gauge!(CONNECTIONS, "pool" => name, "state" => "idle"),
        }
    }

    /// Whether a guard is active. Only tests remove any.
    pub(in crate::sea_orm) fn is_guarded(&self, guard: Guard) -> bool {
        self.guards.is_active(guard)
    }

    /// Returns the driver's pool without admission control, for migrations and index builds.
    pub(in crate::sea_orm) async fn without_admission(&self) -> &DatabaseConnection {
        if let Some(reuse) = &self.reuse {
            reuse.release_all();
            // Without a usable server, the next statement fails.
            let _ = reuse.direct().await;
        }
        &self.db
    }

    /// Begins a transaction.
    pub(in crate::sea_orm) async fn begin(
        &self,
        mode: TransactionMode,
    ) -> Result<Transaction, DbErr> {
        let permit = self.admit().await?;
        self.begin_admitted(permit, mode).await
    }

    /// Begins a transaction with the permit for a connection of this pool.
    pub(super) async fn begin_admitted(
        &self,
        permit: Permit,
        mode: TransactionMode,
    ) -> Result<Transaction, DbErr> {
        let sqlite = match mode {
            TransactionMode::Write => SqliteTransactionMode::Immediate,
            TransactionMode::Read | TransactionMode::Snapshot => SqliteTransactionMode::Deferred,
        };
        let span = statement_span(self, "BEGIN");
        // Boxed: with the futures around it, the nesting would exceed the compiler's limit.
        let beginning = Box::pin(async {
            if let Some(reuse) = &self.reuse {
                return reuse.begin(mode).await.map(AnyTransaction::Reused);
            }
            let options = TransactionOptions {
                sqlite_transaction_mode: Some(sqlite),
                ..TransactionOptions::default()
            };
            let begun = self.db.begin_with_options(options).await;
            begun.map(AnyTransaction::Plain)
        });
        let tx = traced(span, beginning).await;
        Ok(Transaction {
            tx: self.count_acquire_failure(tx)?,
            guards: self.guards,
            _permit: permit,
        })
    }

    /// Updates the metrics of the connection counts.
    pub(super) fn measure(&self) {
        let (size, idle) = if let Some(reuse) = &self.reuse {
            let pool = self.db.get_postgres_connection_pool();
            (pool.size(), pool.num_idle() + reuse.idle_count())
        } else {
            let pool = self.db.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        };
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        self.used.set(f64::from(size.saturating_sub(idle)));
        self.idle.set(f64::from(idle));
    }

    pub(super) async fn close(self) -> Result<(), DbErr> {
        if let Some(reuse) = &self.reuse {
            reuse.close();
        }
        self.db.close().await
    }

    /// Counts an operation that was admitted but got no connection: the database is unreachable, or a connection has
    /// not been returned yet.
    fn count_acquire_failure<T>(&self, result: Result<T, DbErr>) -> Result<T, DbErr> {
        if matches!(result, Err(DbErr::ConnectionAcquire(_) | DbErr::Conn(_))) {
            self.admission.count_refusal();
        }
        result
    }

    pub(super) async fn admit(&self) -> Result<Permit, DbErr> {
        self.admission
            .admit()
            .await
            .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
    }
}

impl Transaction {
    /// Whether a guard is active. Only tests remove any.
    pub(in crate::sea_orm) fn is_guarded(&self, guard: Guard) -> bool {
        self.guards.is_active(guard)
    }

    pub(in crate::sea_orm) async fn commit(self) -> Result<(), DbErr> {
        let span = statement_span(&self, "COMMIT");
        let Self { tx, _permit, .. } = self;
        let commit = Box::pin(async {
            match tx {
                AnyTransaction::Reused(tx) => tx.commit().await,
                AnyTransaction::Plain(tx) => tx.commit().await,
            }
        });
        traced(span, commit).await
    }
}

#[async_trait]
impl ConnectionTrait for Pool {
    fn get_database_backend(&self) -> DatabaseBackend {
        self.db.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let _permit = self.admit().await?;
        let span = statement_span(self, &statement.sql);
        self.count_acquire_failure(match &self.reuse {
            Some(reuse) => traced(span, reuse.execute_raw(statement)).await,
            None => traced(span, self.db.execute_raw(statement)).await,
        })
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let _permit = self.admit().await?;
        let span = statement_span(self, sql);
        self.count_acquire_failure(match &self.reuse {
            Some(reuse) => traced(span, reuse.execute_unprepared(sql)).await,
            None => traced(span, self.db.execute_unprepared(sql)).await,
        })
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let _permit = self.admit().await?;
        let span = statement_span(self, &statement.sql);
        self.count_acquire_failure(match &self.reuse {
            Some(reuse) => traced(span, reuse.query_one_raw(statement)).await,
            None => traced(span, self.db.query_one_raw(statement)).await,
        })
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let _permit = self.admit().await?;
        let span = statement_span(self, &statement.sql);
        self.count_acquire_failure(match &self.reuse {
            Some(reuse) => traced(span, reuse.query_all_raw(statement)).await,
            None => traced(span, self.db.query_all_raw(statement)).await,
        })
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DatabaseBackend {
        on!(self.tx, get_database_backend())
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let span = statement_span(self, &statement.sql);
        traced(span, on!(self.tx, execute_raw(statement))).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let span = statement_span(self, sql);
        traced(span, on!(self.tx, execute_unprepared(sql))).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let span = statement_span(self, &statement.sql);
        traced(span, on!(self.tx, query_one_raw(statement))).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let span = statement_span(self, &statement.sql);
        traced(span, on!(self.tx, query_all_raw(statement))).await
    }
}

/// Runs a statement in its span.
async fn traced<T>(
    span: Span,
    statement: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let result = statement.instrument(span.clone()).await;
    if result.is_err() {
        mark_failed(&span);
    }
    result
}

fn statement_span(db: &impl ConnectionTrait, sql: &str) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    span(Dialect::of(db).system(), &summary(sql))
}

/// Returns the verb and the table of a statement (OpenTelemetry, `db.query.summary`). It contains no values, even if
/// the SQL text does.
fn summary(sql: &str) -> String {
    let mut words = sql.split(|letter: char| letter.is_whitespace() || letter == '(');
    let verb = words
        .find(|word| !word.is_empty())
        .unwrap_or_default()
        .to_ascii_uppercase();
    let keyword = match verb.as_str() {
        // The verb that writes is at the end.
        "WITH" if !sql.contains(" FROM ") => "UPDATE",
        "SELECT" | "DELETE" | "WITH" => "FROM",
        "INSERT" => "INTO",
        "UPDATE" => "UPDATE",
        _ => return verb,
    };
    let table = if keyword == verb {
        words.find(|word| !word.is_empty())
    } else {
        words
            .by_ref()
            .find(|word| word.eq_ignore_ascii_case(keyword))
            .and_then(|_| words.find(|word| !word.is_empty()))
    };
    let table = table.unwrap_or_default().trim_matches(['"', ';', ',', ')']);
    let is_name = |table: &str| {
        let mut letters = table.chars();
        letters.all(|letter| letter.is_ascii_lowercase() || letter == '_' || letter == '.')
    };
    if table.is_empty() || !is_name(table) {
        return verb;
    }
    format!("{verb} {table}")
}

/// Registers the descriptions of the metrics of the pools.
pub(super) fn describe_metrics() {
    describe_gauge!(
        CONNECTIONS,
        Unit::Count,
        "Connections to the database, by pool and state"
    );
    describe_gauge!(
        MAX_CONNECTIONS,
        Unit::Count,
        "The maximum number of connections of a pool"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_the_verb_and_the_table() {
        for (sql, expected) in [
            (
                r#"SELECT "users"."id" FROM "users" WHERE "users"."id" = $1"#,
                "SELECT users",
            ),
            (
                r#"INSERT INTO "events" ("id") VALUES ($1)"#,
                "INSERT events",
            ),
            (r#"UPDATE "users" SET "name" = $1"#, "UPDATE users"),
            (r#"DELETE FROM "users" WHERE "id" = $1"#, "DELETE users"),
            (
                "\n    SELECT now.history FROM (\n SELECT 1) AS now",
                "SELECT",
            ),
            (
                "WITH last AS (SELECT 1 FROM sqlite_sequence)",
                "WITH sqlite_sequence",
            ),
            (
                "WITH event AS (INSERT INTO events (id) VALUES ($2)) UPDATE users SET name = $3 WHERE id = $1",
                "WITH users",
            ),
            ("BEGIN", "BEGIN"),
            ("COMMIT", "COMMIT"),
            ("SELECT 'alice@example.org'", "SELECT"),
            ("SELECT 1 FROM 'alice@example.org'", "SELECT"),
            ("", ""),
        ] {
            assert_eq!(summary(sql), expected, "{sql}");
        }
    }
}
