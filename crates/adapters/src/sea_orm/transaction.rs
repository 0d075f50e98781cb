//! A write's transaction: all or nothing, in bounded time, and the truth about which.

use std::time::Duration;

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::time::timeout;
use user_domain::StoreError;
use user_domain::write::WriteError;

use super::errors;

/// How long the database may take for what comes before a commit, and again for the commit. Its own timeouts are
/// shorter; this one is for a database that is not heard from any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Begins a transaction that may write at once; SQLite's default would fail when it meets another.
pub(super) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, WriteError> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    match timeout(PATIENCE, db.begin_with_options(options)).await {
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
pub(super) async fn commit(tx: DatabaseTransaction) -> Result<(), WriteError> {
    match timeout(PATIENCE, tx.commit()).await {
        Ok(committed) => committed.map_err(|error| errors::commit(&error)),
        Err(_) => Err(StoreError::OutcomeUnknown(SILENT.to_owned()).into()),
    }
}

const SILENT: &str = "the database does not answer";
