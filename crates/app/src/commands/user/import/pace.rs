//! How many records are written at a time: fewer where the database is slow, rather than failing.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use user_domain::StoreError;
use user_domain::caller::Caller;
use user_domain::import::{Import, ImportOutcome, MAX_IMPORT_BATCH};
use user_domain::use_cases::{ImportMode, ImportUsers};

use crate::commands::user::patience::Patience;

/// A batch that took longer is followed by a smaller one: a statement has a second, a transaction two.
const SLOW: Duration = Duration::from_millis(600);
/// A batch that took less is followed by a larger one.
const FAST: Duration = Duration::from_millis(200);

/// Writes records, in as many batches as it takes.
pub(super) struct Pace {
    use_case: ImportUsers,
    mode: ImportMode,
    size: usize,
    patience: Patience,
}

impl Pace {
    pub(super) fn new(use_case: ImportUsers, mode: ImportMode) -> Self {
        Self {
            use_case,
            mode,
            size: MAX_IMPORT_BATCH,
            patience: Patience::default(),
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
            let begun = Instant::now();
            let run = self.use_case.run(&Caller::Operator, batch, self.mode).await;
            let run = match run {
                Ok(run) => run,
                Err(denied) => {
                    return (outcomes, Some(StoreError::Internal(denied.to_string())));
                }
            };
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

    fn adapt(&mut self, took: Duration) {
        if took > SLOW {
            self.size = (self.size / 2).max(1);
        } else if took < FAST {
            self.size = (self.size * 2).min(MAX_IMPORT_BATCH);
        }
    }
}

#[cfg(test)]
mod tests;
