//! Removes expired erasures, and what removed consumers owe.

use chrono::{DateTime, Utc};
use sea_orm::Value;
use user_domain::ports::Purged;
use user_domain::values::UserId;

use crate::sea_orm::connection::{Pool, Transaction};
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{list_params, raw_sql, transaction};

/// Removes one batch of erasures that were completed at or before a time, with their acknowledgements. First removes one
/// batch of the acknowledgements that removed consumers owe.
pub(in crate::sea_orm) async fn purge(
    db: &Pool,
    cutoff: DateTime<Utc>,
) -> Result<Purged, OperationError> {
    transaction::run(db, async |tx| {
        let limit = i64::from(Purged::MAX_BATCH);
        let released = lock(tx, OWED_BY_REMOVED, [limit.into()]).await?;
        execute(tx, REMOVE_OWED, &released).await?;
        execute(tx, COMPLETE, &released).await?;
        let expired = lock(tx, EXPIRED, [limit.into(), cutoff.into()]).await?;
        execute(tx, REMOVE_ACKNOWLEDGEMENTS, &expired).await?;
        execute(tx, REMOVE_ERASURES, &expired).await?;
        raw_sql::execute(tx, REMOVE_CONSUMERS, [cutoff.into()]).await?;
        Ok(Purged {
            removed: u64::try_from(expired.len()).unwrap_or(u64::MAX),
            // A batch of owed acknowledgements has fewer users than rows.
            has_more: !released.is_empty() || expired.len() == usize::from(Purged::MAX_BATCH),
        })
    })
    .await
}

/// Locks rows of `erasures`, except those that another transaction has locked, and returns their users.
async fn lock<const N: usize>(
    tx: &Transaction,
    select: &str,
    values: [Value; N],
) -> Result<Vec<UserId>, OperationError> {
    let sql = format!("{select} {}", Dialect::of(tx).for_update_skip_locked());
    let rows = raw_sql::query(tx, sql, values).await?;
    let users = rows.iter().map(|row| row.try_get("", "user_id"));
    let users: Result<Vec<_>, _> = users.collect();
    Ok(users?.into_iter().map(UserId::from_uuid).collect())
}

/// Executes a statement with a list of users.
async fn execute(tx: &Transaction, sql: &str, users: &[UserId]) -> Result<(), OperationError> {
    if users.is_empty() {
        return Ok(());
    }
    let sql = sql.replace("{list}", &list_params::id_table(tx));
    raw_sql::execute(tx, sql, [list_params::id_list(users.iter().copied())]).await?;
    Ok(())
}

const OWED_BY_REMOVED: &str = "
    SELECT user_id FROM erasures WHERE user_id IN (
        SELECT a.user_id FROM erasure_consumers AS c
        JOIN erasure_acks AS a ON a.consumer_id = c.id AND a.acked_at IS NULL
        WHERE c.removed_at IS NOT NULL
        LIMIT $1
    ) ORDER BY user_id";

const REMOVE_OWED: &str = "
    DELETE FROM erasure_acks
    WHERE user_id IN (SELECT g.id FROM {list}) AND acked_at IS NULL
        AND consumer_id IN (SELECT id FROM erasure_consumers WHERE removed_at IS NOT NULL)";

/// The time of the latest removal is at least as late as that of the removal that completed the erasure.
const COMPLETE: &str = "
    UPDATE erasures SET completed_at = (SELECT max(removed_at) FROM erasure_consumers)
    WHERE user_id IN (SELECT g.id FROM {list}) AND completed_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM erasure_acks AS a WHERE a.user_id = erasures.user_id AND a.acked_at IS NULL
    )";

const EXPIRED: &str = "
    SELECT user_id FROM erasures WHERE completed_at <= $2 ORDER BY completed_at LIMIT $1";

const REMOVE_ACKNOWLEDGEMENTS: &str =
    "DELETE FROM erasure_acks WHERE user_id IN (SELECT g.id FROM {list})";

const REMOVE_ERASURES: &str = "DELETE FROM erasures WHERE user_id IN (SELECT g.id FROM {list})";

/// A removed consumer is kept for as long as an erasure, and until nothing that it owed is left.
const REMOVE_CONSUMERS: &str = "
    DELETE FROM erasure_consumers WHERE removed_at <= $1 AND NOT EXISTS (
        SELECT 1 FROM erasure_acks AS a WHERE a.consumer_id = erasure_consumers.id AND a.acked_at IS NULL
    )";
