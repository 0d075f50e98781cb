//! Tells whether the database can be used.

use sea_orm::{ConnectionTrait, Statement};
use user_domain::StoreError;
use user_domain::ports::SchemaState;

use super::errors;

/// Gives the store's own name, which its first migration made.
pub(super) async fn store_id(db: &impl ConnectionTrait) -> Result<String, StoreError> {
    let statement = Statement::from_string(db.get_database_backend(), "SELECT id FROM store");
    let row = db
        .query_one_raw(statement)
        .await
        .map_err(|error| errors::store(&error))?
        .ok_or_else(|| StoreError::Internal("the store has no id".to_owned()))?;
    row.try_get("", "id").map_err(|error| errors::store(&error))
}

/// Asks the database which migrations it has.
pub(super) async fn schema(db: &impl ConnectionTrait) -> Result<SchemaState, StoreError> {
    let pending = user_migrations::pending(db)
        .await
        .map_err(|error| errors::store(&error))?;
    Ok(if pending.is_empty() {
        SchemaState::Ready
    } else {
        SchemaState::Pending
    })
}
