//! Reads a page of users.

use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryTrait};
use user_domain::directory::PageRequest;
use user_domain::ports::Page;
use user_domain::user::User;

use super::filter::{conditions, may_be_sparse};
use super::page_query::{first, read};
use super::sparse_matches;
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::entities::users::Entity;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::row;

/// Returns one page. One more user is read to find out whether there is a next page.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    request: &PageRequest,
) -> Result<Page, OperationError> {
    let (limit, dialect) = (usize::from(request.limit), Dialect::of(db));
    let rows = if dialect.needs_plan_hints() && may_be_sparse(&request.filter, request.sort) {
        sparse_matches::rows(db, request).await?
    } else {
        let matching = Entity::find().filter(conditions(&request.filter, dialect));
        read(db, &first(matching.into_query(), request)).await?
    };
    let mut users = rows
        .into_iter()
        .map(row::to_user)
        .collect::<Result<Vec<User>, _>>()?;
    let has_more = users.len() > limit;
    users.truncate(limit);
    let next = if has_more {
        users.last().map(|last| request.sort.position_of(last))
    } else {
        None
    };
    Ok(Page { users, next })
}
