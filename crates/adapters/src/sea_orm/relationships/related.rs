//! Gives one page of a list, by keyset: each page costs the same, however far it is.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, FromQueryResult, Iden, Iterable, QueryResult, Value,
};
use user_domain::StoreError;
use user_domain::relationship::{
    Related, RelatedList, RelatedPage, RelatedPosition, RelatedRequest,
};
use user_domain::values::Timestamp;

use crate::sea_orm::entities::users::{Column, Model};
use crate::sea_orm::presence::IS_COUNTED;
use crate::sea_orm::{errors, given, row};

/// Gives one page; one more than asked for is read to know whether there is a next page.
pub(crate) async fn related(
    db: &impl ConnectionTrait,
    request: &RelatedRequest,
) -> Result<RelatedPage, StoreError> {
    let (sql, values) = statement(db.get_database_backend(), request);
    let rows = given::query(db, sql, values).await;
    let rows = rows.map_err(|error| errors::store(&error))?;
    let related = rows.iter().map(to_related);
    let mut related = related.collect::<Result<Vec<Related>, _>>()?;
    let limit = usize::from(request.limit);
    let has_more = related.len() > limit;
    related.truncate(limit);
    let last = related.last().filter(|_| has_more);
    let next = last.map(|last| RelatedPosition {
        since: last.since,
        id: last.user.id,
    });
    Ok(RelatedPage { related, next })
}

fn statement(backend: DatabaseBackend, request: &RelatedRequest) -> (String, Vec<Value>) {
    let (table, own, other, shown) = match request.list {
        RelatedList::Followers => ("follows", "target_id", "follower_id", IS_COUNTED),
        RelatedList::Following => ("follows", "follower_id", "target_id", IS_COUNTED),
        RelatedList::Blocks => ("blocks", "blocker_id", "target_id", "u.deleted_at IS NULL"),
    };
    // By name, since a column that a newer release adds would spoil a statement that is prepared.
    let columns = Column::iter().map(|column| format!("u.{}", column.unquoted()));
    let columns: Vec<String> = columns.collect();
    let columns = columns.join(", ");
    // From the list to the users and never the other way, whatever is believed of a table that has just been filled: it
    // would look through all users for a page.
    let users = match backend {
        DatabaseBackend::Postgres => format!(
            "CROSS JOIN LATERAL (SELECT u.* FROM users AS u WHERE u.id = e.{other} AND {shown} OFFSET 0) AS u
            WHERE"
        ),
        _ => format!("CROSS JOIN users AS u WHERE u.id = e.{other} AND {shown} AND"),
    };
    let mut conditions = vec![format!("e.{own} = $1")];
    let mut values: Vec<Value> = vec![
        request.user.as_uuid().into(),
        (i64::from(request.limit) + 1).into(),
    ];
    if let Some(viewer) = request.viewer {
        values.push(viewer.as_uuid().into());
        conditions.push(format!(
            "(SELECT 1 FROM blocks AS b WHERE b.blocker_id = $3 AND b.target_id = e.{other}) IS NULL
            AND (SELECT 1 FROM blocks AS b WHERE b.blocker_id = e.{other} AND b.target_id = $3) IS NULL"
        ));
    }
    if let Some(after) = request.after {
        values.push(after.since.as_utc().into());
        let since = values.len();
        values.push(after.id.as_uuid().into());
        let id = values.len();
        conditions.push(format!("(e.created_at, e.{other}) < (${since}, ${id})"));
    }
    let conditions = conditions.join(" AND ");
    let sql = format!(
        "SELECT {columns}, e.created_at AS since FROM {table} AS e {users} {conditions}
        ORDER BY e.created_at DESC, e.{other} DESC LIMIT $2"
    );
    (sql, values)
}

fn to_related(row: &QueryResult) -> Result<Related, StoreError> {
    let read = || -> Result<(Model, DateTime<Utc>), DbErr> {
        Ok((
            Model::from_query_result(row, "")?,
            row.try_get("", "since")?,
        ))
    };
    let (user, since) = read().map_err(|error| errors::store(&error))?;
    Ok(Related {
        user: row::to_user(user)?,
        since: Timestamp::from_utc(since),
    })
}
