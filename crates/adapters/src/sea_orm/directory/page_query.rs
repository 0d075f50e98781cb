//! The parts of the queries of a page: keyset pagination, with which all pages cost the same.

use sea_orm::sea_query::{Expr, ExprTrait, SelectStatement};
use sea_orm::{ConnectionTrait, FromQueryResult as _, Order};
use user_domain::directory::{PageRequest, Position, Sort};

use crate::sea_orm::entities::users::{Column, Entity, Model};
use crate::sea_orm::errors::OperationError;

/// Reads rows of users.
pub(super) async fn read(
    db: &impl ConnectionTrait,
    select: &SelectStatement,
) -> Result<Vec<Model>, OperationError> {
    let select = Model::find_by_statement(db.get_database_backend().build(select));
    Ok(select.all(db).await?)
}

/// Sorts users, skips those up to the position, and limits them to what the page needs.
pub(super) fn first(users: SelectStatement, request: &PageRequest) -> SelectStatement {
    let mut users = sorted(after_position(users, request), request.sort);
    users.limit(u64::from(request.limit) + 1).to_owned()
}

/// Sorts users.
pub(super) fn sorted(mut users: SelectStatement, sort: Sort) -> SelectStatement {
    let (column, order) = column(sort);
    users.order_by((Entity, column), order.clone());
    if sort != Sort::Username {
        users.order_by((Entity, Column::Id), order);
    }
    users
}

/// Returns the sort column and its direction.
pub(super) fn column(sort: Sort) -> (Column, Order) {
    match sort {
        Sort::CreatedDescending => (Column::CreatedAt, Order::Desc),
        Sort::CreatedAscending => (Column::CreatedAt, Order::Asc),
        Sort::Username => (Column::UsernameKey, Order::Asc),
        Sort::Updated => (Column::UpdatedAt, Order::Asc),
    }
}

/// Skips users up to the position of a request. The comparison of row values uses the index on both columns in both
/// databases.
pub(super) fn after_position(mut users: SelectStatement, request: &PageRequest) -> SelectStatement {
    let Some(position) = &request.after else {
        return users;
    };
    let (column, order) = column(request.sort);
    let (key, value): (Expr, Expr) = match position {
        Position::Time(time, id) => (
            Expr::tuple([Expr::col(column), Expr::col(Column::Id)]),
            Expr::tuple([Expr::value(time.as_utc()), Expr::value(id.as_uuid())]),
        ),
        Position::Username(key) => (Expr::col(column), Expr::value(key.as_str())),
    };
    let is_after = if order == Order::Desc {
        key.lt(value)
    } else {
        key.gt(value)
    };
    users.and_where(is_after).to_owned()
}
