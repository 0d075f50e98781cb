//! Polls the outbox. This invalidation path depends on the database only.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as AsyncMutex, MutexGuard, Notify, mpsc, watch};
use tokio::time::{sleep_until, timeout};
use user_domain::StoreError;
use user_domain::ports::{ChangeLog, Changes, Clock, Discontinuity, LogPosition};
use user_domain::values::{ServiceTokenId, UserId};

use super::TieredUserCache;
use super::freshness::FreshnessTracker;
use super::invalidation::InvalidationTarget as _;
use super::memory::MemoryTier;
use super::meters::Meters;
use super::recent_changes::{BackwardScan, RecentChanges};
use crate::SystemClock;
use crate::failure::failure;

/// The time between the starts of two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The time between the starts of two polls while readers wait for one.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(5);
/// The maximum wait of a reader: that of a poll in progress, and of the next one.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(1);
/// The time limit of a poll. After it, the database counts as unavailable.
const POLL_TIMEOUT: Duration = Duration::from_millis(500);
/// The time between two sweeps, which free the memory of expired entries.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// The maximum number of polls that wait to be applied to Redis. A Redis tier further behind reads the outbox itself.
const MAX_PENDING_CORRECTIONS: usize = 64;

/// The result of a poll, to be applied to the Redis tier.
#[derive(Debug)]
pub(super) struct Correction {
    /// The number of the poll, by which a gap is detected.
    pub(super) number: u64,
    /// The start of the poll.
    pub(super) started: Instant,
    /// The users that changed, with their revisions.
    pub(super) changed: Vec<(UserId, i64)>,
    /// The service tokens that changed.
    pub(super) tokens: Vec<ServiceTokenId>,
    /// Whether no change is missing.
    pub(super) complete: bool,
    /// The position at which the next poll continues.
    pub(super) position: LogPosition,
}

/// The poller of the outbox, with the position that it has reached.
pub(super) struct OutboxPoller {
    position: watch::Sender<Option<LogPosition>>,
    corrections: mpsc::Sender<Correction>,
    received: AsyncMutex<mpsc::Receiver<Correction>>,
    polls: AtomicU64,
    /// Whether the last poll was incomplete.
    is_behind: AtomicBool,
    /// The last discontinuity of the outbox, until a change is read after it.
    discontinuity: Mutex<Option<Discontinuity>>,
    /// The start of the last poll whose changes have been applied to the in-process tier.
    applied: watch::Sender<Option<Instant>>,
    /// Notified if a reader waits for a poll.
    wanted: Notify,
    /// `Some` only with Redis, which may return older state.
    recent: Option<Arc<RecentChanges>>,
    /// The backward scan from the first position.
    scan: AsyncMutex<BackwardScan>,
}

impl Default for OutboxPoller {
    fn default() -> Self {
        let (corrections, received) = mpsc::channel(MAX_PENDING_CORRECTIONS);
        Self {
            position: watch::Sender::new(None),
            corrections,
            received: AsyncMutex::new(received),
            polls: AtomicU64::new(0),
            is_behind: AtomicBool::new(false),
            discontinuity: Mutex::default(),
            applied: watch::Sender::new(None),
            wanted: Notify::new(),
            recent: None,
            scan: AsyncMutex::new(BackwardScan::finished()),
        }
    }
}

impl TieredUserCache {
    /// Waits until the changes of every earlier write have been applied to this cache. Returns false if the database does
    /// not answer.
    pub async fn catch_up(&self) -> bool {
        self.inner.poller.catch_up().await
    }
}

impl OutboxPoller {
    /// Creates a poller that also records the changes that decide which values are accepted from Redis.
    pub(super) fn with_recent_changes(recent: Arc<RecentChanges>) -> Self {
        Self {
            recent: Some(recent),
            ..Self::default()
        }
    }

    /// Polls the outbox for as long as the future is polled.
    pub(super) async fn run(
        &self,
        log: &dyn ChangeLog,
        memory: &MemoryTier,
        freshness: &FreshnessTracker,
        meters: &Meters,
        measure: impl Fn(),
    ) {
        let mut was_reachable = true;
        let mut swept = Instant::now();
        loop {
            let started = Instant::now();
            let polled = timeout(POLL_TIMEOUT, self.poll(log, memory, meters, started)).await;
            match polled {
                Ok(Ok(())) => {
                    freshness.record_poll(started);
                    self.applied.send_replace(Some(started));
                    was_reachable = true;
                }
                failed => {
                    freshness.record_poll_failure();
                    if was_reachable {
                        let cause = failure(failed);
                        tracing::warn!(cause, "outbox poll failed");
                    }
                    was_reachable = false;
                }
            }
            meters
                .poll_age
                .set(freshness.poll_age(Instant::now()).as_secs_f64());
            #[expect(clippy::cast_precision_loss, reason = "a gauge of some thousands")]
            meters.entries.set(memory.len() as f64);
            measure();
            if swept.elapsed() >= SWEEP_INTERVAL {
                memory.sweep();
                if let Some(recent) = &self.recent
                    && recent.sweep()
                {
                    tracing::warn!(
                        "clock went back: values in Redis are ignored until the outbox has been read backwards again"
                    );
                    self.restart_scan(recent).await;
                }
                swept = Instant::now();
            }
            if let Some(recent) = self.recent.as_ref().filter(|_| was_reachable) {
                let mut scan = self.scan.lock().await;
                scan.run_until(log, recent, started + POLL_INTERVAL).await;
            }
            tokio::select! {
                () = sleep_until((started + POLL_INTERVAL).into()) => {}
                () = self.wanted.notified() => sleep_until((started + MIN_POLL_INTERVAL).into()).await,
            }
        }
    }

    /// Waits until the changes of every earlier write have been applied to the in-process tier. Returns false if the
    /// database does not answer.
    ///
    /// Only a poll that starts now sees every acknowledged write. The position of an earlier one does not prove it: a
    /// commit is flushed, and has a position, before it is visible.
    pub(super) async fn catch_up(&self) -> bool {
        let now = Instant::now();
        let mut applied = self.applied.subscribe();
        self.wanted.notify_one();
        let is_later = |started: &Option<Instant>| started.is_some_and(|started| started >= now);
        let caught_up = timeout(CATCH_UP_TIMEOUT, applied.wait_for(is_later)).await;
        matches!(caught_up, Ok(Ok(_)))
    }

    /// Applies the new changes to the in-process tier, and queues them for the Redis tier.
    async fn poll(
        &self,
        log: &dyn ChangeLog,
        memory: &MemoryTier,
        meters: &Meters,
        started: Instant,
    ) -> Result<(), StoreError> {
        let known = self.position.borrow().clone();
        let Some(known) = known else {
            let position = log.position().await?;
            // A user cached before the first position may have changed before that position.
            self.reset(memory).await;
            self.position.send_replace(Some(position));
            return Ok(());
        };
        let changes = log.since(&known).await?;
        self.record_discontinuity(&changes, meters);
        let was_behind = self.is_behind.swap(!changes.complete, Ordering::Relaxed);
        if !changes.complete {
            if !was_behind {
                tracing::warn!(
                    "outbox poller cannot continue at its position: in-process cache cleared"
                );
            }
            meters.flushed.increment(1);
            self.reset(memory).await;
        }
        let mut changed_users = Vec::with_capacity(changes.changed.len());
        let now = SystemClock.now();
        for change in changes.changed {
            meters.outbox_lag.record(now.since(change.at));
            meters.invalidated_by_poll.increment(1);
            if let Some(recent) = &self.recent {
                recent.record_change(&change);
            }
            memory.invalidate_ahead_of_redis(change.id, change.revision.get());
            changed_users.push((change.id, change.revision.get()));
        }
        for token in &changes.tokens {
            memory.invalidate_token(*token);
        }
        self.position.send_replace(Some(changes.position.clone()));
        let correction = Correction {
            number: self.polls.fetch_add(1, Ordering::Relaxed),
            started,
            changed: changed_users,
            tokens: changes.tokens,
            complete: changes.complete,
            position: changes.position,
        };
        // A full queue drops the correction. The Redis tier detects the gap by its number.
        let _ = self.corrections.try_send(correction);
        Ok(())
    }

    /// Logs and counts that the outbox does not continue. A restore fills one table after the other, so that several polls
    /// find this; they count once.
    fn record_discontinuity(&self, changes: &Changes, meters: &Meters) {
        let mut last = self
            .discontinuity
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if changes.discontinuity.is_none() {
            if changes.complete && !changes.changed.is_empty() {
                *last = None;
            }
            return;
        }
        if *last == changes.discontinuity {
            return;
        }
        *last = changes.discontinuity;
        match changes.discontinuity {
            Some(Discontinuity::Restore) => {
                tracing::warn!(
                    "outbox was replaced or restored: everything cached before is dropped"
                );
                meters.discontinued_by_restore.increment(1);
            }
            Some(Discontinuity::Server) => {
                tracing::info!(
                    "outbox is on another or a restarted server: everything cached before is dropped"
                );
                meters.discontinued_by_server.increment(1);
            }
            None => {}
        }
    }

    /// Clears the in-process tier. Nothing is accepted from Redis until the outbox has been read backwards again.
    async fn reset(&self, memory: &MemoryTier) {
        if let Some(recent) = &self.recent {
            self.restart_scan(recent).await;
        }
        memory.flush();
    }

    /// Drops the recent changes and starts a new backward scan of the outbox.
    async fn restart_scan(&self, recent: &RecentChanges) {
        recent.reset();
        *self.scan.lock().await = BackwardScan::default();
    }

    /// Returns the position of the last poll; waits for the first one.
    pub(super) async fn position(&self) -> LogPosition {
        let mut position = self.position.subscribe();
        let known = position.wait_for(Option::is_some).await;
        let known = known.ok().and_then(|known| known.clone());
        match known {
            Some(known) => known,
            // Unreachable: this value owns the sender.
            None => std::future::pending().await,
        }
    }

    /// Returns the receiver of the corrections, for one caller at a time.
    pub(super) async fn corrections(&self) -> MutexGuard<'_, mpsc::Receiver<Correction>> {
        self.received.lock().await
    }
}

#[cfg(test)]
mod tests;
