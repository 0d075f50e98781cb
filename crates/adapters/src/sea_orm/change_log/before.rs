//! Reads the outbox backwards.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use user_domain::ports::{EventPosition, PastChanges};
use user_domain::values::Timestamp;

use super::to_changed;
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::raw_sql;

/// Returns the changes of users among the newest events before a position.
pub(in crate::sea_orm) async fn before(
    db: &impl ConnectionTrait,
    position: Option<EventPosition>,
    limit: u16,
) -> Result<PastChanges, OperationError> {
    let sql = Dialect::of(db).choose(POSTGRES, SQLITE);
    let before = position.map_or(i64::MAX, EventPosition::get);
    let values = [before.into(), i64::from(limit).into()];
    Ok(to_past(&raw_sql::query(db, sql, values).await?, limit)?)
}

/// Parses the rows. There is at least one: the outer join returns the summary of the page if no event is about a user.
fn to_past(rows: &[QueryResult], limit: u16) -> Result<PastChanges, DbErr> {
    let mut changed = Vec::with_capacity(rows.len());
    for row in rows {
        changed.extend(to_changed(row)?);
    }
    let (mut latest, mut next) = (None, None);
    if let Some(row) = rows.first() {
        let at: Option<DateTime<Utc>> = row.try_get("", "latest")?;
        let event_count: i64 = row.try_get("", "event_count")?;
        let oldest: Option<i64> = row.try_get("", "oldest")?;
        latest = at.map(Timestamp::from_utc);
        // A full page can be the last one; the next page is then empty.
        next = oldest.filter(|_| event_count == i64::from(limit));
    }
    Ok(PastChanges {
        changed,
        latest,
        next: next.map(EventPosition::from_store),
    })
}

/// The page is read once, backwards by the primary key, and used twice.
const POSTGRES: &str = "
    WITH page AS MATERIALIZED (
        SELECT seq, subject_kind, subject_id, version, type, at FROM events
        WHERE seq < $1 ORDER BY seq DESC LIMIT $2
    )
    SELECT whole.oldest, whole.latest, whole.event_count, page.subject_id, page.version, page.type, page.at
    FROM (SELECT min(seq) AS oldest, max(at) AS latest, count(*) AS event_count FROM page) AS whole
        LEFT JOIN page ON page.subject_kind = 'user'";

const SQLITE: &str = "
    WITH page AS MATERIALIZED (
        SELECT seq, subject_kind, subject_id, version, type, at FROM events
        WHERE seq < ? ORDER BY seq DESC LIMIT ?
    )
    SELECT whole.oldest, whole.latest, whole.event_count, page.subject_id, page.version, page.type, page.at
    FROM (SELECT min(seq) AS oldest, max(at) AS latest, count(*) AS event_count FROM page) AS whole
        LEFT JOIN page ON page.subject_kind = 'user'";
