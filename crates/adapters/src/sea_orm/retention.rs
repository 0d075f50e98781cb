//! Removes what is over its time: short transactions, small batches, and no waiting for what others hold.

pub(crate) mod erase_expired;
pub(crate) mod expired;
pub(crate) mod purge;

use user_domain::StoreError;
use user_domain::write::WriteError;

/// Translates an error of a write of which no caller has said how it may be refused.
fn store_error(error: WriteError) -> StoreError {
    match error {
        WriteError::Store(error) => error,
        WriteError::NotFound
        | WriteError::Taken(_)
        | WriteError::KeyReused
        | WriteError::Refused(_) => StoreError::Internal(format!("a purge was refused: {error}")),
    }
}
