//! Records an erasure in its transaction.

use user_domain::ports::EventPosition;
use user_domain::values::{Timestamp, UserId};

use crate::sea_orm::connection::Transaction;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::raw_sql;

/// Records the erasure of a user, whose event is at this position, and the acknowledgement that each consumer owes. The
/// transaction has locked the list of consumers.
///
/// An erasure without consumers is complete at once. A user that was put back by hand can be erased again, and is
/// confirmed again.
pub(in crate::sea_orm) async fn record(
    tx: &Transaction,
    user: UserId,
    event: EventPosition,
    at: Timestamp,
) -> Result<(), OperationError> {
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
    VALUES ($1, $2, $3, CASE WHEN EXISTS (SELECT 1 FROM erasure_consumers WHERE removed_at IS NULL) THEN NULL ELSE $2 END)
    ON CONFLICT (user_id) DO UPDATE
        SET erased_at = excluded.erased_at, event_seq = excluded.event_seq, completed_at = excluded.completed_at";

const OWED_ACKNOWLEDGEMENTS: &str = "
    INSERT INTO erasure_acks (user_id, consumer, consumer_id, event_seq)
    SELECT $1, name, id, $2 FROM erasure_consumers WHERE removed_at IS NULL
    ON CONFLICT (user_id, consumer) DO UPDATE
        SET consumer_id = excluded.consumer_id, event_seq = excluded.event_seq, acked_at = NULL, acked_by = NULL";
