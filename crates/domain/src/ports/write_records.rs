use async_trait::async_trait;

use super::StoreError;
use crate::user::Actor;
use crate::values::Timestamp;
use crate::write::{Idempotency, RecordedWrite};

/// Reads idempotency records.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait WriteRecords: Send + Sync {
    /// Finds the write that an actor made with an idempotency key.
    ///
    /// None if the key is unknown or expired, or was used for a request with another fingerprint. A refused write is
    /// not found.
    async fn find_write(
        &self,
        actor: &Actor,
        idempotency: &Idempotency,
        at: Timestamp,
    ) -> Result<Option<RecordedWrite>, StoreError>;
}
