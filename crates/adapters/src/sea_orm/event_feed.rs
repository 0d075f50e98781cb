//! Reads the outbox as the event feed.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult as _, QueryResult, Value};
use user_domain::StoreError;
use user_domain::event_frontier::FrontierTracker;
use user_domain::ports::{
    EventFeed, EventPosition, FeedError, FeedEvent, FeedLook, FeedPage, FeedPosition, FeedRequest,
    FeedStart, Frontier,
};
use uuid::Uuid;

use super::change_log::to_user_event;
use super::connection::Pool;
use super::dialect::{Dialect, postgres_history};
use super::entities::events::Model;
use super::errors::OperationError;
use super::{SeaOrmUsers, raw_sql};
use crate::guards::Guard;

#[async_trait]
impl EventFeed for SeaOrmUsers {
    async fn look(&self, settled: Option<Frontier>) -> Result<FeedLook, StoreError> {
        let work = look(&self.connections.outbox, settled);
        self.timed("look_at_feed", work).await
    }

    async fn page(&self, request: &FeedRequest) -> Result<FeedPage, FeedError> {
        let work = async {
            let _permit = self.admit_listing().await?;
            // On the primary: a standby may not have all events up to the frontier yet.
            page(&self.connections.reads, request).await
        };
        let page: Result<_, StoreError> = self.timed("read_feed", work).await;
        page?
    }
}

/// Returns the newest visible event, and then the open writes.
///
/// These are two statements in this order, outside a transaction, and the events are read by a third one later. A write
/// that drew a smaller number than the newest event locked the table before the second statement, and a transaction
/// releases its locks after it has become visible. One statement would take its snapshot before it looks at the locks.
pub(super) async fn look(db: &Pool, settled: Option<Frontier>) -> Result<FeedLook, OperationError> {
    let dialect = Dialect::of(db);
    let row = raw_sql::query_one(db, dialect.choose(POSTGRES_LAST, SQLITE_LAST))
        .await?
        .ok_or_else(no_store)?;
    let mut look = FeedLook {
        newest: Frontier {
            history: row.try_get("", "history")?,
            at: EventPosition::from_store(row.try_get("", "last")?),
            event: row.try_get("", "event")?,
        },
        open_writes: HashSet::new(),
    };
    // SQLite has one writer at a time, which draws its numbers in the order of the commits.
    let is_fenced = dialect == Dialect::Postgres && db.is_guarded(Guard::FeedFence);
    if is_fenced && settled.as_ref() != Some(&look.newest) {
        for row in raw_sql::query(db, POSTGRES_OPEN_WRITES, []).await? {
            look.open_writes.insert(row.try_get("", "write")?);
        }
    }
    Ok(look)
}

/// Returns the frontier, once it is known. Looks at most `max_looks` times.
pub(super) async fn find_frontier(
    db: &Pool,
    max_looks: u32,
) -> Result<Option<Frontier>, OperationError> {
    let mut tracker = FrontierTracker::default();
    for number in 0..max_looks {
        tracker.observe(look(db, None).await?, LOOK_INTERVAL * number);
        if tracker.settled().is_some() {
            break;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Ok(tracker.settled().cloned())
}

/// Reads a page. A position that cannot be continued is an inner error, because the store did not fail.
async fn page(
    db: &Pool,
    request: &FeedRequest,
) -> Result<Result<FeedPage, FeedError>, OperationError> {
    if request.start == FeedStart::Newest {
        return Ok(Ok(newest(db, &request.until).await?));
    }
    let limit = i64::from(request.limit);
    let kinds: Vec<&str> = request.kinds.iter().map(|kind| kind.as_str()).collect();
    let start = match request.start {
        FeedStart::After(position) => position.at,
        FeedStart::Oldest | FeedStart::Newest => EventPosition::from_store(0),
    };
    let mut values: Vec<Value> = vec![
        start.get().into(),
        request.until.at.get().into(),
        format!(",{},", kinds.join(",")).into(),
        (limit + 1).into(),
    ];
    values.extend(request.subject.map(|subject| subject.as_uuid().into()));
    let rows = raw_sql::query(
        db,
        page_sql(Dialect::of(db), request.subject.is_some()),
        values,
    )
    .await?;
    let first = rows.first().ok_or_else(no_store)?;
    let (store, purged) = store_in(first)?;
    if let FeedStart::After(position) = request.start
        && let Err(error) = position.check(store, purged, first.try_get("", "start_event")?)
    {
        return Ok(Err(error));
    }
    check_frontier(first, &request.until, purged)?;
    let mut events = Vec::with_capacity(rows.len());
    let mut last = None;
    for row in &rows {
        if row.try_get::<Option<i64>>("", "seq")?.is_none() {
            continue;
        }
        if events.len() == usize::from(request.limit) {
            let end = last.map_or(start, |(at, _)| at);
            let event = last.map(|(_, event)| event);
            return Ok(Ok(FeedPage {
                events,
                end: FeedPosition::after(store, end, event),
                has_more: true,
            }));
        }
        let event = Model::from_query_result(row, "")?;
        let at = EventPosition::from_store(event.seq);
        last = Some((at, event.id));
        let event = to_user_event(event)?;
        events.push(FeedEvent { at, event });
    }
    let scanned_to: Option<i64> = first.try_get("", "scanned_to")?;
    let end = match (scanned_to, request.start) {
        (Some(seq), _) => FeedPosition::after(
            store,
            EventPosition::from_store(seq),
            first.try_get("", "scanned_event")?,
        ),
        (None, FeedStart::After(position)) => position,
        (None, FeedStart::Oldest | FeedStart::Newest) => FeedPosition::after(store, purged, None),
    };
    Ok(Ok(FeedPage {
        events,
        end,
        has_more: first.try_get::<i64>("", "scanned")? == i64::from(FeedRequest::MAX_SCANNED),
    }))
}

/// Returns the empty page after the last event that may be read.
async fn newest(db: &impl ConnectionTrait, until: &Frontier) -> Result<FeedPage, OperationError> {
    let rows = raw_sql::query(db, newest_sql(Dialect::of(db)), [until.at.get().into()]).await?;
    let row = rows.first().ok_or_else(no_store)?;
    let (store, purged) = store_in(row)?;
    check_frontier(row, until, purged)?;
    let seq: Option<i64> = row.try_get("", "seq")?;
    let at = seq.map_or(purged, EventPosition::from_store);
    Ok(FeedPage {
        events: Vec::new(),
        end: if at < purged {
            FeedPosition::after(store, purged, None)
        } else {
            FeedPosition::after(store, at, row.try_get("", "event")?)
        },
        has_more: false,
    })
}

/// Checks that a page belongs to the history of the frontier. Otherwise its events may be followed by events before them:
/// the frontier says nothing about the writes of a database that was restored, or of another server.
fn check_frontier(
    row: &QueryResult,
    until: &Frontier,
    purged: EventPosition,
) -> Result<(), OperationError> {
    let history: String = row.try_get("", "history")?;
    let event: Option<Uuid> = row.try_get("", "until_event")?;
    let is_same = history == until.history && (event == until.event || until.at <= purged);
    if is_same {
        return Ok(());
    }
    let cause = "the frontier of the event feed is of another history";
    Err(StoreError::Unavailable(cause.to_owned()).into())
}

/// Returns the id of the store and its last purged position.
fn store_in(row: &QueryResult) -> Result<(Uuid, EventPosition), OperationError> {
    let id: String = row.try_get("", "store_id")?;
    let id = Uuid::parse_str(&id)
        .map_err(|_| StoreError::Internal("the id of the store is not a UUID".to_owned()))?;
    let purged = EventPosition::from_store(row.try_get("", "purged_seq")?);
    Ok((id, purged))
}

fn no_store() -> DbErr {
    DbErr::Custom("the store has no id".to_owned())
}

/// The time between two looks of [`find_frontier`].
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// `max(seq)` is the newest *visible* event. The value of the sequence would be ahead of it.
const POSTGRES_LAST: &str = concat!(
    "SELECT newest.last, (SELECT id FROM events WHERE seq = newest.last) AS event, ",
    postgres_history!(),
    " AS history FROM (
        SELECT greatest((SELECT max(seq) FROM events), (SELECT events_purged_seq FROM store), 0) AS last
    ) AS newest"
);

const SQLITE_LAST: &str = "
    SELECT newest.last, (SELECT id FROM events WHERE seq = newest.last) AS event, '' AS history FROM (
        SELECT max(coalesce((SELECT max(seq) FROM events), 0), coalesce((SELECT events_purged_seq FROM store), 0)) AS last
    ) AS newest";

fn history_sql(dialect: Dialect) -> &'static str {
    dialect.choose(postgres_history!(), "''")
}

/// The transactions that write events hold this lock until they have ended. On a standby the writers are not known, so
/// the feed cannot be read there.
const POSTGRES_OPEN_WRITES: &str = "
    SELECT virtualtransaction AS write FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted AND relation = 'events'::regclass
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION SELECT 'standby' WHERE pg_is_in_recovery()";

/// Returns the statement of the last event up to the frontier.
fn newest_sql(dialect: Dialect) -> String {
    format!(
        "
        SELECT store.id AS store_id, coalesce(store.events_purged_seq, 0) AS purged_seq, last.seq, last.id AS event,
            {} AS history, (SELECT id FROM events WHERE seq = $1) AS until_event
        FROM store LEFT JOIN (
            SELECT seq, id FROM events WHERE seq <= $1 ORDER BY seq DESC LIMIT 1
        ) AS last ON true",
        history_sql(dialect)
    )
}

/// Returns the statement of a page: one row for each event, or one without an event. One statement reads the events and
/// what was purged from one snapshot.
///
/// The events are scanned only as far as needed. How far a full scan reaches is computed only if it has no more events
/// than the page.
///
/// Events up to the last purged one are not part of the feed. Some may be left, because a replica whose clock was ahead
/// wrote them, and a cursor after one of them would be expired from the start.
fn page_sql(dialect: Dialect, has_subject: bool) -> String {
    let scan = format!(
        "FROM events WHERE seq > $1 AND seq <= $2 AND seq > (SELECT coalesce(events_purged_seq, 0) FROM store)
        ORDER BY seq LIMIT {}",
        FeedRequest::MAX_SCANNED
    );
    let of_subject = if has_subject {
        "AND scan.subject_id = $5"
    } else {
        ""
    };
    format!(
        "
        WITH matching AS (
            SELECT scan.* FROM (
                SELECT seq, id, type, subject_kind, subject_id, object_id, version, internal_changes, changed, actor, at
                {scan}
            ) AS scan WHERE $3 LIKE '%,' || scan.type || ',%' {of_subject} ORDER BY scan.seq LIMIT $4
        ), whole AS (
            SELECT max(scan.seq) AS scanned_to, count(*) AS scanned FROM (SELECT seq {scan}) AS scan
            WHERE (SELECT count(*) FROM matching) < $4
        )
        SELECT store.id AS store_id, coalesce(store.events_purged_seq, 0) AS purged_seq,
            (SELECT id FROM events WHERE seq = $1) AS start_event,
            {} AS history, (SELECT id FROM events WHERE seq = $2) AS until_event,
            whole.scanned_to, whole.scanned, (SELECT id FROM events WHERE seq = whole.scanned_to) AS scanned_event,
            matching.*
        FROM store CROSS JOIN whole LEFT JOIN matching ON true ORDER BY matching.seq",
        history_sql(dialect)
    )
}
