//! Lists tokens.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use user_domain::service_token::{ServiceToken, TokenPosition};

use super::to_token;
use crate::sea_orm::entities::service_tokens::{Column, Entity};
use crate::sea_orm::errors::OperationError;

/// Returns the first tokens after a position, newest first.
pub(crate) async fn list(
    db: &impl ConnectionTrait,
    after: Option<TokenPosition>,
    limit: u16,
) -> Result<Vec<ServiceToken>, OperationError> {
    let mut tokens = Entity::find()
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(u64::from(limit));
    if let Some(after) = after {
        let key = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        let position = Expr::tuple([
            Expr::value(after.created_at.as_utc()),
            Expr::value(after.id.as_uuid()),
        ]);
        tokens = tokens.filter(key.lt(position));
    }
    let rows = tokens.all(db).await?;
    rows.into_iter()
        .map(|row| Ok(to_token(row)?.token))
        .collect()
}
