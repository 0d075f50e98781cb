//! Rows that a statement is given as one value: it has one shape, and is prepared once, however many rows there are.

use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, ExecResult, QueryResult, Statement, Value};
use serde_json::json;
use user_domain::relationship::Edge;
use user_domain::values::UserId;

/// What a column of given rows holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A user's id.
    Id,
    /// A number.
    Number,
    /// True or false.
    Flag,
}

/// Names the rows that the first value of a statement holds, for its FROM; `place` counts them from 0.
pub(super) fn table(backend: DatabaseBackend, columns: &[(&str, Kind)]) -> String {
    let columns = columns.iter().enumerate().map(|(at, (name, kind))| {
        let text = match (backend, kind) {
            (DatabaseBackend::Postgres, Kind::Id) => format!("(line->>{at})::uuid"),
            (DatabaseBackend::Postgres, Kind::Number) => format!("(line->>{at})::bigint"),
            (DatabaseBackend::Postgres, Kind::Flag) => format!("(line->>{at})::boolean"),
            (_, Kind::Id) => format!("unhex(value->>{at})"),
            (_, Kind::Number | Kind::Flag) => format!("value->>{at}"),
        };
        format!("{text} AS {name}")
    });
    let columns: Vec<String> = columns.collect();
    let columns = columns.join(", ");
    match backend {
        DatabaseBackend::Postgres => format!(
            "(SELECT {columns}, place - 1 AS place
            FROM json_array_elements($1::text::json) WITH ORDINALITY AS lines (line, place)) AS g"
        ),
        _ => format!("(SELECT {columns}, key AS place FROM json_each($1)) AS g"),
    }
}

/// Names the ids that the first value of a statement holds.
pub(super) fn ids(backend: DatabaseBackend) -> String {
    table(backend, &[("id", Kind::Id)])
}

/// Names the edges that the first value of a statement holds.
pub(super) fn edges(backend: DatabaseBackend) -> String {
    table(backend, &[("a", Kind::Id), ("b", Kind::Id)])
}

/// Writes an id as it stands in given rows.
pub(super) fn id(user: UserId) -> serde_json::Value {
    json!(user.as_uuid().simple().to_string())
}

/// Makes rows the value of a statement.
pub(super) fn rows(rows: impl IntoIterator<Item = serde_json::Value>) -> Value {
    serde_json::Value::from_iter(rows).to_string().into()
}

/// Makes ids the value of a statement.
pub(super) fn of_ids(ids: impl IntoIterator<Item = UserId>) -> Value {
    rows(ids.into_iter().map(|user| json!([id(user)])))
}

/// Makes edges the value of a statement.
pub(super) fn of_edges(edges: impl IntoIterator<Item = Edge>) -> Value {
    rows(
        edges
            .into_iter()
            .map(|edge| json!([id(edge.from()), id(edge.to())])),
    )
}

/// Asks a statement written by hand.
pub(super) async fn query(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<QueryResult>, DbErr> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.query_all_raw(statement).await
}

/// Executes a statement written by hand.
pub(super) async fn execute(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<ExecResult, DbErr> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.execute_raw(statement).await
}
