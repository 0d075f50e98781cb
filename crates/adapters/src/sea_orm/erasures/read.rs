//! Reads erasures and their acknowledgements.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use user_domain::erasure::{Confirmation, Erasure, ErasureReport, PendingSummary};
use user_domain::ports::{ErasureError, ErasurePage, EventPosition};
use user_domain::user::Actor;
use user_domain::values::{ConsumerName, Timestamp, UserId};

use super::consumer_id;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::raw_sql;

/// Returns a page of the erasures that a consumer has not confirmed, with the index of owed acknowledgements.
pub(super) async fn pending(
    db: &impl ConnectionTrait,
    consumer: &ConsumerName,
    after: Option<EventPosition>,
    limit: u16,
) -> Result<ErasurePage, OperationError> {
    let consumer_id = consumer_id(db, consumer).await?;
    let page = [
        consumer_id.into(),
        after.map_or(0, EventPosition::get).into(),
        (i64::from(limit) + 1).into(),
    ];
    let rows = raw_sql::query(db, PENDING, page).await?;
    let erasures: Result<_, DbErr> = rows.iter().map(to_erasure).collect();
    Ok(ErasurePage::from_one_more(erasures?, limit))
}

/// Returns an erasure with its confirmations.
pub(super) async fn report(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<ErasureReport, OperationError> {
    let rows = raw_sql::query(db, REPORT, [user.as_uuid().into()]).await?;
    let first = rows.first().ok_or(ErasureError::UnknownErasure)?;
    let mut confirmations = Vec::new();
    for row in &rows {
        // Without any confirmation, there is one row without a consumer.
        if let Some(consumer) = row.try_get::<Option<String>>("", "consumer")? {
            confirmations.push(Confirmation {
                consumer: ConsumerName::from_store(consumer),
                acked_at: time(row, "acked_at")?,
                acked_by: row
                    .try_get::<Option<String>>("", "acked_by")?
                    .map(Actor::from_store),
            });
        }
    }
    Ok(ErasureReport {
        erasure: to_erasure(first)?,
        confirmations,
    })
}

/// Returns the number and the age of the pending erasures of each consumer. It reads at most
/// [`PendingSummary::MAX_COUNTED`] entries of the index for each.
pub(super) async fn summarize_pending(
    db: &impl ConnectionTrait,
) -> Result<Vec<PendingSummary>, OperationError> {
    let most = i64::try_from(PendingSummary::MAX_COUNTED).unwrap_or(i64::MAX);
    let rows = raw_sql::query(db, SUMMARIES, [most.into()]).await?;
    let mut summaries = Vec::with_capacity(rows.len());
    for row in &rows {
        summaries.push(PendingSummary {
            consumer: ConsumerName::from_store(row.try_get("", "name")?),
            pending: u64::try_from(row.try_get::<i64>("", "pending")?).unwrap_or_default(),
            oldest: time(row, "oldest")?,
        });
    }
    Ok(summaries)
}

fn to_erasure(row: &QueryResult) -> Result<Erasure, DbErr> {
    Ok(Erasure {
        user: UserId::from_uuid(row.try_get("", "user_id")?),
        erased_at: Timestamp::from_utc(row.try_get("", "erased_at")?),
        position: EventPosition::from_store(row.try_get("", "event_seq")?),
    })
}

fn time(row: &QueryResult, column: &str) -> Result<Option<Timestamp>, DbErr> {
    let time = row.try_get::<Option<DateTime<Utc>>>("", column)?;
    Ok(time.map(Timestamp::from_utc))
}

const PENDING: &str = "
    SELECT a.user_id, a.event_seq, (SELECT e.erased_at FROM erasures AS e WHERE e.user_id = a.user_id) AS erased_at
    FROM erasure_acks AS a
    WHERE a.consumer_id = $1 AND a.acked_at IS NULL AND a.event_seq > $2
    ORDER BY a.event_seq LIMIT $3";

/// An acknowledgement that a removed consumer owes is left out.
const REPORT: &str = "
    SELECT e.user_id, e.event_seq, e.erased_at, a.consumer, a.acked_at, a.acked_by
    FROM erasures AS e
    LEFT JOIN erasure_acks AS a ON a.user_id = e.user_id AND (
        a.acked_at IS NOT NULL OR EXISTS (
            SELECT 1 FROM erasure_consumers AS c WHERE c.id = a.consumer_id AND c.removed_at IS NULL
        )
    )
    WHERE e.user_id = $1
    ORDER BY a.consumer";

const SUMMARIES: &str = "
    SELECT c.name,
        (SELECT count(*) FROM (
            SELECT 1 FROM erasure_acks AS a WHERE a.consumer_id = c.id AND a.acked_at IS NULL LIMIT $1
        ) AS owed) AS pending,
        (SELECT e.erased_at FROM erasures AS e WHERE e.user_id = (
            SELECT a.user_id FROM erasure_acks AS a
            WHERE a.consumer_id = c.id AND a.acked_at IS NULL ORDER BY a.event_seq LIMIT 1
        )) AS oldest
    FROM erasure_consumers AS c WHERE c.removed_at IS NULL ORDER BY c.name";
