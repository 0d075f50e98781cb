//! Tells whether the database can be used.

use sea_orm::DatabaseConnection;
use user_domain::StoreError;
use user_domain::ports::SchemaState;

use super::errors;

/// Asks the database which migrations it has.
pub(super) async fn schema(db: &DatabaseConnection) -> Result<SchemaState, StoreError> {
    let pending = user_migrations::pending(db)
        .await
        .map_err(|error| errors::store(&error))?;
    Ok(if pending.is_empty() {
        SchemaState::Ready
    } else {
        SchemaState::Pending
    })
}
