//! Records an erasure in its transaction.

use user_domain::ports::EventPosition;
use user_domain::values::{Timestamp, UserId};

use super::consumers::{LockMode, lock_consumers};
use crate::sea_orm::connection::Transaction;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::raw_sql;

/// Records the erasure of a user, whose event is at this position, and the acknowledgement that each consumer owes.
///
/// Locks the list of consumers until the transaction ends. An erasure without consumers is complete at once.
pub(in crate::sea_orm) async fn record(
    tx: &Transaction,
    user: UserId,
    event: EventPosition,
    at: Timestamp,
) -> Result<(), OperationError> {
    lock_consumers(tx, LockMode::Shared).await?;
    let owed = [user.as_uuid().into(), event.get().into()];
    raw_sql::execute(tx, OWED_ACKNOWLEDGEMENTS, owed).await?;
    let erasure = [
        user.as_uuid().into(),
        at.as_utc().into(),
        event.get().into(),
    ];
    raw_sql::execute(tx, ERASURE, erasure).await?;
    Ok(())
}

const ERASURE: &str = "
    INSERT INTO erasures (user_id, erased_at, event_seq, completed_at)
    VALUES ($1, $2, $3, CASE WHEN EXISTS (SELECT 1 FROM erasure_consumers WHERE removed_at IS NULL) THEN NULL ELSE $2 END)";

const OWED_ACKNOWLEDGEMENTS: &str = "
    INSERT INTO erasure_acks (user_id, consumer, consumer_id, event_seq)
    SELECT $1, name, id, $2 FROM erasure_consumers WHERE removed_at IS NULL";
