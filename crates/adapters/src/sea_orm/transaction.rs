//! A write's transaction: all or nothing, in bounded time, and the truth about which.

use std::time::Duration;

use sea_orm::DbErr;
use tokio::time::timeout;
use user_domain::StoreError;
use user_domain::write::WriteError;

use super::errors;
use super::pool::{Pool, Transaction};

/// How long the database may take for what comes before a commit, and again for the commit. Its own timeouts are
/// shorter; this one is for a database that is not heard from any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Begins a transaction.
pub(super) async fn begin(db: &Pool) -> Result<Transaction, WriteError> {
    begun(db.begin()).await
}

/// Begins a transaction that only reads.
pub(super) async fn begin_reading(db: &Pool) -> Result<Transaction, WriteError> {
    begun(db.begin_reading()).await
}

async fn begun(
    beginning: impl Future<Output = Result<Transaction, DbErr>>,
) -> Result<Transaction, WriteError> {
    match timeout(PATIENCE, beginning).await {
        Ok(begun) => begun.map_err(|error| errors::write(&error)),
        Err(_) => Err(StoreError::Unavailable(SILENT.to_owned()).into()),
    }
}

/// Waits for the statements of a transaction; where they are not answered, nothing has been done, since nothing is
/// committed.
pub(super) async fn bounded<T>(
    statements: impl Future<Output = Result<T, WriteError>>,
) -> Result<T, WriteError> {
    timeout(PATIENCE, statements)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable(SILENT.to_owned()).into()))
}

/// Commits; an error here may leave the outcome open, and says so.
pub(super) async fn commit(tx: Transaction) -> Result<(), WriteError> {
    match timeout(PATIENCE, tx.commit()).await {
        Ok(committed) => committed.map_err(|error| errors::commit(&error)),
        Err(_) => Err(StoreError::OutcomeUnknown(SILENT.to_owned()).into()),
    }
}

const SILENT: &str = "the database does not answer";
