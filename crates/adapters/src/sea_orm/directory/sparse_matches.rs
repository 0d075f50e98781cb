//! Reads pages of users whose matches may be sparse in the sort order, on PostgreSQL.
//!
//! The planner assumes that matching users are evenly distributed over every sort order. If they are all at its end,
//! the chosen index scan reads all other users first. Therefore a bounded window of the order is read first, which
//! suffices for frequent matches. If it does not fill the page, all matches are found with an index of the filter, and
//! sorted.

use sea_orm::sea_query::{Asterisk, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryTrait};
use user_domain::directory::PageRequest;

use super::filter::{conditions, range};
use super::page_query::{after_position, column, first, read, sorted};
use super::search;
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::entities::users::{Column, Entity, Model};
use crate::sea_orm::errors::OperationError;

/// The number of users in the window for each user of the page. With a smaller window, pages of frequent matches would
/// be sorted; with a larger one, pages of rare matches would take longer.
const WINDOW_FACTOR: u64 = 50;

/// Reads the rows of a page, and the row after it if there is one.
pub(super) async fn rows(
    db: &impl ConnectionTrait,
    request: &PageRequest,
) -> Result<Vec<Model>, OperationError> {
    let in_window = read(db, &first(window(db, request), request)).await?;
    if in_window.len() > usize::from(request.limit) {
        return Ok(in_window);
    }
    let matching = search::condition(db, &request.filter).await?;
    let all = after_position(Entity::find().filter(matching).into_query(), request);
    read(db, &first_by_sorting(all, request)).await
}

/// Returns the matching users in the window after the position.
fn window(db: &impl ConnectionTrait, request: &PageRequest) -> SelectStatement {
    let next =
        Entity::find().filter(Condition::all().add_option(range(&request.filter, request.sort)));
    let mut next = sorted(after_position(next.into_query(), request), request.sort);
    next.limit(WINDOW_FACTOR * (u64::from(request.limit) + 1));
    let mut matching = Query::select();
    matching
        .column(Asterisk)
        .from_subquery(next, Entity)
        .cond_where(conditions(&request.filter, Dialect::of(db)));
    matching
}

/// Returns the first of these users in the sort order.
///
/// `OFFSET` prevents the planner from choosing the access path by the sort order. Only the sort columns are sorted,
/// since whole rows are wide.
fn first_by_sorting(mut users: SelectStatement, request: &PageRequest) -> SelectStatement {
    let (by, _) = column(request.sort);
    users.clear_selects().columns([Column::Id, by]).offset(0);
    let mut ids = Query::select();
    ids.column(Column::Id).from_subquery(users, Entity);
    let mut ids = sorted(ids, request.sort);
    ids.limit(u64::from(request.limit) + 1);
    let rows = Entity::find().filter(Column::Id.in_subquery(ids));
    sorted(rows.into_query(), request.sort)
}
