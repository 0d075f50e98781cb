//! Reads a page of followers, followed or blocked users, with keyset pagination: all pages cost the same.

use sea_orm::{ConnectionTrait, FromQueryResult, Iden, Iterable, QueryResult, Value};
use user_domain::relationship::{
    FollowList, Related, RelatedList, RelatedName, RelatedNames, RelatedPage, RelatedPosition,
    RelatedRequest,
};
use user_domain::values::{Timestamp, UserId};

use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::entities::users::{Column, Model};
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::relationships::locking::IS_COUNTED;
use crate::sea_orm::{raw_sql, row};

/// Returns one page. One more entry is read to find out whether there is a next page.
pub(crate) async fn related(
    db: &impl ConnectionTrait,
    request: &RelatedRequest<FollowList>,
) -> Result<RelatedPage, OperationError> {
    let request = &RelatedRequest::from(request);
    // By name: with `*`, a column that a newer release adds would invalidate the prepared statement.
    let columns = Column::iter().map(|column| format!("u.{}", column.unquoted()));
    let columns: Vec<String> = columns.collect();
    let columns = columns.join(", ");
    let related = rows(db, request, &columns, IS_COUNTED, to_related).await?;
    let position = |one: &Related| (one.since, one.user.id);
    let (related, next) = split_page(related, request, position);
    Ok(RelatedPage { related, next })
}

/// Returns one page with names only, including suspended users.
pub(crate) async fn related_names(
    db: &impl ConnectionTrait,
    request: &RelatedRequest,
) -> Result<RelatedNames, OperationError> {
    let names = match request.list {
        RelatedList::Followers | RelatedList::Following => {
            rows(db, request, "u.id, u.username", IS_NOT_DELETED, to_name).await?
        }
        RelatedList::Blocks => {
            let source = Source {
                columns: "e.target_id AS id, e.target_username AS username",
                users: "WHERE".to_owned(),
            };
            fetch(db, request, source, to_name).await?
        }
    };
    let (names, next) = split_page(names, request, |one| (one.since, one.id));
    Ok(RelatedNames { names, next })
}

/// The SQL condition for users that are not deleted.
const IS_NOT_DELETED: &str = "u.deleted_at IS NULL";

async fn rows<T>(
    db: &impl ConnectionTrait,
    request: &RelatedRequest,
    columns: &str,
    condition: &str,
    read: impl Fn(&QueryResult) -> Result<T, OperationError>,
) -> Result<Vec<T>, OperationError> {
    let (_, _, other) = columns_of(request.list);
    // Forces the join order from the list to the users. With outdated statistics PostgreSQL would scan all users for a
    // page.
    let users = match Dialect::of(db) {
        Dialect::Postgres => format!(
            "CROSS JOIN LATERAL (SELECT u.* FROM users AS u WHERE u.id = e.{other} AND {condition} OFFSET 0) AS u
            WHERE"
        ),
        Dialect::Sqlite => {
            format!("CROSS JOIN users AS u WHERE u.id = e.{other} AND {condition} AND")
        }
    };
    fetch(db, request, Source { columns, users }, read).await
}

/// The columns and the join of a page.
struct Source<'a> {
    columns: &'a str,
    /// The join with `users`, if the page needs it, up to the first condition.
    users: String,
}

async fn fetch<T>(
    db: &impl ConnectionTrait,
    request: &RelatedRequest,
    source: Source<'_>,
    read: impl Fn(&QueryResult) -> Result<T, OperationError>,
) -> Result<Vec<T>, OperationError> {
    let (sql, values) = statement(request, &source);
    let rows = raw_sql::query(db, sql, values).await?;
    rows.iter().map(read).collect()
}

/// Removes the entry beyond the limit. Returns the position of the last entry if there was one beyond it.
fn split_page<T>(
    mut rows: Vec<T>,
    request: &RelatedRequest,
    position: impl Fn(&T) -> (Timestamp, UserId),
) -> (Vec<T>, Option<RelatedPosition>) {
    let limit = usize::from(request.limit);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| has_more).map(position);
    let next = last.map(|(since, id)| RelatedPosition { since, id });
    (rows, next)
}

/// Returns the table of a list, its column of the list's owner, and that of the listed users.
fn columns_of(list: RelatedList) -> (&'static str, &'static str, &'static str) {
    match list {
        RelatedList::Followers => ("follows", "target_id", "follower_id"),
        RelatedList::Following => ("follows", "follower_id", "target_id"),
        RelatedList::Blocks => ("blocks", "blocker_id", "target_id"),
    }
}

fn statement(request: &RelatedRequest, source: &Source<'_>) -> (String, Vec<Value>) {
    let (table, own, other) = columns_of(request.list);
    let Source { columns, users } = source;
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

fn to_name(row: &QueryResult) -> Result<RelatedName, OperationError> {
    Ok(RelatedName {
        id: UserId::from_uuid(row.try_get("", "id")?),
        username: row.try_get("", "username")?,
        since: Timestamp::from_utc(row.try_get("", "since")?),
    })
}

fn to_related(row: &QueryResult) -> Result<Related, OperationError> {
    Ok(Related {
        user: row::to_user(Model::from_query_result(row, "")?)?,
        since: Timestamp::from_utc(row.try_get("", "since")?),
    })
}
