//! Lists deleted users whose retention time is over.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use user_domain::ports::ExpiredUser;
use user_domain::values::{Timestamp, UserId};

use crate::sea_orm::entities::users::{Column, Entity};
use crate::sea_orm::errors::OperationError;

/// Returns one batch, with the index on deleted users.
pub(crate) async fn expired(
    db: &impl ConnectionTrait,
    at: Timestamp,
    after: Option<ExpiredUser>,
) -> Result<Vec<ExpiredUser>, OperationError> {
    let mut select = Entity::find()
        .select_only()
        .columns([Column::DeletedAt, Column::Id])
        .filter(Column::DeletedAt.lte(ExpiredUser::cutoff(at).as_utc()))
        .order_by_asc(Column::DeletedAt)
        .order_by_asc(Column::Id)
        .limit(u64::from(ExpiredUser::MAX_BATCH));
    if let Some(ExpiredUser { deleted_at, id }) = after {
        let place = Expr::tuple([Expr::col(Column::DeletedAt), Expr::col(Column::Id)]);
        let last = Expr::tuple([Expr::value(deleted_at.as_utc()), Expr::value(id.as_uuid())]);
        select = select.filter(place.gt(last));
    }
    let rows: Vec<(chrono::DateTime<chrono::Utc>, uuid::Uuid)> =
        select.into_tuple().all(db).await?;
    let user = |(deleted_at, id)| ExpiredUser {
        deleted_at: Timestamp::from_utc(deleted_at),
        id: UserId::from_uuid(id),
    };
    Ok(rows.into_iter().map(user).collect())
}
