use async_trait::async_trait;

use super::StoreError;

/// Whether the store's schema is new enough for this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// Every migration of this release is applied, and possibly newer ones.
    Ready,
    /// At least one migration of this release is not applied.
    Pending,
}

/// Checks whether the store can be used.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait StoreHealth: Send + Sync {
    /// Returns the state of the schema, by a query on a connection from the regular pool.
    async fn schema(&self) -> Result<SchemaState, StoreError>;
}
