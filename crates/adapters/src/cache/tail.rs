//! Follows the outbox: the road of news that needs nobody but the database.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex as AsyncMutex, MutexGuard, mpsc, watch};
use tokio::time::{sleep_until, timeout};
use user_domain::StoreError;
use user_domain::ports::{ChangeLog, Clock, LogPosition};
use user_domain::values::{ServiceTokenId, UserId};

use super::first_tier::FirstTier;
use super::freshness::Freshness;
use super::meters::Meters;
use crate::SystemClock;

/// How often the outbox is looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long a look may take; after that the database counts as away.
const DEADLINE: Duration = Duration::from_millis(500);
/// Looks of which Redis has not been told yet; whoever falls behind further catches up by itself.
const WAITING: usize = 64;

/// What a look at the outbox told, for the tier in Redis.
#[derive(Debug)]
pub(super) struct Correction {
    /// Counts the looks, so that a gap is noticed.
    pub(super) number: u64,
    /// When the look began.
    pub(super) begun: Instant,
    /// Who has changed, to which version.
    pub(super) changed: Vec<(UserId, i64)>,
    /// Which tokens of services have.
    pub(super) tokens: Vec<ServiceTokenId>,
    /// Whether these are all.
    pub(super) complete: bool,
    /// From where the next look goes on.
    pub(super) position: LogPosition,
}

/// How far the outbox has been followed.
pub(super) struct Tail {
    position: watch::Sender<Option<LogPosition>>,
    corrections: mpsc::Sender<Correction>,
    received: AsyncMutex<mpsc::Receiver<Correction>>,
    looks: AtomicU64,
}

impl Default for Tail {
    fn default() -> Self {
        let (corrections, received) = mpsc::channel(WAITING);
        Self {
            position: watch::Sender::new(None),
            corrections,
            received: AsyncMutex::new(received),
            looks: AtomicU64::new(0),
        }
    }
}

impl Tail {
    /// Looks at the outbox again and again, for as long as it is polled.
    pub(super) async fn follow(
        &self,
        log: &dyn ChangeLog,
        first: &FirstTier,
        freshness: &Freshness,
        meters: &Meters,
        measure: impl Fn(),
    ) {
        let mut was_there = true;
        loop {
            let begun = Instant::now();
            let looked = timeout(DEADLINE, self.look(log, first, meters, begun)).await;
            match looked {
                Ok(Ok(())) => {
                    freshness.polled(begun);
                    was_there = true;
                }
                failed => {
                    freshness.failed();
                    if was_there {
                        tracing::warn!(?failed, "the outbox cannot be followed");
                    }
                    was_there = false;
                }
            }
            meters
                .tail_age
                .set(freshness.tail_age(Instant::now()).as_secs_f64());
            #[expect(clippy::cast_precision_loss, reason = "a gauge of some thousands")]
            meters.entries.set(first.len() as f64);
            measure();
            sleep_until((begun + INTERVAL).into()).await;
        }
    }

    /// Applies what is new to the first tier, and hands it on.
    async fn look(
        &self,
        log: &dyn ChangeLog,
        first: &FirstTier,
        meters: &Meters,
        begun: Instant,
    ) -> Result<(), StoreError> {
        let known = self.position.borrow().clone();
        let Some(known) = known else {
            let position = log.position().await?;
            // What was filled in before the first position may have changed before it.
            first.flush();
            self.position.send_replace(Some(position));
            return Ok(());
        };
        let changes = log.since(&known).await?;
        if !changes.complete {
            tracing::warn!("the outbox has run ahead: everything cached is forgotten");
            meters.flushed.increment(1);
            first.flush();
        }
        let mut news = Vec::with_capacity(changes.changed.len());
        let now = SystemClock.now();
        for change in changes.changed {
            meters.outbox_lag.record(now.since(change.at));
            meters.invalidated_by_tail.increment(1);
            first.raise_ahead_of_redis(change.id, change.version.get());
            news.push((change.id, change.version.get()));
        }
        for token in &changes.tokens {
            first.service_tokens().raise(*token);
        }
        self.position.send_replace(Some(changes.position.clone()));
        let correction = Correction {
            number: self.looks.fetch_add(1, Ordering::Relaxed),
            begun,
            changed: news,
            tokens: changes.tokens,
            complete: changes.complete,
            position: changes.position,
        };
        // Without anybody to correct they pile up to the bound and are left out; a gap is noticed by its number.
        let _ = self.corrections.try_send(correction);
        Ok(())
    }

    /// The position of the newest look, as soon as there is one.
    pub(super) async fn position(&self) -> LogPosition {
        let mut position = self.position.subscribe();
        let known = position.wait_for(Option::is_some).await;
        let known = known.ok().and_then(|known| known.clone());
        match known {
            Some(known) => known,
            // Not so: the sender is this value's own.
            None => std::future::pending().await,
        }
    }

    /// What the looks told, for one receiver at a time.
    pub(super) async fn corrections(&self) -> MutexGuard<'_, mpsc::Receiver<Correction>> {
        self.received.lock().await
    }
}

#[cfg(test)]
mod tests;
