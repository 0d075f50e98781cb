use async_trait::async_trait;

use super::StoreError;
use crate::import::{Import, ImportOutcome};
use crate::write::UniqueField;

/// Why a batch was not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Another writer took, meanwhile, a value that only one user may have. Nothing of the batch has been done; the
    /// same call sees what the other did.
    #[error("another writer took the {} meanwhile", .0.as_str())]
    Raced(UniqueField),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes many users at once: their rows and events, all of a batch or none.
///
/// What becomes of each record is decided by [`crate::import::plan`], with no other change of the users concerned in
/// between. There is an outcome for each record, in order; a refused one takes no other along. Done again, a batch
/// changes nothing.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserImport: Send + Sync {
    /// Imports a batch, at most 500.
    async fn import(&self, batch: &[Import]) -> Result<Vec<ImportOutcome>, ImportError>;

    /// Tells what [`UserImport::import`] would make of a batch now, and writes nothing.
    async fn rehearse(&self, batch: &[Import]) -> Result<Vec<ImportOutcome>, ImportError>;
}
