//! Claims the next batch of users of an audit pass.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use user_domain::ports::CountAuditBatch;
use user_domain::values::{Timestamp, UserId};
use uuid::Uuid;

use crate::sea_orm::connection::Pool;
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{raw_sql, transaction};

/// The most users of one batch.
const MAX_USERS: usize = 200;
/// The most orphans that one query returns.
const MAX_ORPHANS: i64 = 1000;

/// A batch of users, and the range of ids that it covers: after `after`, up to its last user.
pub(super) struct AuditBatch {
    pub(super) users: Vec<UserId>,
    pub(super) has_more: bool,
    after: Option<Uuid>,
}

/// The progress of an audit pass.
struct AuditProgress {
    started_at: Option<DateTime<Utc>>,
    last_id: Option<Uuid>,
}

impl AuditProgress {
    fn is_due(&self, at: Timestamp) -> bool {
        let next =
            |started: DateTime<Utc>| Timestamp::from_utc(started).plus(CountAuditBatch::INTERVAL);
        self.last_id.is_some() || self.started_at.is_none_or(|started| next(started) <= at)
    }
}

/// Whether a batch is due, without blocking a writer.
pub(super) async fn is_due(
    db: &impl ConnectionTrait,
    at: Timestamp,
) -> Result<bool, OperationError> {
    let progress = to_progress(&raw_sql::query(db, PROGRESS, []).await?)?;
    Ok(progress.is_due(at))
}

/// Claims the next batch, or none while the next pass is not due.
pub(super) async fn claim(db: &Pool, at: Timestamp) -> Result<Option<AuditBatch>, OperationError> {
    transaction::run(db, async |tx| write(tx, at).await).await
}

async fn write(
    tx: &impl ConnectionTrait,
    at: Timestamp,
) -> Result<Option<AuditBatch>, OperationError> {
    let lock = Dialect::of(tx).for_update();
    let progress = to_progress(&raw_sql::query(tx, format!("{PROGRESS} {lock}"), []).await?)?;
    if !progress.is_due(at) {
        return Ok(None);
    }
    let AuditProgress {
        started_at,
        last_id,
    } = progress;
    let started_at = match last_id {
        Some(_) => started_at,
        None => Some(at.as_utc()),
    };
    let mut values: Vec<Value> = vec![i64::try_from(MAX_USERS).unwrap_or(i64::MAX).into()];
    let mut condition = "";
    if let Some(last_id) = last_id {
        values.push(last_id.into());
        condition = "WHERE id > $2";
    }
    let sql = format!("SELECT id FROM users {condition} ORDER BY id LIMIT $1");
    let users = to_ids(&raw_sql::query(tx, sql, values).await?)?;
    let has_more = users.len() == MAX_USERS;
    let next = users.last().filter(|_| has_more).map(|last| last.as_uuid());
    raw_sql::execute(tx, STORE_PROGRESS, [started_at.into(), next.into()]).await?;
    Ok(Some(AuditBatch {
        users,
        has_more,
        after: last_id,
    }))
}

/// Finds ids in the range of a batch that have relationships but no user: users that an older release without
/// relationships has erased.
pub(super) async fn find_orphans(
    db: &impl ConnectionTrait,
    batch: &AuditBatch,
) -> Result<Vec<UserId>, OperationError> {
    let mut found = Vec::new();
    for (table, column) in [
        ("follows", "follower_id"),
        ("follows", "target_id"),
        ("blocks", "blocker_id"),
        (NAMED_BLOCKS, "target_id"),
        ("follow_counts", "user_id"),
    ] {
        let (sql, values) = orphans_in(table, column, batch);
        found.extend(to_ids(&raw_sql::query(db, sql, values).await?)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Returns a statement that steps from each user to the next with an index, independent of the number of rows per user.
fn orphans_in(table: &str, column: &str, batch: &AuditBatch) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![MAX_ORPHANS.into()];
    let mut is_first = String::from("true");
    if let Some(after) = batch.after {
        values.push(after.into());
        is_first = format!("t.{column} > ${}", values.len());
    }
    let mut is_in_range = String::from("true");
    if let Some(last) = batch.users.last().filter(|_| batch.has_more) {
        values.push(last.as_uuid().into());
        is_in_range = format!("t.{column} <= ${}", values.len());
    }
    let sql = format!(
        "WITH RECURSIVE s (id) AS (
            SELECT (SELECT t.{column} FROM {table} AS t WHERE {is_first} AND {is_in_range} ORDER BY t.{column} LIMIT 1)
            UNION ALL
            SELECT (SELECT t.{column} FROM {table} AS t WHERE t.{column} > s.id AND {is_in_range} ORDER BY t.{column} LIMIT 1)
            FROM s WHERE s.id IS NOT NULL
        )
        SELECT s.id FROM s
        WHERE s.id IS NOT NULL AND (SELECT 1 FROM users AS u WHERE u.id = s.id) IS NULL
        LIMIT $1"
    );
    (sql, values)
}

fn to_progress(rows: &[QueryResult]) -> Result<AuditProgress, DbErr> {
    let row = rows
        .first()
        .ok_or_else(|| DbErr::Custom("the table recount has no row".to_owned()))?;
    Ok(AuditProgress {
        started_at: row.try_get("", "began_at")?,
        last_id: row.try_get("", "place")?,
    })
}

fn to_ids(rows: &[QueryResult]) -> Result<Vec<UserId>, DbErr> {
    let ids = rows.iter().map(|row| row.try_get::<Uuid>("", "id"));
    ids.map(|id| id.map(UserId::from_uuid)).collect()
}

/// Any id can be blocked; only a stored name shows that there was a user.
const NAMED_BLOCKS: &str = "(SELECT target_id FROM blocks WHERE target_username IS NOT NULL)";

const PROGRESS: &str = "SELECT began_at, place FROM recount WHERE id = 1";

const STORE_PROGRESS: &str = "UPDATE recount SET began_at = $1, place = $2 WHERE id = 1";
