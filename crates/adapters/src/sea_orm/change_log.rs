//! Reads the outbox.

mod before;
mod position;

use std::time::Instant;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QueryResult,
    QuerySelect,
};
use user_domain::StoreError;
use user_domain::ports::{
    ChangeLog, Changed, Changes, EventPage, EventPosition, EventsRequest, LogPosition, PastChanges,
    UserEvent, WritePosition,
};
use user_domain::relationship::{Edge, RelationshipEvent, RelationshipEventKind};
use user_domain::service_token::TokenEvent;
use user_domain::user::{Actor, Event, EventKind, SubjectKind};
use user_domain::values::{Revision, ServiceTokenId, Timestamp, UserId};

use super::connection::{PolledPosition, Pool};
use super::dialect::{Dialect, postgres_history};
use super::entities::events::{Column, Entity, Model};
use super::errors::OperationError;
use super::{SeaOrmUsers, raw_sql, row};
use crate::guards::Guard;
pub(crate) use position::history;
use position::{PostgresPosition, SqlitePosition};

/// The maximum number of polls for which nothing is cached because the users do not match the log. At four polls a second
/// it is an hour; there are more polls while readers with a `Consistency-Token` wait. Rows that were changed by hand never
/// match.
const MAX_UNSETTLED_POLLS: u32 = 14_400;

#[async_trait]
impl ChangeLog for SeaOrmUsers {
    async fn about(&self, request: &EventsRequest) -> Result<EventPage, StoreError> {
        let work = self.routed(true, |db| async move { about(&*db, request).await });
        self.timed("find_events", work).await
    }

    async fn position(&self) -> Result<LogPosition, StoreError> {
        let began = Instant::now();
        let work = position(&self.connections.outbox);
        let (position, polled) = self.timed::<_, StoreError>("find_position", work).await?;
        self.connections.record_poll(began, polled);
        Ok(position)
    }

    async fn since(&self, position: &LogPosition) -> Result<Changes, StoreError> {
        let began = Instant::now();
        let work = since(&self.connections.outbox, position);
        let (changes, polled) = self.timed::<_, StoreError>("follow_outbox", work).await?;
        self.connections.record_poll(began, polled);
        Ok(changes)
    }

    async fn before(
        &self,
        position: Option<EventPosition>,
        limit: u16,
    ) -> Result<PastChanges, StoreError> {
        let work = before::before(&self.connections.outbox, position, limit);
        self.timed("read_past_changes", work).await
    }
}

/// Returns one page of the events about a user, newest first. One more event is read to find out whether there is a
/// next page.
async fn about(
    db: &impl ConnectionTrait,
    request: &EventsRequest,
) -> Result<EventPage, OperationError> {
    let kinds = [SubjectKind::User.as_str(), RelationshipEvent::SUBJECT_KIND];
    let mut select = Entity::find()
        .filter(Column::SubjectId.eq(request.user.as_uuid()))
        .filter(Column::SubjectKind.is_in(kinds))
        .order_by_desc(Column::Seq)
        .limit(u64::from(request.limit) + 1);
    if let Some(before) = request.before {
        select = select.filter(Column::Seq.lt(before.get()));
    }
    let mut rows = select.all(db).await?;
    let limit = usize::from(request.limit);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| has_more);
    let next = last.map(|last| EventPosition::from_store(last.seq));
    let events = rows.into_iter().map(to_user_event);
    Ok(EventPage {
        events: events.collect::<Result<_, _>>()?,
        next,
    })
}

/// Returns the current position.
async fn position(
    db: &impl ConnectionTrait,
) -> Result<(LogPosition, Option<PolledPosition>), OperationError> {
    let sql = Dialect::of(db).choose(POSTGRES_POSITION, SQLITE_POSITION);
    let row = raw_sql::query_one(db, sql)
        .await?
        .ok_or_else(|| StoreError::Internal("the position query returned no row".to_owned()))?;
    Ok((position_in(&row)?, polled_in(&row)?))
}

/// Returns a position that covers every commit before the call.
pub(super) async fn write_position(
    db: &impl ConnectionTrait,
) -> Result<WritePosition, OperationError> {
    let (_, polled) = position(db).await?;
    let standby = || StoreError::Unavailable("the server is a standby".to_owned());
    Ok(polled.ok_or_else(standby)?.writes)
}

/// Returns the changes of users and tokens since a position, and the current position. One statement reads both from
/// one snapshot.
///
/// After a log that does not continue, the answer stays incomplete until the users match the log: a restore may fill the
/// tables one after the other.
async fn since(
    db: &Pool,
    position: &LogPosition,
) -> Result<(Changes, Option<PolledPosition>), OperationError> {
    let statement = match Dialect::of(db) {
        Dialect::Postgres => PostgresPosition::parse(position)
            .map(|known| (POSTGRES_SINCE, known.values(), known.unsettled_polls)),
        Dialect::Sqlite => SqlitePosition::parse(position)
            .map(|known| (SQLITE_SINCE, known.values(), known.unsettled_polls)),
    };
    let Some((sql, values, unsettled_polls)) = statement else {
        let (position, polled) = self::position(db).await?;
        let changes = Changes {
            changed: Vec::new(),
            tokens: Vec::new(),
            complete: false,
            discontinuity: None,
            position,
        };
        return Ok((changes, polled));
    };
    let rows = raw_sql::query(db, sql, values).await?;
    let polled = rows.first().map(polled_in).transpose()?.flatten();
    let (mut changes, is_same_log) = to_changes(&rows)?;
    if (is_same_log && unsettled_polls.is_none()) || !db.is_guarded(Guard::LogContinuity) {
        return Ok((changes, polled));
    }
    if !is_same_log {
        changes.discontinuity = Some(position::discontinuity(position, &changes.position));
    }
    changes.complete = false;
    let polls = unsettled_polls.filter(|_| is_same_log).unwrap_or(0);
    if is_settled(db).await? {
        return Ok((changes, polled));
    }
    if polls < MAX_UNSETTLED_POLLS {
        changes.position = position::unsettled(&changes.position, polls + 1);
    } else {
        tracing::error!(
            "users still do not match the outbox after a restore; they are cached again"
        );
    }
    Ok((changes, polled))
}

/// Whether the users are those that the newest events describe. A restore is not finished before.
async fn is_settled(db: &Pool) -> Result<bool, OperationError> {
    let row = raw_sql::query_one(db, IS_SETTLED)
        .await?
        .ok_or_else(|| StoreError::Internal("the settled query returned no row".to_owned()))?;
    Ok(row.try_get("", "is_settled")?)
}

/// Parses the rows. There is at least one: the outer join returns the position if nothing has changed.
///
/// Returns also whether the log continues the one that the position belongs to.
fn to_changes(rows: &[QueryResult]) -> Result<(Changes, bool), DbErr> {
    let first = rows
        .first()
        .ok_or_else(|| DbErr::Custom("the position query returned no row".to_owned()))?;
    let is_continuous: bool = first.try_get("", "is_continuous")?;
    let is_same_log: bool = first.try_get("", "is_same_log")?;
    let (mut changed, mut tokens) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in rows {
        let id: Option<uuid::Uuid> = row.try_get("", "subject_id")?;
        let kind: Option<String> = row.try_get("", "subject_kind")?;
        if kind.as_deref() == Some(TokenEvent::SUBJECT_KIND) {
            tokens.extend(id.map(ServiceTokenId::from_uuid));
            continue;
        }
        changed.extend(to_changed(row)?);
    }
    let all = Changes {
        complete: is_continuous && changed.len() + tokens.len() <= Changes::MAX_CHANGES,
        changed,
        tokens,
        discontinuity: None,
        position: position_in(first)?,
    };
    Ok((all, is_same_log))
}

/// Parses the change of a user, if the row has one.
fn to_changed(row: &QueryResult) -> Result<Option<Changed>, DbErr> {
    let id: Option<uuid::Uuid> = row.try_get("", "subject_id")?;
    let revision: Option<i64> = row.try_get("", "version")?;
    let kind: Option<String> = row.try_get("", "type")?;
    let at: Option<DateTime<Utc>> = row.try_get("", "at")?;
    let (Some(id), Some(revision), Some(at)) = (id, revision.and_then(Revision::from_i64), at)
    else {
        return Ok(None);
    };
    let kind = kind.as_deref().and_then(EventKind::from_name);
    Ok(Some(Changed {
        id: UserId::from_uuid(id),
        revision,
        kind: kind.unwrap_or(EventKind::Updated),
        at: Timestamp::from_utc(at),
    }))
}

fn position_in(row: &QueryResult) -> Result<LogPosition, DbErr> {
    row.try_get("", "position").map(LogPosition::from_store)
}

/// Returns how far the log of a primary server was written; `None` on a standby and on SQLite.
fn polled_in(row: &QueryResult) -> Result<Option<PolledPosition>, DbErr> {
    let writes: Option<i64> = row.try_get("", "written_to")?;
    let Some(writes) = writes.and_then(|writes| u64::try_from(writes).ok()) else {
        return Ok(None);
    };
    let position = position_in(row)?;
    Ok(Some(PolledPosition {
        history: history(&position).to_owned(),
        writes: WritePosition::from_store(writes),
        event: position::newest_event(&position).unwrap_or_default(),
    }))
}

/// How far the log of the server is written; none on a standby.
///
/// The position is read after the snapshot of the statement, so it covers all commits that the snapshot sees. A commit is
/// flushed before it is visible, except with `synchronous_commit = off`. What is flushed is what standbys receive. The
/// insert position of an idle server may stay beyond it for seconds: records that are no commits wait for the next flush.
macro_rules! written_to {
    () => {
        "(SELECT CASE
            WHEN pg_is_in_recovery() THEN NULL
            WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
            ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::bigint AS written_to"
    };
}

const POSTGRES_POSITION: &str = concat!(
    "SELECT ",
    postgres_history!(),
    "   || ' ' || pg_current_snapshot() || ' '
        || coalesce((SELECT seq || '/' || coalesce(xid::text, '0') || '/' || id FROM events ORDER BY seq DESC LIMIT 1), '0/0/')
        AS position, ",
    written_to!()
);

/// The upper bound on `xid` helps the planner, and excludes rows that were restored from another database.
///
/// Events about relationships are skipped, but at most 200,000 rows are read, which fit into the timeout of a poll. A
/// position with more rows is not continuous: its reader starts again at the current position, and does not lag
/// forever. A position is also not continuous if events that it has not seen were purged.
///
/// The log is the same as long as its last event is still there or was purged, and no event after it is one that the
/// snapshot must have seen. Restored rows keep their transaction ids.
const POSTGRES_SINCE: &str = concat!(
    "
    SELECT ",
    written_to!(),
    ", now.history || ' ' || pg_current_snapshot() || ' ' || now.last AS position,
        now.history = $3 AND pg_snapshot_xmax(pg_current_snapshot()) >= $1::text::xid8
            AND ($5 = 0 OR EXISTS (SELECT 1 FROM events WHERE seq = $5 AND id = $6)
                OR coalesce(now.purged >= $7::text::xid8 AND now.purged < pg_snapshot_xmax(pg_current_snapshot()), false))
            AND NOT EXISTS (
                SELECT 1 FROM (SELECT xid FROM events WHERE seq > $5 ORDER BY seq LIMIT 200000) AS later
                WHERE later.xid < $1::text::xid8 AND NOT later.xid = ANY (string_to_array($2, ',')::xid8[])
                    OR later.xid >= pg_snapshot_xmax(pg_current_snapshot()))
            AS is_same_log,
        (SELECT 1 FROM events WHERE xid >= $1::text::xid8 AND xid < pg_snapshot_xmax(pg_current_snapshot())
                ORDER BY xid LIMIT 1 OFFSET 200000) IS NULL
            AND NOT coalesce(now.purged >= $4::text::xid8 AND now.purged < pg_snapshot_xmax(pg_current_snapshot()), false)
            AS is_continuous,
        changes.subject_kind, changes.subject_id, changes.version, changes.type, changes.at
    FROM (
        SELECT ",
    postgres_history!(),
    "       AS history,
            coalesce((SELECT seq || '/' || coalesce(xid::text, '0') || '/' || id FROM events ORDER BY seq DESC LIMIT 1), '0/0/')
                AS last,
            (SELECT events_purged_to FROM store) AS purged
    ) AS now LEFT JOIN (
        SELECT subject_kind, subject_id, version, type, at FROM (
            SELECT subject_kind, subject_id, version, type, at FROM events
            WHERE xid >= $1::text::xid8 AND xid < pg_snapshot_xmax(pg_current_snapshot())
            ORDER BY xid LIMIT 200000
        ) AS latest WHERE subject_kind IN ('user', 'service_token')
        UNION ALL
        SELECT subject_kind, subject_id, version, type, at FROM events
        WHERE xid = ANY (string_to_array($2, ',')::xid8[]) AND subject_kind IN ('user', 'service_token')
        LIMIT 10001
    ) AS changes ON true"
);

/// The last assigned sequence number, even if its event was purged, and the newest event.
const SQLITE_POSITION: &str = "
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) || ' '
        || coalesce((SELECT seq || '/' || hex(id) FROM events ORDER BY seq DESC LIMIT 1), '0/') AS position, NULL AS written_to";

const SQLITE_SINCE: &str = "
    WITH last AS (
        SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS seq,
            coalesce((SELECT seq || '/' || hex(id) FROM events ORDER BY seq DESC LIMIT 1), '0/') AS event
    )
    SELECT last.seq || ' ' || last.event AS position, NULL AS written_to,
        last.seq >= $1
            AND ($2 = 0 OR EXISTS (SELECT 1 FROM events WHERE seq = $2 AND id = $3)
                OR coalesce((SELECT events_purged_to FROM store), 0) >= $2)
            AS is_same_log,
        $1 >= last.seq - 200000 AND $1 >= coalesce((SELECT events_purged_to FROM store), 0) AS is_continuous,
        changes.subject_kind, changes.subject_id, changes.version, changes.type, changes.at
    FROM last LEFT JOIN (
        SELECT subject_kind, subject_id, version, type, at FROM events
        WHERE seq > $1 AND seq > (SELECT seq FROM last) - 200000 AND subject_kind IN ('user', 'service_token') LIMIT 10001
    ) AS changes ON true";

/// Each user among the newest events has the revision of its newest event, or was erased. There are no events if all were
/// purged, or no users.
const IS_SETTLED: &str = "
    WITH page AS (SELECT seq, subject_kind, subject_id, version, type FROM events ORDER BY seq DESC LIMIT 1000)
    SELECT (EXISTS (SELECT 1 FROM page) OR EXISTS (SELECT 1 FROM store WHERE events_purged_to IS NOT NULL)
            OR NOT EXISTS (SELECT 1 FROM users))
        AND NOT EXISTS (
        SELECT 1 FROM page LEFT JOIN users ON users.id = page.subject_id
        WHERE page.seq IN (SELECT max(seq) FROM page WHERE subject_kind = 'user' GROUP BY subject_id)
            AND users.version IS DISTINCT FROM CASE WHEN page.type = 'user.erased' THEN NULL ELSE page.version END
    ) AS is_settled";

/// Parses a row about a user or a relationship.
pub(super) fn to_user_event(row: Model) -> Result<UserEvent, StoreError> {
    if row.subject_kind == RelationshipEvent::SUBJECT_KIND {
        to_relationship_event(row).map(UserEvent::Relationship)
    } else {
        to_event(row).map(UserEvent::User)
    }
}

fn to_relationship_event(row: Model) -> Result<RelationshipEvent, StoreError> {
    let invalid = || StoreError::Internal(format!("event {} is invalid", row.seq));
    let from = UserId::from_uuid(row.subject_id);
    let to = row.object_id.map(UserId::from_uuid);
    Ok(RelationshipEvent {
        id: row.id,
        kind: RelationshipEventKind::from_name(&row.kind).ok_or_else(invalid)?,
        edge: to
            .and_then(|to| Edge::between(from, to))
            .ok_or_else(invalid)?,
        at: Timestamp::from_utc(row.at),
        actor: Actor::from_store(row.actor),
    })
}

fn to_event(row: Model) -> Result<Event, StoreError> {
    let invalid = |column: &str| {
        StoreError::Internal(format!("column {column} of event {} is invalid", row.seq))
    };
    let revision = Revision::from_i64(row.revision).ok_or_else(|| invalid("version"))?;
    Ok(Event {
        id: row.id,
        kind: EventKind::from_name(&row.kind).ok_or_else(|| invalid("type"))?,
        subject_kind: SubjectKind::from_name(&row.subject_kind)
            .ok_or_else(|| invalid("subject_kind"))?,
        subject_id: UserId::from_uuid(row.subject_id),
        revision,
        version: revision
            .version_after(row.internal_changes)
            .ok_or_else(|| invalid("internal_changes"))?,
        changed: row::strings_from_json(&row.changed).ok_or_else(|| invalid("changed"))?,
        at: Timestamp::from_utc(row.at),
        actor: Actor::from_store(row.actor),
    })
}
