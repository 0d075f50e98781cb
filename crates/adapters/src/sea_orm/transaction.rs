//! Transactions with bounded duration, whose outcome is reported truthfully.

use std::time::Duration;

use tokio::time::timeout;
use user_domain::StoreError;

use super::connection::{Pool, Transaction, TransactionMode};
use super::errors::OperationError;

/// The maximum duration of BEGIN, of the statements together, and of COMMIT. The timeouts in the database are shorter;
/// this one is for a database that does not answer.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);

const NO_ANSWER: &str = "the database does not answer";

/// Runs statements in a write transaction, and commits if they succeed. After a failure or a timeout of the statements
/// nothing is written, since nothing was committed.
///
/// # Errors
/// Those of the statements, of BEGIN and of COMMIT. Only an error of COMMIT can mean that the outcome is unknown.
pub(super) async fn run<T>(
    db: &Pool,
    statements: impl AsyncFnOnce(&Transaction) -> Result<T, OperationError>,
) -> Result<T, OperationError> {
    run_in(db, TransactionMode::Write, statements).await
}

/// Runs statements in a transaction of this mode, as [`run`] does.
pub(super) async fn run_in<T>(
    db: &Pool,
    mode: TransactionMode,
    statements: impl AsyncFnOnce(&Transaction) -> Result<T, OperationError>,
) -> Result<T, OperationError> {
    let unavailable = |_| StoreError::Unavailable(NO_ANSWER.to_owned());
    let begun = timeout(STEP_TIMEOUT, db.begin(mode)).await;
    let tx = begun.map_err(unavailable)??;
    // Boxed, since the statements of a write are a large future.
    let done = timeout(STEP_TIMEOUT, Box::pin(statements(&tx))).await;
    let result = done.map_err(unavailable)??;
    match timeout(STEP_TIMEOUT, tx.commit()).await {
        Ok(committed) => committed.map_err(OperationError::Commit)?,
        Err(_) => return Err(StoreError::OutcomeUnknown(NO_ANSWER.to_owned()).into()),
    }
    Ok(result)
}
