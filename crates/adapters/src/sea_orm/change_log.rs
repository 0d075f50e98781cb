//! Reads the outbox.

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QueryResult, Statement,
};
use user_domain::StoreError;
use user_domain::ports::{Changed, Changes, LogPosition};
use user_domain::service_token::TokenEvent;
use user_domain::user::{Actor, Event, EventKind, SubjectKind};
use user_domain::values::{ServiceTokenId, Timestamp, UserId, Version};

use super::entities::events::{Column, Entity, Model};
use super::{errors, row};

/// Gives the events about one user, oldest first.
pub(super) async fn about(
    db: &impl ConnectionTrait,
    user: UserId,
) -> Result<Vec<Event>, StoreError> {
    let rows = Entity::find()
        .filter(Column::SubjectId.eq(user.as_uuid()))
        .filter(Column::SubjectKind.eq(SubjectKind::User.as_str()))
        .order_by_asc(Column::Seq)
        .all(db)
        .await
        .map_err(|error| errors::store(&error))?;
    rows.into_iter().map(to_event).collect()
}

/// Gives the position now.
pub(super) async fn position(db: &impl ConnectionTrait) -> Result<LogPosition, StoreError> {
    let sql = match db.get_database_backend() {
        DatabaseBackend::Postgres => POSTGRES_POSITION,
        _ => SQLITE_POSITION,
    };
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db
        .query_one_raw(statement)
        .await
        .map_err(|error| errors::store(&error))?
        .ok_or_else(|| StoreError::Internal("the database gave no position".to_owned()))?;
    position_in(&row).map_err(|error| errors::store(&error))
}

/// Gives the changes of users and tokens since a position, and the position now, in one statement: both are of one snapshot.
pub(super) async fn since(
    db: &impl ConnectionTrait,
    position: &LogPosition,
) -> Result<Changes, StoreError> {
    let backend = db.get_database_backend();
    let statement = match backend {
        DatabaseBackend::Postgres => Snapshot::parse(position).map(|snapshot| {
            let values = [
                snapshot.next.to_string().into(),
                snapshot.open.to_owned().into(),
                snapshot.history.to_owned().into(),
                snapshot.oldest.to_string().into(),
            ];
            Statement::from_sql_and_values(backend, POSTGRES_SINCE, values)
        }),
        _ => number(position).map(|seq| {
            let values = [seq.into(), seq.into(), seq.into(), seq.into()];
            Statement::from_sql_and_values(backend, SQLITE_SINCE, values)
        }),
    };
    let Some(statement) = statement else {
        return Ok(Changes {
            changed: Vec::new(),
            tokens: Vec::new(),
            complete: false,
            position: self::position(db).await?,
        });
    };
    let rows = db
        .query_all_raw(statement)
        .await
        .map_err(|error| errors::store(&error))?;
    to_changes(&rows).map_err(|error| errors::store(&error))
}

/// Reads a position of SQLite, which somebody else may have kept and spoilt.
fn number(position: &LogPosition) -> Option<i64> {
    position.as_str().parse().ok().filter(|seq: &i64| *seq >= 0)
}

/// One row at least: the outer join keeps the position when nothing has changed.
fn to_changes(rows: &[QueryResult]) -> Result<Changes, DbErr> {
    let first = rows
        .first()
        .ok_or_else(|| DbErr::Custom("the database gave no position".to_owned()))?;
    let is_behind: bool = first.try_get("", "is_behind")?;
    let (mut changed, mut tokens) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let id: Option<uuid::Uuid> = row.try_get("", "subject_id")?;
        let kind: Option<String> = row.try_get("", "subject_kind")?;
        if kind.as_deref() == Some(TokenEvent::SUBJECT_KIND) {
            tokens.extend(id.map(ServiceTokenId::from_uuid));
            continue;
        }
        let version: Option<i64> = row.try_get("", "version")?;
        let at: Option<DateTime<Utc>> = row.try_get("", "at")?;
        if let (Some(id), Some(version), Some(at)) = (id, version.and_then(Version::from_i64), at) {
            changed.push(Changed {
                id: UserId::from_uuid(id),
                version,
                at: Timestamp::from_utc(at),
            });
        }
    }
    Ok(Changes {
        complete: is_behind && changed.len() + tokens.len() <= Changes::MOST,
        changed,
        tokens,
        position: position_in(first)?,
    })
}

fn position_in(row: &QueryResult) -> Result<LogPosition, DbErr> {
    row.try_get("", "position").map(LogPosition::from_store)
}

/// A snapshot of PostgreSQL: the history of the database that it is of; and, in its own words, the oldest transaction
/// that was open, the next to begin, and those open.
///
/// The history is another after a start of the server and after the outbox was made anew: a restored database, or a
/// standby that lagged behind, counts transactions again that somebody has seen already.
///
/// What the snapshot did not see is exactly what began later or was open, so that neither an open transaction holds the
/// others back nor anything is told twice.
struct Snapshot<'a> {
    history: &'a str,
    oldest: u64,
    next: u64,
    open: &'a str,
}

impl<'a> Snapshot<'a> {
    /// Reads a position, which somebody else may have kept and spoilt.
    fn parse(position: &'a LogPosition) -> Option<Self> {
        let (history, snapshot) = position.as_str().split_once(' ')?;
        let mut parts = snapshot.splitn(3, ':');
        let (oldest, next, open) = (parts.next()?, parts.next()?, parts.next()?);
        if !open.is_empty() && !open.split(',').all(|xid| xid.parse::<u64>().is_ok()) {
            return None;
        }
        Some(Self {
            history,
            oldest: oldest.parse().ok()?,
            next: next.parse().ok()?,
            open,
        })
    }
}

const POSTGRES_POSITION: &str = "
    SELECT extract(epoch FROM pg_postmaster_start_time()) || '-' || 'events'::regclass::oid
        || ' ' || pg_current_snapshot() AS position";

/// What is visible is below the next transaction; told to the planner, and to rows that were restored from elsewhere.
/// Relationships are passed over, but no more than can be in the time that a look has: whoever has to pass over more looks
/// anew from now on, and does not fall behind for ever.
/// A position that had seen everything purged since is behind nothing that is missing.
const POSTGRES_SINCE: &str = "
    SELECT now.history || ' ' || pg_current_snapshot() AS position,
        now.history = $3 AND pg_snapshot_xmax(pg_current_snapshot()) >= $1::text::xid8
            AND (SELECT 1 FROM events WHERE xid >= $1::text::xid8 AND xid < pg_snapshot_xmax(pg_current_snapshot())
                ORDER BY xid LIMIT 1 OFFSET 200000) IS NULL
            AND NOT coalesce(now.purged >= $4::text::xid8 AND now.purged < pg_snapshot_xmax(pg_current_snapshot()), false)
            AS is_behind,
        news.subject_kind, news.subject_id, news.version, news.at
    FROM (
        SELECT extract(epoch FROM pg_postmaster_start_time()) || '-' || 'events'::regclass::oid AS history,
            (SELECT events_purged_to FROM store) AS purged
    ) AS now LEFT JOIN (
        SELECT subject_kind, subject_id, version, at FROM (
            SELECT subject_kind, subject_id, version, at FROM events
            WHERE xid >= $1::text::xid8 AND xid < pg_snapshot_xmax(pg_current_snapshot())
            ORDER BY xid LIMIT 200000
        ) AS latest WHERE subject_kind IN ('user', 'service_token')
        UNION ALL
        SELECT subject_kind, subject_id, version, at FROM events
        WHERE xid = ANY (string_to_array($2, ',')::xid8[]) AND subject_kind IN ('user', 'service_token')
        LIMIT 10001
    ) AS news ON true";

/// The last number that was given, whether or not its event is still kept.
const SQLITE_POSITION: &str = "
    SELECT CAST(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS text) AS position";

const SQLITE_SINCE: &str = "
    WITH last AS (SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS seq)
    SELECT CAST(last.seq AS text) AS position,
        last.seq >= ? AND ? >= last.seq - 200000 AND ? >= coalesce((SELECT events_purged_to FROM store), 0) AS is_behind,
        news.subject_kind, news.subject_id, news.version, news.at
    FROM last LEFT JOIN (
        SELECT subject_kind, subject_id, version, at FROM events
        WHERE seq > ? AND seq > (SELECT seq FROM last) - 200000 AND subject_kind IN ('user', 'service_token') LIMIT 10001
    ) AS news ON true";

fn to_event(row: Model) -> Result<Event, StoreError> {
    let broken = |column: &str| {
        StoreError::Internal(format!(
            "the column {column} of event {} is broken",
            row.seq
        ))
    };
    Ok(Event {
        id: row.id,
        kind: EventKind::from_name(&row.kind).ok_or_else(|| broken("type"))?,
        subject_kind: SubjectKind::from_name(&row.subject_kind)
            .ok_or_else(|| broken("subject_kind"))?,
        subject_id: UserId::from_uuid(row.subject_id),
        version: Version::from_i64(row.version).ok_or_else(|| broken("version"))?,
        changed: row::strings_from_json(&row.changed).ok_or_else(|| broken("changed"))?,
        at: Timestamp::from_utc(row.at),
        actor: Actor::from_store(row.actor),
    })
}
