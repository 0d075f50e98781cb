//! Lists tokens.

use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, QuerySelect};
use user_domain::StoreError;
use user_domain::service_token::ServiceToken;

use super::to_token;
use crate::sea_orm::entities::service_tokens::{Column, Entity};
use crate::sea_orm::errors;

/// Gives the newest tokens, the newest first.
pub(crate) async fn list(db: &impl ConnectionTrait) -> Result<Vec<ServiceToken>, StoreError> {
    let rows = Entity::find()
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(ServiceToken::LISTED as u64)
        .all(db)
        .await
        .map_err(|error| errors::store(&error))?;
    rows.into_iter()
        .map(|row| to_token(row).map(|kept| kept.token))
        .collect()
}
