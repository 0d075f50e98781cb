//! Statements on a PostgreSQL connection.

use std::sync::Arc;

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::query::Query;
use sea_orm::sqlx::{AssertSqlSafe, Postgres, query_with};
use sea_orm::{DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values, sqlx};
use sea_query_sqlx::SqlxValues;

/// Returns the query that prepares a statement and executes it. An unnamed one lasts until the next one or, behind a
/// pooler, until the end of the transaction.
fn prepared(statement: &Statement, is_named: bool) -> Query<'_, Postgres, SqlxValues> {
    let values = statement.values.clone().unwrap_or(Values(Vec::new()));
    query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values)).persistent(is_named)
}

pub(super) async fn execute(
    connection: &mut PgConnection,
    statement: &Statement,
    is_named: bool,
) -> Result<ExecResult, DbErr> {
    let executed = prepared(statement, is_named).execute(connection).await;
    executed.map(Into::into).map_err(exec_error)
}

pub(super) async fn execute_text(
    connection: &mut PgConnection,
    sql: &str,
) -> Result<ExecResult, DbErr> {
    let executed = sqlx::Executor::execute(connection, AssertSqlSafe(sql)).await;
    executed.map(Into::into).map_err(exec_error)
}

pub(super) async fn query_one(
    connection: &mut PgConnection,
    statement: &Statement,
    is_named: bool,
) -> Result<Option<QueryResult>, DbErr> {
    let found = prepared(statement, is_named)
        .fetch_optional(connection)
        .await;
    found.map(|row| row.map(Into::into)).map_err(query_error)
}

pub(super) async fn query_all(
    connection: &mut PgConnection,
    statement: &Statement,
    is_named: bool,
) -> Result<Vec<QueryResult>, DbErr> {
    let found = prepared(statement, is_named)
        .fetch_all(connection)
        .await
        .map_err(query_error)?;
    Ok(found.into_iter().map(Into::into).collect())
}

pub(in crate::sea_orm) fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}
