//! A write's transaction: all or nothing, and the truth about which.

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use user_domain::write::WriteError;

use super::errors;

/// Begins a transaction that may write at once; SQLite's default would fail when it meets another.
pub(super) async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, WriteError> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    db.begin_with_options(options)
        .await
        .map_err(|error| errors::write(&error))
}

/// Commits; an error here may leave the outcome open, and says so.
pub(super) async fn commit(tx: DatabaseTransaction) -> Result<(), WriteError> {
    tx.commit().await.map_err(|error| errors::commit(&error))
}
