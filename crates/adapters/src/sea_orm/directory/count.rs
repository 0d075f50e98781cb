//! Counts users.

use sea_orm::{ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use user_domain::StoreError;
use user_domain::directory::DirectoryFilter;

use super::filter::conditions;
use crate::sea_orm::entities::users::Entity;
use crate::sea_orm::errors;

/// Counts the users that pass the filter.
pub(crate) async fn count(
    db: &impl ConnectionTrait,
    filter: &DirectoryFilter,
) -> Result<u64, StoreError> {
    Entity::find()
        .filter(conditions(filter))
        .count(db)
        .await
        .map_err(|error| errors::store(&error))
}
