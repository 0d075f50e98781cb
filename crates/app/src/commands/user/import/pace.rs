//! How many records are written at a time: fewer where the database is slow, rather than failing.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use user_domain::StoreError;
use user_domain::caller::Caller;
use user_domain::import::{Import, ImportOutcome, MAX_IMPORT_BATCH};
use user_domain::use_cases::{ImportMode, ImportUsers};

use crate::commands::user::patience::Patience;
use crate::settings::DatabaseTarget;

/// How long batches take, and how much of the time is left to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rhythm {
    /// A batch that took longer is followed by a smaller one.
    slow: Duration,
    /// A batch that took less is followed by a larger one.
    fast: Duration,
    /// A batch of fewer records is not made for its time's sake: what takes long then is the commit.
    least: usize,
    /// How long, at least and at most, others have the database for themselves after a batch.
    rest: Option<(Duration, Duration)>,
}

impl Rhythm {
    /// Where a batch holds up nobody but writers of the same users: a statement has a second, a transaction two.
    const SHARED: Self = Self {
        slow: Duration::from_millis(600),
        fast: Duration::from_millis(200),
        least: 1,
        rest: None,
    };
    /// Where nobody else writes while a batch is written.
    ///
    /// SQLite keeps no queue: who waits for the lock looks whether it is free after 1, 2, 5, 10, 15, 20, 25, 25, 25, 50
    /// and 50 milliseconds and then every 100, for a second and a half. Without a rest that is longer than such a pause
    /// it looks in vain.
    const EXCLUSIVE: Self = Self {
        slow: Duration::from_millis(75),
        fast: Duration::from_millis(30),
        least: 50,
        rest: Some((Duration::from_millis(50), Duration::from_millis(250))),
    };

    /// The rhythm of a database.
    pub(super) fn of(target: &DatabaseTarget) -> Self {
        match target {
            DatabaseTarget::Postgres { .. } => Self::SHARED,
            DatabaseTarget::Sqlite { .. } => Self::EXCLUSIVE,
        }
    }
}

/// Writes records, in as many batches as it takes.
pub(super) struct Pace {
    use_case: ImportUsers,
    mode: ImportMode,
    rhythm: Rhythm,
    size: usize,
    patience: Patience,
    /// Until when others have the database for themselves.
    rested: Instant,
}

impl Pace {
    pub(super) fn new(use_case: ImportUsers, mode: ImportMode, rhythm: Rhythm) -> Self {
        Self {
            use_case,
            mode,
            rhythm,
            size: MAX_IMPORT_BATCH,
            patience: Patience::default(),
            rested: Instant::now(),
        }
    }

    /// Writes records in order. What was written has its outcomes, also where the store then stops it for good.
    pub(super) async fn write(
        &mut self,
        records: &mut [Import],
    ) -> (Vec<ImportOutcome>, Option<StoreError>) {
        let mut outcomes = Vec::with_capacity(records.len());
        loop {
            let left = records.get_mut(outcomes.len()..).unwrap_or_default();
            let size = self.size.min(left.len());
            let batch = left.get_mut(..size).unwrap_or_default();
            if batch.is_empty() {
                return (outcomes, None);
            }
            sleep_until(self.rested).await;
            let begun = Instant::now();
            let run = self.use_case.run(&Caller::Operator, batch, self.mode).await;
            let run = match run {
                Ok(run) => run,
                Err(denied) => {
                    return (outcomes, Some(StoreError::Internal(denied.to_string())));
                }
            };
            self.rest_after(begun.elapsed());
            if !run.outcomes.is_empty() {
                self.patience.answered();
            }
            outcomes.extend(run.outcomes);
            match run.stopped {
                None => self.adapt(begun.elapsed()),
                Some(error) => {
                    self.size = (self.size / 2).max(1);
                    let Some(pause) = self.patience.pause(&error) else {
                        return (outcomes, Some(error));
                    };
                    sleep(pause).await;
                }
            }
        }
    }

    /// Leaves the database to others for as long as a batch took; what only looks takes nothing from them.
    fn rest_after(&mut self, took: Duration) {
        if let (Some((least, most)), ImportMode::Write) = (self.rhythm.rest, self.mode) {
            self.rested = Instant::now() + took.clamp(least, most);
        }
    }

    fn adapt(&mut self, took: Duration) {
        let Rhythm {
            slow, fast, least, ..
        } = self.rhythm;
        if took < fast || self.size < least {
            self.size = (self.size * 2).min(MAX_IMPORT_BATCH);
        } else if took > slow {
            self.size = (self.size / 2).max(least);
        }
    }
}

#[cfg(test)]
mod tests;
