//! Deletes expired records.
//!
//! Rows are deleted by their physical places, which the same statement has found, so that no row is searched twice. On
//! PostgreSQL locked rows are skipped. A row that is renewed concurrently stays, since its lock checks the condition
//! again.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, Value};
use user_domain::ports::{EventPosition, Purged, Records};
use user_domain::user::EventKind;
use user_domain::values::{Timestamp, UserId};

use crate::sea_orm::connection::Pool;
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::errors::OperationError;
use crate::sea_orm::{erased_ids, erasures, event_feed, raw_sql, transaction};

/// How often a purge of events looks for a moment at which the frontier of the feed is known: about a second.
const MAX_LOOKS: u32 = 50;

/// Deletes one batch.
pub(crate) async fn purge(
    db: &Pool,
    records: Records,
    at: Timestamp,
) -> Result<Purged, OperationError> {
    let cutoff = records.cutoff(at).as_utc();
    let removed = match records {
        Records::Events => purge_events(db, cutoff).await?,
        Records::IdempotencyKeys => purge_rows(db, IDEMPOTENCY_KEYS, cutoff).await?,
        Records::Usernames => purge_rows(db, USERNAMES, cutoff).await?,
        Records::LoginAttempts => purge_rows(db, LOGIN_ATTEMPTS, cutoff).await?,
        Records::Erasures => return erasures::purge(db, cutoff).await,
    };
    Ok(Purged {
        removed,
        // Events are not exactly ordered by time, so a batch with few deletions does not prove that none is left.
        has_more: match records {
            Records::Events => removed > 0,
            Records::IdempotencyKeys
            | Records::Usernames
            | Records::LoginAttempts
            | Records::Erasures => removed == u64::from(Purged::MAX_BATCH),
        },
    })
}

/// A statement for each database. Its parameters are the cutoff and the maximum number of rows.
struct DialectSql {
    postgres: &'static str,
    sqlite: &'static str,
}

impl DialectSql {
    fn on(&self, db: &impl ConnectionTrait) -> &'static str {
        Dialect::of(db).choose(self.postgres, self.sqlite)
    }
}

fn parameters(cutoff: DateTime<Utc>) -> [Value; 2] {
    [cutoff.into(), i64::from(Purged::MAX_BATCH).into()]
}

async fn purge_rows(
    db: &Pool,
    sql: DialectSql,
    cutoff: DateTime<Utc>,
) -> Result<u64, OperationError> {
    transaction::run(db, async |tx| {
        let purged = raw_sql::execute(tx, sql.on(tx), parameters(cutoff)).await?;
        Ok(purged.rows_affected())
    })
    .await
}

/// Deletes events and stores how far, in one transaction: a reader of the outbox sees both or neither.
///
/// Events past the frontier of the event feed are kept. Otherwise an event that becomes visible later would be before a
/// purged one, and no reader would receive it.
async fn purge_events(db: &Pool, cutoff: DateTime<Utc>) -> Result<u64, OperationError> {
    let Some(frontier) = event_feed::find_frontier(db, MAX_LOOKS)
        .await?
        .map(|found| found.at)
    else {
        tracing::warn!(
            "events are kept: a transaction that writes to the table events does not end"
        );
        return Ok(0);
    };
    transaction::run(db, async |tx| {
        let (count, erased) = delete_events(tx, cutoff, frontier).await?;
        erased_ids::insert_ids(tx, erased).await?;
        Ok(count)
    })
    .await
}

/// Deletes events. Returns their number, and the users of deleted erasure events.
async fn delete_events(
    tx: &impl ConnectionTrait,
    cutoff: DateTime<Utc>,
    frontier: EventPosition,
) -> Result<(u64, Vec<UserId>), DbErr> {
    let [cutoff, limit] = parameters(cutoff);
    let values = [cutoff, limit, frontier.get().into()];
    let rows = raw_sql::query(tx, EVENTS.on(tx), values).await?;
    let (mut last, mut last_seq): (Option<i64>, Option<i64>) = (None, None);
    let mut erased = Vec::new();
    for row in &rows {
        last = last.max(row.try_get("", "mark")?);
        last_seq = last_seq.max(row.try_get("", "seq")?);
        if row.try_get::<String>("", "kind")? == EventKind::Erased.as_str() {
            erased.push(UserId::from_uuid(row.try_get("", "subject_id")?));
        }
    }
    if let Some(last) = last {
        let (sql, values) = match Dialect::of(tx) {
            Dialect::Postgres => (POSTGRES_STORE_MARK, vec![last.to_string().into()]),
            Dialect::Sqlite => (SQLITE_STORE_MARK, vec![last.into(), last.into()]),
        };
        raw_sql::execute(tx, sql, values).await?;
    }
    if let Some(last) = last_seq {
        raw_sql::execute(tx, STORE_PURGED_SEQ, [last.into()]).await?;
    }
    Ok((u64::try_from(rows.len()).unwrap_or(u64::MAX), erased))
}

/// Reads only the oldest events by sequence number, which grows with time. A purge without expired events is therefore
/// cheap, and the outbox needs no index on its times. An expired event after younger ones waits until those expire.
///
/// `mark` is the value that positions in the outbox are compared with. A transaction id in the future belongs to
/// another database from which the rows were restored.
const EVENTS: DialectSql = DialectSql {
    postgres: "
        DELETE FROM events WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM events
            WHERE at <= $1 AND seq <= $3
                AND seq <= (SELECT max(seq) FROM (SELECT seq FROM events ORDER BY seq LIMIT $2) AS oldest)
            ORDER BY seq FOR UPDATE SKIP LOCKED
        ))
        RETURNING CASE WHEN xid < pg_snapshot_xmax(pg_current_snapshot()) THEN xid::text::bigint END AS mark,
            seq, type AS kind, subject_id",
    sqlite: "
        DELETE FROM events
        WHERE at <= $1 AND seq <= $3 AND seq IN (SELECT seq FROM events ORDER BY seq LIMIT $2)
        RETURNING seq AS mark, seq, type AS kind, subject_id",
};

const POSTGRES_STORE_MARK: &str = "
    UPDATE store SET events_purged_to = $1::text::xid8
    WHERE events_purged_to IS NULL OR events_purged_to < $1::text::xid8
        OR events_purged_to >= pg_snapshot_xmax(pg_current_snapshot())";

const SQLITE_STORE_MARK: &str =
    "UPDATE store SET events_purged_to = ? WHERE coalesce(events_purged_to, 0) < ?";

const STORE_PURGED_SEQ: &str =
    "UPDATE store SET events_purged_seq = $1 WHERE coalesce(events_purged_seq, 0) < $1";

const IDEMPOTENCY_KEYS: DialectSql = DialectSql {
    postgres: "
        DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM idempotency_keys WHERE created_at <= $1
            ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ))",
    sqlite: "
        DELETE FROM idempotency_keys WHERE rowid IN (
            SELECT rowid FROM idempotency_keys WHERE created_at <= ? ORDER BY created_at LIMIT ?
        )",
};

const USERNAMES: DialectSql = DialectSql {
    postgres: "
        DELETE FROM released_usernames WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM released_usernames WHERE released_at <= $1
            ORDER BY released_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ))",
    sqlite: "
        DELETE FROM released_usernames WHERE rowid IN (
            SELECT rowid FROM released_usernames WHERE released_at <= ? ORDER BY released_at LIMIT ?
        )",
};

/// Each row stores its own expiry time.
const LOGIN_ATTEMPTS: DialectSql = DialectSql {
    postgres: "
        DELETE FROM login_attempts WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM login_attempts WHERE forgotten_at <= $1
            ORDER BY forgotten_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ))",
    sqlite: "
        DELETE FROM login_attempts WHERE rowid IN (
            SELECT rowid FROM login_attempts WHERE forgotten_at <= ? ORDER BY forgotten_at LIMIT ?
        )",
};
