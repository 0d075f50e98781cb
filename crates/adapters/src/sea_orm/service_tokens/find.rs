//! Finds a token.

use sea_orm::{ConnectionTrait, EntityTrait};
use user_domain::StoreError;
use user_domain::ports::KeptToken;
use user_domain::values::ServiceTokenId;

use super::to_token;
use crate::sea_orm::entities::service_tokens::Entity;
use crate::sea_orm::errors;

/// Finds a token, whatever has become of it.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    id: ServiceTokenId,
) -> Result<Option<KeptToken>, StoreError> {
    let found = Entity::find_by_id(id.as_uuid())
        .one(db)
        .await
        .map_err(|error| errors::store(&error))?;
    found.map(to_token).transpose()
}
