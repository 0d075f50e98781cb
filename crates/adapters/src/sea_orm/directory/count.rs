//! Counts users.

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect, QueryTrait};
use user_domain::directory::{DirectoryFilter, SearchTerm};

use super::filter::{contains_term, has_other_status, is_search_of_active};
use super::search;
use crate::sea_orm::entities::users::Entity;
use crate::sea_orm::errors::OperationError;

/// Returns the number of users that match the filter.
pub(crate) async fn count(
    db: &impl ConnectionTrait,
    filter: &DirectoryFilter,
) -> Result<u64, OperationError> {
    if let Some(term) = &filter.search
        && is_search_of_active(filter)
        && search::indexed_users(db).await?.is_some()
    {
        let count = search::number(db, &matches_without_other_statuses(filter, term)).await?;
        return Ok(u64::try_from(count).unwrap_or_default());
    }
    let matching = Entity::find().filter(search::condition(db, filter).await?);
    Ok(matching.count(db).await?)
}

/// Returns a statement that counts all matches of the index and subtracts those of other statuses. It reads no user
/// with a status of the filter.
fn matches_without_other_statuses(filter: &DirectoryFilter, term: &SearchTerm) -> SelectStatement {
    let mut all = Query::select();
    all.expr(Expr::col(Asterisk).count())
        .from_subquery(search::matches(term), "found");
    let others = Entity::find()
        .select_only()
        .expr(Expr::col(Asterisk).count())
        .filter(has_other_status(filter))
        .filter(contains_term(term))
        .into_query();
    let count = |select: SelectStatement| Expr::SubQuery(None, Box::new(select.into()));
    Query::select()
        .expr(count(all).sub(count(others)))
        .to_owned()
}
