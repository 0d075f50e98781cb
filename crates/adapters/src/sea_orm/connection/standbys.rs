//! Standbys that answer reads of many rows, and the rule that decides which of them is recent enough.
//!
//! Each outbox poll of the primary server also returns how far its log was written. A standby answers a read if it has
//! replayed at least what a poll that began within the last second saw, and what the request itself requires. It is
//! asked for its position on the connection of the read, by a statement before the read: positions only grow in one
//! server process, and the snapshot of the read is younger than the answer. See `docs/decisions`, 47.

mod metric_names;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Gauge, counter, gauge};
use sea_orm::{DbErr, Value};
use tokio::time::timeout;
use user_domain::ports::WritePosition;
use user_domain::{ReadContext, StoreError};

use super::admission::{AdmissionControl, Permit};
use super::backoff::Backoff;
use super::pool::{Pool, Transaction, TransactionMode};
use super::read_connection::ReadConnection;
use super::{ACQUIRE_TIMEOUT, PoolOptions, STANDBY_TIMEOUT};
use crate::guards::{Guard, Guards};
use crate::sea_orm::errors::{OperationError, is_transient};
use crate::sea_orm::raw_sql;
pub(super) use metric_names::describe_metrics;
use metric_names::{LAG_BYTES, LAG_SECONDS, ROUTED};

/// The names of the pools of standbys in metrics.
pub(super) const POOL_NAMES: [&str; 8] = [
    "standby-0",
    "standby-1",
    "standby-2",
    "standby-3",
    "standby-4",
    "standby-5",
    "standby-6",
    "standby-7",
];
/// The maximum age of the poll that decides whether a standby is recent enough.
const MAX_POLL_AGE: Duration = Duration::from_secs(1);
/// How long standbys answer reads after the last poll, if the settings name no other time.
const TIME_WITHOUT_PRIMARY: Duration = Duration::from_mins(1);
/// The maximum duration of the query for the position of a standby, with the wait for a connection.
const PROBE_TIMEOUT: Duration = Duration::from_millis(250);

/// The position up to which a standby has replayed; that of a server that is not a standby includes all its commits.
/// Then whether it has the newest event of the poll: a server that has left the history of the primary server, as a
/// former primary does, has not. Then the age of the last replayed commit.
const PROBE: &str = "
    SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END
            - '0/0'::pg_lsn)::bigint AS position,
        $1::bigint = 0 OR (SELECT id::text FROM events WHERE seq = $1::bigint) IS NOT DISTINCT FROM $2 AS has_event,
        extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS age";

/// The standbys of a database.
pub(in crate::sea_orm) struct Standbys {
    servers: Vec<Standby>,
    polls: Mutex<VecDeque<Poll>>,
    primary: Backoff,
    next: AtomicUsize,
    fallbacks: AdmissionControl,
    time_without_primary: Duration,
    guards: Guards,
}

struct Standby {
    pool: Pool,
    /// The last position that was seen, which decides only which standby is asked first.
    seen: Mutex<u64>,
    failures: Backoff,
    lag_bytes: Gauge,
    lag_seconds: Gauge,
}

/// How far the primary server was, as a poll of the outbox saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sea_orm) struct PolledPosition {
    /// The history of the database. Positions of different histories must not be compared.
    pub(in crate::sea_orm) history: String,
    /// The position up to which every commit is covered.
    pub(in crate::sea_orm) writes: WritePosition,
    /// Number and id of the newest event; 0 if there is none.
    pub(in crate::sea_orm) event: (i64, String),
}

/// A completed poll.
#[derive(Debug, Clone)]
struct Poll {
    began: Instant,
    position: PolledPosition,
}

/// Why no standby answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    /// No standby could be asked.
    Unavailable,
    /// The standbys that could be asked lag behind.
    Behind,
    /// A read failed on a standby.
    Failed,
}

impl Standbys {
    /// Creates the standbys with these pools, beside a pool of `reads` connections to the primary server.
    pub(super) fn new(pools: Vec<Pool>, reads: u32, options: &PoolOptions) -> Self {
        let standby = |(index, pool): (usize, Pool)| {
            let index = index.to_string();
            Standby {
                pool,
                seen: Mutex::default(),
                failures: Backoff::default(),
                lag_bytes: gauge!(LAG_BYTES, "standby" => index.clone()),
                lag_seconds: gauge!(LAG_SECONDS, "standby" => index),
            }
        };
        let fallbacks = usize::try_from(reads / 4).unwrap_or_default().max(1);
        Self {
            servers: pools.into_iter().enumerate().map(standby).collect(),
            polls: Mutex::default(),
            primary: Backoff::default(),
            next: AtomicUsize::new(0),
            fallbacks: AdmissionControl::new("standby-fallbacks", fallbacks, ACQUIRE_TIMEOUT),
            time_without_primary: options
                .standby_time_without_primary
                .unwrap_or(TIME_WITHOUT_PRIMARY),
            guards: options.guards,
        }
    }

    pub(super) fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.servers.iter().map(|standby| &standby.pool)
    }

    /// Records a completed poll of the primary server, which began at this time.
    pub(in crate::sea_orm) fn record_poll(&self, began: Instant, position: PolledPosition) {
        self.primary.clear();
        let mut polls = lock(&self.polls);
        if polls
            .back()
            .is_some_and(|last| last.position.history != position.history)
        {
            polls.clear();
        }
        // Polls of several callers may end in another order than they began.
        if polls.back().is_none_or(|last| last.began < began) {
            polls.push_back(Poll { began, position });
        }
        // Those within a second before the newest stay, for reads while the primary server is unavailable.
        while polls
            .front()
            .is_some_and(|poll| poll.began + MAX_POLL_AGE < began)
        {
            polls.pop_front();
        }
    }

    /// Runs a read on a standby, or on the primary server if no standby can answer.
    ///
    /// # Errors
    /// Those of the read, on the server that was asked last.
    pub(in crate::sea_orm) async fn read<T, F>(
        &self,
        on_standby: &impl Fn(Arc<ReadConnection>) -> F,
        on_primary: impl Future<Output = Result<T, OperationError>>,
    ) -> Result<T, OperationError>
    where
        F: Future<Output = Result<T, OperationError>>,
    {
        let reason = match self.required(Instant::now()) {
            Some(poll) => match self.try_standbys(&poll, on_standby).await {
                Ok(answer) => {
                    count("standby", "recent");
                    return answer;
                }
                Err(Refusal::Behind) => "behind",
                Err(Refusal::Unavailable) => "unavailable",
                Err(Refusal::Failed) => "failed",
            },
            None => "no_poll",
        };
        match self.on_primary(on_primary).await {
            Err(error) if reason == "no_poll" && self.primary.is_waiting() => {
                match self.without_primary(on_standby).await {
                    Some(answer) => {
                        if let Some(context) = ReadContext::current() {
                            context.record_read_without_primary();
                        }
                        answer
                    }
                    None => Err(error),
                }
            }
            answer => {
                count("primary", reason);
                answer
            }
        }
    }

    /// Runs a read on a standby because the primary server is unavailable. `None` if no standby may answer it.
    pub(in crate::sea_orm) async fn without_primary<T, F>(
        &self,
        read: &impl Fn(Arc<ReadConnection>) -> F,
    ) -> Option<Result<T, OperationError>>
    where
        F: Future<Output = Result<T, OperationError>>,
    {
        let poll = {
            let polls = lock(&self.polls);
            let age = polls.back()?.began.elapsed();
            if age <= MAX_POLL_AGE || age > self.time_without_primary {
                return None;
            }
            first_covering(polls.iter())?
        };
        let answer = self.try_standbys(&poll, read).await.ok()?;
        count("standby", "without_primary");
        Some(answer)
    }

    /// Runs a read on the primary server. Reads that standbys usually answer leave connections for the other reads.
    async fn on_primary<T>(
        &self,
        read: impl Future<Output = Result<T, OperationError>>,
    ) -> Result<T, OperationError> {
        let unavailable = |cause: &str| StoreError::Unavailable(cause.to_owned());
        if self.primary.is_waiting() {
            return Err(unavailable("the primary server is unavailable").into());
        }
        let _permit: Permit = (self.fallbacks.admit().await)
            .map_err(|_| unavailable("too many reads wait for the primary server"))?;
        let answer = read.await;
        if answer.as_ref().is_err_and(is_unavailable) && self.required(Instant::now()).is_none() {
            self.primary.record_failure();
        }
        answer
    }

    /// Returns the poll that a read relies on; `None` if the last one began more than a second ago.
    fn required(&self, now: Instant) -> Option<Poll> {
        let polls = lock(&self.polls);
        let is_recent = |poll: &&Poll| now.saturating_duration_since(poll.began) <= MAX_POLL_AGE;
        first_covering(polls.iter().filter(is_recent))
    }

    /// Runs a read on the first standby that has reached the poll. A read that a standby cancels, or that finds its
    /// connection lost, is not repeated on another one.
    async fn try_standbys<T, F>(
        &self,
        poll: &Poll,
        read: &impl Fn(Arc<ReadConnection>) -> F,
    ) -> Result<Result<T, OperationError>, Refusal>
    where
        F: Future<Output = Result<T, OperationError>>,
    {
        let at_least = poll.position.writes.max(required_position()).get();
        let mut refusal = Refusal::Unavailable;
        for standby in self.in_order(at_least) {
            // A busy pool is no failure of its server.
            let Ok(Ok(permit)) = timeout(PROBE_TIMEOUT, standby.pool.admit()).await else {
                continue;
            };
            let began = timeout(PROBE_TIMEOUT, standby.begin(permit, poll)).await;
            let Ok(Ok((tx, position))) = began else {
                standby.failures.record_failure();
                continue;
            };
            self.measure(standby, position.as_ref());
            let has_reached = position.is_some_and(|position| position.number >= at_least);
            if !has_reached && self.guards.is_active(Guard::StandbyPosition) {
                let _ = timeout(PROBE_TIMEOUT, tx.commit()).await;
                refusal = refusal.max(Refusal::Behind);
                continue;
            }
            let connection = Arc::new(ReadConnection::Standby(tx));
            return match timeout(STANDBY_TIMEOUT, read(connection.clone())).await {
                Ok(Err(error)) if is_unavailable(&error) => Err(Refusal::Failed),
                Ok(answer) => {
                    // The answer is complete: an error only costs the connection.
                    if let Some(ReadConnection::Standby(tx)) = Arc::into_inner(connection) {
                        let _ = timeout(PROBE_TIMEOUT, tx.commit()).await;
                    }
                    Ok(answer)
                }
                Err(_) => Err(Refusal::Failed),
            };
        }
        Err(refusal)
    }

    /// Returns the standbys that may be asked, in turn. Those come first that were seen to be far enough.
    fn in_order(&self, at_least: u64) -> Vec<&Standby> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.servers.len();
        let turns =
            (0..count).filter_map(|turn| self.servers.get(start.wrapping_add(turn) % count));
        let usable = turns.filter(|standby| !standby.failures.is_waiting());
        let mut ordered: Vec<&Standby> = usable.collect();
        ordered.sort_by_cached_key(|standby| *lock(&standby.seen) < at_least);
        ordered
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges")]
    fn measure(&self, standby: &Standby, position: Option<&ReplayPosition>) {
        let Some(position) = position else {
            return;
        };
        *lock(&standby.seen) = position.number;
        let newest = lock(&self.polls)
            .back()
            .map(|poll| poll.position.writes.get());
        let missing = newest.unwrap_or_default().saturating_sub(position.number);
        standby.lag_bytes.set(missing as f64);
        let age = position.age.filter(|_| missing > 0);
        standby.lag_seconds.set(age.unwrap_or_default());
    }
}

/// How far a standby is.
struct ReplayPosition {
    number: u64,
    /// The age of the last replayed commit, in seconds.
    age: Option<f64>,
}

impl Standby {
    /// Begins a transaction, and returns the position of its server; `None` if that has left the history of the primary
    /// server. The transaction keeps the connection, so that the read runs on the same server.
    async fn begin(
        &self,
        permit: Permit,
        poll: &Poll,
    ) -> Result<(Transaction, Option<ReplayPosition>), DbErr> {
        let tx = self
            .pool
            .begin_admitted(permit, TransactionMode::Read)
            .await?;
        let (number, id) = poll.position.event.clone();
        let rows = raw_sql::query(&tx, PROBE, [Value::from(number), Value::from(id)]).await?;
        let row = rows
            .first()
            .ok_or_else(|| DbErr::Custom("the position query returned no row".to_owned()))?;
        let position: Option<i64> = row.try_get("", "position")?;
        let has_event: bool = row.try_get("", "has_event")?;
        let age = row.try_get("", "age")?;
        let number = position.and_then(|position| u64::try_from(position).ok());
        let position = number.map(|number| ReplayPosition { number, age });
        Ok((tx, position.filter(|_| has_event)))
    }
}

/// The position up to which the reads of the running request see every write.
fn required_position() -> WritePosition {
    ReadContext::current().map_or_else(WritePosition::default, |context| context.at_least())
}

/// Returns the first of these polls that covers what the running request requires, or the last one if none does.
fn first_covering<'a>(polls: impl Iterator<Item = &'a Poll> + Clone) -> Option<Poll> {
    let required = required_position();
    let covering = polls.clone().find(|poll| poll.position.writes >= required);
    covering.or_else(|| polls.last()).cloned()
}

/// Whether another server may answer instead.
fn is_unavailable(error: &OperationError) -> bool {
    match error {
        OperationError::Statement(error) | OperationError::Commit(error) => is_transient(error),
        OperationError::Port(user_domain::write::WriteError::Store(error)) => {
            matches!(error, StoreError::Unavailable(_))
        }
        OperationError::Port(_) | OperationError::Conflict(..) | OperationError::Erasure(_) => {
            false
        }
    }
}

fn count(route: &'static str, reason: &'static str) {
    counter!(ROUTED, "route" => route, "reason" => reason).increment(1);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
