//! Finds a token.

use sea_orm::{ConnectionTrait, EntityTrait};
use user_domain::ports::StoredServiceToken;
use user_domain::values::ServiceTokenId;

use super::to_token;
use crate::sea_orm::entities::service_tokens::Entity;
use crate::sea_orm::errors::OperationError;

/// Finds a token, including a revoked or expired one.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    id: ServiceTokenId,
) -> Result<Option<StoredServiceToken>, OperationError> {
    let found = Entity::find_by_id(id.as_uuid()).one(db).await?;
    Ok(found.map(to_token).transpose()?)
}
