use async_trait::async_trait;

use super::StoreError;
use crate::import::{Import, ImportLedger, Plan, StoreSnapshot};
use crate::write::UniqueField;

/// Why a batch was not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Another writer took a unique value concurrently. Nothing of the batch was written; a retry sees the other write.
    #[error("another writer took the {} concurrently", .0.as_str())]
    Raced(UniqueField),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes batches of users with their events, each batch in one transaction.
///
/// [`crate::import::plan`] decides the outcome of each record, without concurrent changes of the users concerned. There
/// is an outcome for each record, in order; a refused record does not affect the others. Repeating a batch changes
/// nothing.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserImport: Send + Sync {
    /// Imports a batch of at most 500 records as part of a run, and returns what was written.
    async fn import(&self, batch: &[Import], ledger: &ImportLedger) -> Result<Plan, ImportError>;

    /// Reads the state of the store that [`crate::import::plan`] needs, for a dry run, without locks.
    async fn snapshot(&self, batch: &[Import]) -> Result<StoreSnapshot, StoreError>;
}
