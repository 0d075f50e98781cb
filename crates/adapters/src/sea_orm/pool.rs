//! A pool of connections behind its door, whose statements are spans of the trace.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use metrics::{Gauge, Unit, describe_gauge, gauge};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction,
    DbErr, ExecResult, QueryResult, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
};
use tracing::{Instrument, Span};

use super::door::{Door, Turn};
use super::kept::{Kept, KeptTransaction};
use crate::operations::{System, mark_failed, span};

/// Connections by `pool` and `state`: used or idle.
const CONNECTIONS: &str = "db_client_connection_count";
/// The most connections, by `pool`.
const MOST: &str = "db_client_connection_max";

/// A pool of connections. Cheap to clone; clones share them.
#[derive(Clone)]
pub(super) struct Pool {
    db: DatabaseConnection,
    /// What is kept of PostgreSQL's connections; SQLite's come back without a way over the network.
    kept: Option<Kept>,
    door: Arc<Door>,
    used: Gauge,
    idle: Gauge,
}

/// A transaction, with its turn on a connection.
pub(super) struct Transaction {
    tx: Begun,
    _turn: Turn,
}

/// A transaction of either database.
enum Begun {
    Kept(KeptTransaction),
    Plain(DatabaseTransaction),
}

/// Calls a method of the connection that there is.
macro_rules! on {
    ($begun:expr, $($call:tt)*) => {
        match &$begun {
            Begun::Kept(tx) => tx.$($call)*,
            Begun::Plain(tx) => tx.$($call)*,
        }
    };
}

impl Pool {
    /// Puts a door before the connections of a pool, of which there are so many at most.
    pub(super) fn new(
        name: &'static str,
        db: DatabaseConnection,
        connections: u32,
        patience: Duration,
    ) -> Self {
        let places = usize::try_from(connections).unwrap_or(usize::MAX).max(1);
        gauge!(MOST, "pool" => name).set(f64::from(connections));
        let is_postgres = db.get_database_backend() == DatabaseBackend::Postgres;
        let kept = is_postgres.then(|| Kept::of(db.get_postgres_connection_pool().clone()));
        Self {
            db,
            kept,
            door: Arc::new(Door::new(name, places, patience)),
            used: gauge!(CONNECTIONS, "pool" => name, "state" => "used"),
            idle: gauge!(CONNECTIONS, "pool" => name, "state" => "idle"),
        }
    }

    /// The connections themselves, for what has to take its turn in another way.
    pub(super) fn unguarded(&self) -> &DatabaseConnection {
        if let Some(kept) = &self.kept {
            kept.give_up();
        }
        &self.db
    }

    /// Begins a transaction that may write at once; SQLite's default would fail when it meets another.
    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        self.begin_by("BEGIN", SqliteTransactionMode::Immediate)
            .await
    }

    /// Begins a transaction that only reads; no writer waits for it.
    pub(super) async fn begin_reading(&self) -> Result<Transaction, DbErr> {
        self.begin_by("BEGIN", SqliteTransactionMode::Deferred)
            .await
    }

    /// Begins a transaction that only reads, and sees one moment throughout; whatever SQLite reads in one is of one.
    pub(super) async fn begin_snapshot(&self) -> Result<Transaction, DbErr> {
        let postgres = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.begin_by(postgres, SqliteTransactionMode::Deferred)
            .await
    }

    async fn begin_by(
        &self,
        postgres: &'static str,
        sqlite: SqliteTransactionMode,
    ) -> Result<Transaction, DbErr> {
        let turn = self.turn().await?;
        let span = statement_span(self.get_database_backend(), "BEGIN");
        // Boxed, since futures around it are as deep as the compiler goes.
        let beginning = Box::pin(async {
            if let Some(kept) = &self.kept {
                return kept.begin(postgres).await.map(Begun::Kept);
            }
            let options = TransactionOptions {
                sqlite_transaction_mode: Some(sqlite),
                ..TransactionOptions::default()
            };
            self.db.begin_with_options(options).await.map(Begun::Plain)
        });
        let begun = traced(span, beginning).await;
        Ok(Transaction {
            tx: self.noted(begun)?,
            _turn: turn,
        })
    }

    /// Takes down how many connections there are.
    pub(super) fn measure(&self) {
        let (size, idle) = if self.db.get_database_backend() == DatabaseBackend::Postgres {
            let pool = self.db.get_postgres_connection_pool();
            (pool.size(), pool.num_idle())
        } else {
            let pool = self.db.get_sqlite_connection_pool();
            (pool.size(), pool.num_idle())
        };
        let idle = idle + self.kept.as_ref().map_or(0, Kept::resting);
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        self.used.set(f64::from(size.saturating_sub(idle)));
        self.idle.set(f64::from(idle));
    }

    pub(super) async fn close(self) -> Result<(), DbErr> {
        if let Some(kept) = &self.kept {
            kept.close();
        }
        self.db.close().await
    }

    /// Notes that whoever had a turn got no connection: the database is away, or its last one has not come back.
    fn noted<T>(&self, answer: Result<T, DbErr>) -> Result<T, DbErr> {
        if matches!(answer, Err(DbErr::ConnectionAcquire(_))) {
            self.door.count_refusal();
        }
        answer
    }

    async fn turn(&self) -> Result<Turn, DbErr> {
        self.door
            .enter()
            .await
            .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
    }
}

impl Transaction {
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let Self { tx, _turn } = self;
        let span = statement_span(on!(tx, get_database_backend()), "COMMIT");
        let commit = Box::pin(async {
            match tx {
                Begun::Kept(tx) => tx.commit().await,
                Begun::Plain(tx) => tx.commit().await,
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
        let _turn = self.turn().await?;
        let span = statement_span(self.get_database_backend(), &statement.sql);
        self.noted(match &self.kept {
            Some(kept) => traced(span, kept.execute_raw(statement)).await,
            None => traced(span, self.db.execute_raw(statement)).await,
        })
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let _turn = self.turn().await?;
        let span = statement_span(self.get_database_backend(), sql);
        self.noted(match &self.kept {
            Some(kept) => traced(span, kept.execute_unprepared(sql)).await,
            None => traced(span, self.db.execute_unprepared(sql)).await,
        })
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let _turn = self.turn().await?;
        let span = statement_span(self.get_database_backend(), &statement.sql);
        self.noted(match &self.kept {
            Some(kept) => traced(span, kept.query_one_raw(statement)).await,
            None => traced(span, self.db.query_one_raw(statement)).await,
        })
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let _turn = self.turn().await?;
        let span = statement_span(self.get_database_backend(), &statement.sql);
        self.noted(match &self.kept {
            Some(kept) => traced(span, kept.query_all_raw(statement)).await,
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
        let span = statement_span(self.get_database_backend(), &statement.sql);
        traced(span, on!(self.tx, execute_raw(statement))).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let span = statement_span(self.get_database_backend(), sql);
        traced(span, on!(self.tx, execute_unprepared(sql))).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let span = statement_span(self.get_database_backend(), &statement.sql);
        traced(span, on!(self.tx, query_one_raw(statement))).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let span = statement_span(self.get_database_backend(), &statement.sql);
        traced(span, on!(self.tx, query_all_raw(statement))).await
    }
}

/// Waits for a statement in its span.
async fn traced<T>(
    span: Span,
    statement: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let answer = statement.instrument(span.clone()).await;
    if answer.is_err() {
        mark_failed(&span);
    }
    answer
}

fn statement_span(backend: DatabaseBackend, sql: &str) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    span(system(backend), &summary(sql))
}

pub(super) fn system(backend: DatabaseBackend) -> System {
    match backend {
        DatabaseBackend::Postgres => System::Postgres,
        _ => System::Sqlite,
    }
}

/// Sums a statement up by its verb and its table (OpenTelemetry, `db.query.summary`): its values are not in it, even where
/// they stand in the text.
fn summary(sql: &str) -> String {
    let mut words = sql.split(|letter: char| letter.is_whitespace() || letter == '(');
    let verb = words
        .find(|word| !word.is_empty())
        .unwrap_or_default()
        .to_ascii_uppercase();
    let introduction = match verb.as_str() {
        // What it does is at its end.
        "WITH" if !sql.contains(" FROM ") => "UPDATE",
        "SELECT" | "DELETE" | "WITH" => "FROM",
        "INSERT" => "INTO",
        "UPDATE" => "UPDATE",
        _ => return verb,
    };
    let table = if introduction == verb {
        words.find(|word| !word.is_empty())
    } else {
        words
            .by_ref()
            .find(|word| word.eq_ignore_ascii_case(introduction))
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

/// Says what the pools' figures are, for whoever reads them.
pub(super) fn describe_metrics() {
    describe_gauge!(
        CONNECTIONS,
        Unit::Count,
        "Connections to the database, by pool and state"
    );
    describe_gauge!(MOST, Unit::Count, "The most connections of a pool");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_summed_up_by_its_verb_and_its_table() {
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
                "WITH told AS (INSERT INTO events (id) VALUES ($2)) UPDATE users SET name = $3 WHERE id = $1",
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
