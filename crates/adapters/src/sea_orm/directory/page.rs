//! Gives one page of users, by keyset: each page costs the same, however far it is.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ConnectionTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect};
use user_domain::StoreError;
use user_domain::directory::{PageRequest, Position, Sort};
use user_domain::ports::Page;
use user_domain::user::User;

use super::filter::conditions;
use super::search::{self, Found};
use crate::sea_orm::entities::users::{Column, Entity};
use crate::sea_orm::{errors, row};

/// Gives one page; a user more than asked for is read to know whether there is a next one.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    request: &PageRequest,
) -> Result<Page, StoreError> {
    let limit = usize::from(request.limit);
    let (column, order) = match request.sort {
        Sort::CreatedDescending => (Column::CreatedAt, Order::Desc),
        Sort::CreatedAscending => (Column::CreatedAt, Order::Asc),
        Sort::Username => (Column::UsernameKey, Order::Asc),
        Sort::Updated => (Column::UpdatedAt, Order::Asc),
    };
    let found = search::find(db, &request.filter).await?;
    let mut select = Entity::find()
        .filter(conditions(&request.filter))
        .order_by(column, order.clone())
        .limit(u64::from(request.limit) + 1);
    if request.sort != Sort::Username {
        select = select.order_by(Column::Id, order.clone());
    }
    if let Found::Few(ids) = found {
        if ids.is_empty() {
            return Ok(Page {
                users: Vec::new(),
                next: None,
            });
        }
        select = select.filter(search::among(&ids));
    }
    if let Some(position) = &request.after {
        select = select.filter(behind(position, column, &order));
    }
    let rows = select
        .all(db)
        .await
        .map_err(|error| errors::store(&error))?;
    let mut users = rows
        .into_iter()
        .map(row::to_user)
        .collect::<Result<Vec<User>, _>>()?;
    let more = users.len() > limit;
    users.truncate(limit);
    let next = if more {
        users.last().map(|last| request.sort.position_of(last))
    } else {
        None
    };
    Ok(Page { users, next })
}

/// Compares whole rows, which both databases serve by an index over both columns.
fn behind(position: &Position, column: Column, order: &Order) -> Expr {
    let (key, value): (Expr, Expr) = match position {
        Position::Time(time, id) => (
            Expr::tuple([Expr::col(column), Expr::col(Column::Id)]),
            Expr::tuple([Expr::value(time.as_utc()), Expr::value(id.as_uuid())]),
        ),
        Position::Username(key) => (Expr::col(column), Expr::value(key.as_str())),
    };
    if *order == Order::Desc {
        key.lt(value)
    } else {
        key.gt(value)
    }
}
