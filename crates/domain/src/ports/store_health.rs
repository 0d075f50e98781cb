use async_trait::async_trait;

use super::StoreError;

/// Whether the store's tables are those this release needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// Every migration this release knows is applied, and perhaps newer ones.
    Ready,
    /// At least one is not.
    Pending,
}

/// Tells whether the store can be used.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait StoreHealth: Send + Sync {
    /// Asks the store itself, by a connection like any other's.
    async fn schema(&self) -> Result<SchemaState, StoreError>;
}
