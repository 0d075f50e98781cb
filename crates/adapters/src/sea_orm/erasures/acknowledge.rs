//! Records an acknowledgement.

use user_domain::ports::{ErasureError, ErasureWrite};
use user_domain::values::{ConsumerName, UserId};
use user_domain::write::WriteContext;

use super::consumer_id;
use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::idempotency::{self, Claim};
use crate::sea_orm::{raw_sql, transaction};

/// Records an acknowledgement, and completes the erasure if no other is owed.
pub(super) async fn acknowledge(
    db: &Pool,
    user: UserId,
    consumer: &ConsumerName,
    context: &WriteContext,
) -> Result<ErasureWrite, OperationError> {
    transaction::run(db, async |tx| write(tx, user, consumer, context).await).await
}

async fn write(
    tx: &Transaction,
    user: UserId,
    consumer: &ConsumerName,
    context: &WriteContext,
) -> Result<ErasureWrite, OperationError> {
    let id = user.as_uuid();
    if let Claim::Replay(_) = idempotency::claim(tx, id, context).await? {
        return Ok(ErasureWrite::Replayed);
    }
    let consumer_id = consumer_id(tx, consumer).await?;
    // Locked, so that the last of several acknowledgements sees the others.
    let lock = format!("{ERASURE} {}", Dialect::of(tx).for_update());
    let found = raw_sql::query(tx, lock, [id.into()]).await?;
    let erasure = found.first().ok_or(ErasureError::UnknownErasure)?;
    let at = context.at.as_utc();
    let acknowledgement = [
        id.into(),
        consumer.as_str().into(),
        consumer_id.into(),
        erasure.try_get::<i64>("", "event_seq")?.into(),
        at.into(),
        context.actor.as_str().into(),
    ];
    raw_sql::execute(tx, ACKNOWLEDGE, acknowledgement).await?;
    raw_sql::execute(tx, COMPLETE, [id.into(), at.into()]).await?;
    Ok(ErasureWrite::Done)
}

const ERASURE: &str = "SELECT event_seq FROM erasures WHERE user_id = $1";

/// Keeps the first acknowledgement.
const ACKNOWLEDGE: &str = "
    INSERT INTO erasure_acks (user_id, consumer, consumer_id, event_seq, acked_at, acked_by)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (user_id, consumer) DO UPDATE
    SET consumer_id = excluded.consumer_id, acked_at = excluded.acked_at, acked_by = excluded.acked_by
    WHERE erasure_acks.acked_at IS NULL";

/// What removed consumers owe is ignored.
const COMPLETE: &str = "
    UPDATE erasures SET completed_at = $2
    WHERE user_id = $1 AND completed_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM erasure_acks AS a
        JOIN erasure_consumers AS c ON c.id = a.consumer_id AND c.removed_at IS NULL
        WHERE a.user_id = $1 AND a.acked_at IS NULL
    )";
