//! Removes records whose time is over.
//!
//! Rows are removed by their places, found just before in the same statement: none is looked for a second time. On
//! PostgreSQL those that somebody holds are passed over; whoever takes a record over meanwhile keeps it, since the
//! condition is looked at again when the row is locked.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};
use user_domain::StoreError;
use user_domain::ports::{Purged, Records};
use user_domain::values::Timestamp;
use user_domain::write::WriteError;

use crate::sea_orm::pool::Pool;
use crate::sea_orm::{errors, transaction};

/// Removes one batch.
pub(crate) async fn purge(
    db: &Pool,
    records: Records,
    at: Timestamp,
) -> Result<Purged, StoreError> {
    let cutoff = records.cutoff(at).as_utc();
    let removed = match records {
        Records::Events => purge_events(db, cutoff).await,
        Records::IdempotencyKeys => purge_rows(db, IDEMPOTENCY_KEYS, cutoff).await,
        Records::Usernames => purge_rows(db, USERNAMES, cutoff).await,
        Records::LoginAttempts => purge_rows(db, LOGIN_ATTEMPTS, cutoff).await,
    };
    let removed = removed.map_err(errors::unrefused)?;
    Ok(Purged {
        removed,
        // Of the oldest events some may be younger than others behind them.
        has_more: match records {
            Records::Events => removed > 0,
            Records::IdempotencyKeys | Records::Usernames | Records::LoginAttempts => {
                removed == u64::from(Purged::MOST)
            }
        },
    })
}

/// A statement in the words of each database.
struct Words {
    postgres: &'static str,
    sqlite: &'static str,
}

impl Words {
    fn statement(&self, backend: DatabaseBackend, cutoff: DateTime<Utc>) -> Statement {
        let sql = match backend {
            DatabaseBackend::Postgres => self.postgres,
            _ => self.sqlite,
        };
        let most = i64::from(Purged::MOST);
        Statement::from_sql_and_values(backend, sql, [cutoff.into(), most.into()])
    }
}

async fn purge_rows(db: &Pool, words: Words, cutoff: DateTime<Utc>) -> Result<u64, WriteError> {
    let tx = transaction::begin(db).await?;
    let purged = async {
        tx.execute_raw(words.statement(tx.get_database_backend(), cutoff))
            .await
            .map_err(|error| errors::write(&error))
    };
    let purged = transaction::bounded(purged).await?;
    transaction::commit(tx).await?;
    Ok(purged.rows_affected())
}

/// Removes events, and notes how far, in one transaction: who follows the outbox sees both or neither.
async fn purge_events(db: &Pool, cutoff: DateTime<Utc>) -> Result<u64, WriteError> {
    let tx = transaction::begin(db).await?;
    let purged = async {
        let removed = remove_events(&tx, cutoff).await;
        removed.map_err(|error| errors::write(&error))
    };
    let purged = transaction::bounded(purged).await?;
    transaction::commit(tx).await?;
    Ok(purged)
}

async fn remove_events(tx: &impl ConnectionTrait, cutoff: DateTime<Utc>) -> Result<u64, DbErr> {
    let backend = tx.get_database_backend();
    let rows = tx.query_all_raw(EVENTS.statement(backend, cutoff)).await?;
    let mut last: Option<i64> = None;
    for row in &rows {
        last = last.max(row.try_get("", "mark")?);
    }
    if let Some(last) = last {
        let note = match backend {
            DatabaseBackend::Postgres => {
                Statement::from_sql_and_values(backend, POSTGRES_NOTE, [last.to_string().into()])
            }
            _ => Statement::from_sql_and_values(backend, SQLITE_NOTE, [last.into(), last.into()]),
        };
        tx.execute_raw(note).await?;
    }
    Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
}

/// Looks at the oldest events only, by their numbers, which grow with time: where nothing is due nothing is walked, and
/// the outbox needs no index on its times. What stands between younger ones waits for them.
///
/// What is marked is what the tail goes by. A transaction that lies ahead is none of this database's, which was restored
/// from elsewhere.
const EVENTS: Words = Words {
    postgres: "
        DELETE FROM events WHERE ctid = ANY (ARRAY (
            SELECT ctid FROM events
            WHERE at <= $1
                AND seq <= (SELECT max(seq) FROM (SELECT seq FROM events ORDER BY seq LIMIT $2) AS oldest)
            ORDER BY seq FOR UPDATE SKIP LOCKED
        ))
        RETURNING CASE WHEN xid < pg_snapshot_xmax(pg_current_snapshot()) THEN xid::text::bigint END AS mark",
    sqlite: "
        DELETE FROM events
        WHERE at <= ? AND seq IN (SELECT seq FROM events ORDER BY seq LIMIT ?)
        RETURNING seq AS mark",
};

const POSTGRES_NOTE: &str = "
    UPDATE store SET events_purged_to = $1::text::xid8
    WHERE events_purged_to IS NULL OR events_purged_to < $1::text::xid8
        OR events_purged_to >= pg_snapshot_xmax(pg_current_snapshot())";

const SQLITE_NOTE: &str =
    "UPDATE store SET events_purged_to = ? WHERE coalesce(events_purged_to, 0) < ?";

const IDEMPOTENCY_KEYS: Words = Words {
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

const USERNAMES: Words = Words {
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

/// Each row names the moment itself.
const LOGIN_ATTEMPTS: Words = Words {
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
