//! The positions in the outbox, and how a reader notices that the outbox is no longer the one that it has read.

use sea_orm::Value;
use user_domain::ports::{Discontinuity, LogPosition};
use uuid::Uuid;

/// Precedes the last word of a position whose log is not yet known to match the users: the number of polls that found this.
const UNSETTLED: &str = " unsettled/";

/// A PostgreSQL position: the history of the database, a snapshot (`pg_snapshot`) and the newest event.
///
/// The history changes with a restart of the server, and if the outbox is recreated or truncated: a restored database,
/// or a standby that lagged behind, assigns transaction ids again that a reader has already seen.
///
/// Changes that the snapshot did not see are exactly those of later and of open transactions. An open transaction
/// therefore delays no other change, and no change is returned twice.
pub(super) struct PostgresPosition<'a> {
    history: &'a str,
    oldest: u64,
    next: u64,
    open: &'a str,
    last: LastEvent,
    /// The number of polls since the log did not continue, if the users have not matched it since.
    pub(super) unsettled_polls: Option<u32>,
}

/// A SQLite position: the last assigned number, and the newest event.
pub(super) struct SqlitePosition {
    number: i64,
    last: LastEvent,
    /// The number of polls since the log did not continue, if the users have not matched it since.
    pub(super) unsettled_polls: Option<u32>,
}

/// The newest event at a position; number 0 if there was none.
struct LastEvent {
    seq: i64,
    /// Its transaction; 0 on SQLite.
    xid: u64,
    id: Uuid,
}

impl<'a> PostgresPosition<'a> {
    /// Parses a position, which comes from outside this process and may be invalid.
    pub(super) fn parse(position: &'a LogPosition) -> Option<Self> {
        let (text, unsettled_polls) = split_unsettled(position);
        let mut words = text.splitn(3, ' ');
        let (history, snapshot, last) = (words.next()?, words.next()?, words.next()?);
        let mut parts = snapshot.splitn(3, ':');
        let (oldest, next, open) = (parts.next()?, parts.next()?, parts.next()?);
        if !open.is_empty() && !open.split(',').all(|xid| xid.parse::<u64>().is_ok()) {
            return None;
        }
        let (seq, last) = last.split_once('/')?;
        let (xid, id) = last.split_once('/')?;
        Some(Self {
            history,
            oldest: oldest.parse().ok()?,
            next: next.parse().ok()?,
            open,
            last: LastEvent::parse(seq, xid, id)?,
            unsettled_polls,
        })
    }

    /// The parameters of a poll.
    pub(super) fn values(&self) -> Vec<Value> {
        vec![
            self.next.to_string().into(),
            self.open.to_owned().into(),
            self.history.to_owned().into(),
            self.oldest.to_string().into(),
            self.last.seq.into(),
            self.last.id.into(),
            self.last.xid.to_string().into(),
        ]
    }
}

impl SqlitePosition {
    /// Parses a position, which comes from outside this process and may be invalid.
    pub(super) fn parse(position: &LogPosition) -> Option<Self> {
        let (text, unsettled_polls) = split_unsettled(position);
        let (number, last) = text.split_once(' ')?;
        let (seq, id) = last.split_once('/')?;
        Some(Self {
            number: number.parse().ok().filter(|number| *number >= 0)?,
            last: LastEvent::parse(seq, "0", id)?,
            unsettled_polls,
        })
    }

    /// The parameters of a poll.
    pub(super) fn values(&self) -> Vec<Value> {
        vec![
            self.number.into(),
            self.last.seq.into(),
            self.last.id.into(),
        ]
    }
}

impl LastEvent {
    fn parse(seq: &str, xid: &str, id: &str) -> Option<Self> {
        let seq = seq.parse().ok()?;
        let id = if seq == 0 {
            Uuid::nil()
        } else {
            id.parse().ok()?
        };
        Some(Self {
            seq,
            xid: xid.parse().ok()?,
            id,
        })
    }
}

/// Returns the database history of a position. SQLite has none.
pub(crate) fn history(position: &LogPosition) -> &str {
    let mut words = position.as_str().splitn(3, ' ');
    let (first, has_snapshot) = (
        words.next(),
        words.next().is_some_and(|word| word.contains(':')),
    );
    first.filter(|_| has_snapshot).unwrap_or_default()
}

/// Returns the number and the id of the newest event at a PostgreSQL position, if there was one.
pub(super) fn newest_event(position: &LogPosition) -> Option<(i64, String)> {
    let last = PostgresPosition::parse(position)?.last;
    (last.seq > 0).then(|| (last.seq, last.id.to_string()))
}

/// Marks a position as one at which the users do not yet match the log, as this many polls have found.
pub(super) fn unsettled(position: &LogPosition, polls: u32) -> LogPosition {
    LogPosition::from_store(format!("{}{UNSETTLED}{polls}", position.as_str()))
}

fn split_unsettled(position: &LogPosition) -> (&str, Option<u32>) {
    let text = position.as_str();
    text.rsplit_once(UNSETTLED)
        .map_or((text, None), |(text, polls)| {
            (text, Some(polls.parse().unwrap_or(u32::MAX)))
        })
}

/// Returns how the log at the current position differs from the one at a known position, which does not continue there.
pub(super) fn discontinuity(known: &LogPosition, current: &LogPosition) -> Discontinuity {
    let server = |position| {
        history(position)
            .split_once('-')
            .map(|(started, _)| started)
    };
    if server(known) == server(current) {
        Discontinuity::Restore
    } else {
        Discontinuity::Server
    }
}
