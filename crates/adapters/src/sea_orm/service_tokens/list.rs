//! Lists tokens.

use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, QuerySelect};
use user_domain::service_token::ServiceToken;

use super::to_token;
use crate::sea_orm::entities::service_tokens::{Column, Entity};
use crate::sea_orm::errors::OperationError;

/// Returns the newest tokens, newest first.
pub(crate) async fn list(db: &impl ConnectionTrait) -> Result<Vec<ServiceToken>, OperationError> {
    let rows = Entity::find()
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(ServiceToken::MAX_LISTED as u64)
        .all(db)
        .await?;
    rows.into_iter()
        .map(|row| Ok(to_token(row)?.token))
        .collect()
}
