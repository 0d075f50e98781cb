//! Hand-written SQL statements on either database.

use sea_orm::{ConnectionTrait, DbErr, ExecResult, QueryResult, Statement, Value};

/// Returns the rows of a hand-written query.
pub(super) async fn query(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<QueryResult>, DbErr> {
    db.query_all_raw(statement(db, sql, values)).await
}

/// Returns the row of a hand-written query without parameters.
pub(super) async fn query_one(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
) -> Result<Option<QueryResult>, DbErr> {
    db.query_one_raw(statement(db, sql, [])).await
}

/// Executes a hand-written statement.
pub(super) async fn execute(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<ExecResult, DbErr> {
    db.execute_raw(statement(db, sql, values)).await
}

fn statement(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}
