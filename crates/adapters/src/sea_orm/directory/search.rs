//! Finds users with the index of search texts, on databases that have it. While the index is being created, searches
//! read the users themselves.

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{Condition, ConnectionTrait};
use user_domain::directory::{DirectoryFilter, SearchTerm};

use super::filter::{any_of, conditions, conditions_without_search, contains};
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::entities::users::Column;
use crate::sea_orm::errors::OperationError;

/// The number of users that are scanned in the time of one read by id.
const SCANNED_PER_READ: i64 = 6;

/// The minimum number of matches for which a scan of all users is considered.
const MIN_MATCHES_FOR_SCAN: i64 = 10_000;

/// Returns the condition for a statement that reads all matching users. A search uses the index, unless so many users
/// match that a scan of all users is cheaper than reads by id.
pub(super) async fn condition(
    db: &impl ConnectionTrait,
    filter: &DirectoryFilter,
) -> Result<Condition, OperationError> {
    let dialect = Dialect::of(db);
    let Some(term) = &filter.search else {
        return Ok(conditions(filter, dialect));
    };
    match indexed_users(db).await? {
        Some(users) if !is_frequent(db, term, users).await? => {
            Ok(conditions_without_search(filter, dialect).add(is_match(term)))
        }
        _ => Ok(conditions(filter, dialect)),
    }
}

/// Returns about how many users the index of search texts has: the estimate of the last VACUUM or ANALYZE, and -1 if
/// there was none. Returns `None` if there is no index, or if its creation has not ended.
pub(super) async fn indexed_users(
    db: &impl ConnectionTrait,
) -> Result<Option<i64>, OperationError> {
    if !Dialect::of(db).has_search_index() {
        return Ok(None);
    }
    let mut users = Query::select();
    users
        .expr(Expr::cust("reltuples::bigint"))
        .from("pg_class")
        .and_where(Expr::cust("oid = 'users'::regclass"))
        .and_where(Expr::cust(
            "EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('user_search_texts_ix') AND indisvalid)",
        ));
    let row = db.query_one(&users).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
}

/// Returns the condition that the index finds a user for a term. `ARRAY` prevents a scan of all users in sort order
/// with a check of each.
fn is_match(term: &SearchTerm) -> Expr {
    let ids = Expr::SubQuery(None, Box::new(matches(term).into()));
    Expr::cust_with_expr("users.id = ANY(ARRAY $1)", ids)
}

/// Returns the ids of the users whose search text contains a term, from the index.
pub(super) fn matches(term: &SearchTerm) -> SelectStatement {
    let contains_form = |form: &String| {
        let parts = "user_search_parts(search_text) @@ user_search_query($1)";
        Condition::all()
            .add(Expr::cust_with_values(parts, [form.as_str()]))
            .add(contains(Column::SearchText, form))
    };
    let mut ids = Query::select();
    ids.column("user_id")
        .from("user_search_texts")
        .cond_where(any_of(term.forms().iter().map(contains_form)));
    ids
}

/// Whether the index finds so many of about this many users for a term that a scan of all users is cheaper.
async fn is_frequent(
    db: &impl ConnectionTrait,
    term: &SearchTerm,
    users: i64,
) -> Result<bool, OperationError> {
    let threshold = Ord::max(MIN_MATCHES_FOR_SCAN, users / SCANNED_PER_READ);
    let mut matching = Query::select();
    matching.expr(Expr::col(Asterisk).count()).from_subquery(
        matches(term).limit(threshold.unsigned_abs() + 1).to_owned(),
        "found",
    );
    Ok(number(db, &matching).await? > threshold)
}

/// Returns the number that a statement selects.
pub(super) async fn number(
    db: &impl ConnectionTrait,
    select: &SelectStatement,
) -> Result<i64, OperationError> {
    let row = db.query_one(select).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get_by_index(0))?)
}
