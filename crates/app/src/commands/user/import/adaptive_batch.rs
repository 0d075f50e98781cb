//! Writes records in batches. Batches shrink while the database is slow, so that they do not time out.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff};
use tokio::time::{Instant, sleep, sleep_until};
use user_domain::StoreError;
use user_domain::caller::Caller;
use user_domain::import::{Import, ImportLedger, MAX_IMPORT_BATCH};
use user_domain::use_cases::{ImportMode, ImportRun, ImportUsers};

use crate::commands::user::backoff::{BACKOFF, is_transient};
use crate::settings::DatabaseTarget;

/// How large batches get, and how long the import pauses between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchPolicy {
    /// After a batch that took longer, batches are smaller.
    slow_above: Duration,
    /// After a batch that took less, batches are larger.
    fast_below: Duration,
    /// Slow batches do not shrink below this size: the commit then takes most of the time.
    min_size: usize,
    /// The minimum and maximum pause after a batch, in which other processes can write.
    pause: Option<(Duration, Duration)>,
}

impl BatchPolicy {
    /// For databases where a batch delays only writers of the same users. A statement may take one second, a
    /// transaction two.
    const SHARED: Self = Self {
        slow_above: Duration::from_millis(600),
        fast_below: Duration::from_millis(200),
        min_size: 1,
        pause: None,
    };
    /// For databases with one writer at a time.
    ///
    /// SQLite has no lock queue: a waiting writer polls the lock after 1, 2, 5, 10, 15, 20, 25, 25, 25, 50 and 50
    /// milliseconds and then every 100, for 1.5 seconds. If the pause between batches were shorter than the polling
    /// interval, the writer could miss every pause.
    const EXCLUSIVE: Self = Self {
        slow_above: Duration::from_millis(75),
        fast_below: Duration::from_millis(30),
        min_size: 50,
        pause: Some((Duration::from_millis(50), Duration::from_millis(250))),
    };

    /// Returns the policy for a database.
    pub(super) fn of(target: &DatabaseTarget) -> Self {
        match target {
            DatabaseTarget::Postgres { .. } => Self::SHARED,
            DatabaseTarget::Sqlite { .. } => Self::EXCLUSIVE,
        }
    }
}

/// Writes records in batches of adaptive size.
pub(super) struct AdaptiveBatchWriter {
    use_case: ImportUsers,
    ledger: ImportLedger,
    mode: ImportMode,
    policy: BatchPolicy,
    size: usize,
    /// The pauses after the next failures without progress.
    backoff: ExponentialBackoff,
    /// When the next batch may start.
    paused_until: Instant,
}

impl AdaptiveBatchWriter {
    pub(super) fn new(
        use_case: ImportUsers,
        ledger: ImportLedger,
        mode: ImportMode,
        policy: BatchPolicy,
    ) -> Self {
        Self {
            use_case,
            ledger,
            mode,
            policy,
            size: MAX_IMPORT_BATCH,
            backoff: BACKOFF.build(),
            paused_until: Instant::now(),
        }
    }

    /// Writes records in order. If the store fails permanently, the result has the outcomes of the records that were
    /// written before.
    pub(super) async fn write(&mut self, records: &mut [Import]) -> ImportRun {
        let mut completed = ImportRun::default();
        loop {
            let left = records
                .get_mut(completed.outcomes.len()..)
                .unwrap_or_default();
            let size = self.size.min(left.len());
            let batch = left.get_mut(..size).unwrap_or_default();
            if batch.is_empty() {
                return completed;
            }
            sleep_until(self.paused_until).await;
            let started = Instant::now();
            let run = self
                .use_case
                .run(&Caller::Operator, batch, &mut self.ledger, self.mode)
                .await;
            let run = match run {
                Ok(run) => run,
                Err(denied) => {
                    completed.stopped = Some(StoreError::Internal(denied.to_string()));
                    return completed;
                }
            };
            self.pause_after(started.elapsed());
            if !run.outcomes.is_empty() {
                self.backoff = BACKOFF.build();
            }
            completed.outcomes.extend(run.outcomes);
            completed.changed.extend(run.changed);
            match run.stopped {
                None => self.adapt(started.elapsed()),
                Some(error) => {
                    self.size = (self.size / 2).max(1);
                    let pause = self.backoff.next().filter(|_| is_transient(&error));
                    let Some(pause) = pause else {
                        completed.stopped = Some(error);
                        return completed;
                    };
                    sleep(pause).await;
                }
            }
        }
    }

    /// Pauses for as long as the batch took, within the limits of the policy. A dry run does not pause, since it does
    /// not block writers.
    fn pause_after(&mut self, duration: Duration) {
        if let (Some((min_pause, max_pause)), ImportMode::Write) = (self.policy.pause, self.mode) {
            self.paused_until = Instant::now() + duration.clamp(min_pause, max_pause);
        }
    }

    fn adapt(&mut self, duration: Duration) {
        let BatchPolicy {
            slow_above,
            fast_below,
            min_size,
            ..
        } = self.policy;
        if duration < fast_below || self.size < min_size {
            self.size = (self.size * 2).min(MAX_IMPORT_BATCH);
        } else if duration > slow_above {
            self.size = (self.size / 2).max(min_size);
        }
    }
}

#[cfg(test)]
mod tests;
