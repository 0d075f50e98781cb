//! Imports users from another store.

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;

use super::{WriteConditions, WriteContextFactory};
use crate::caller::Caller;
use crate::import::{Import, ImportLedger, ImportOutcome, Plan, plan, taken};
use crate::input::RecordInput;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{IdGenerator, ImportError, UserImport};
use crate::values::UserId;
use crate::{Fault, StoreError};

/// The maximum number of attempts for a record whose unique values are taken concurrently.
const MAX_ATTEMPTS: usize = 3;

/// Whether an import writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// The import writes.
    Write,
    /// Nothing is written; the outcomes show what an import would do.
    DryRun,
}

/// The result of an import of one batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportRun {
    /// The outcomes of the records, in order; only of the first ones if the store failed.
    pub outcomes: Vec<ImportOutcome>,
    /// The paths of the fields that changed, for each user that was created or changed.
    pub changed: HashMap<UserId, Vec<String>>,
    /// Why the remaining records were not imported, or their outcome is unknown. They can be imported again.
    pub stopped: Option<StoreError>,
}

/// Imports users from another store.
#[derive(Clone)]
pub struct ImportUsers {
    pub(super) import: Arc<dyn UserImport>,
    pub(super) ids: Arc<dyn IdGenerator>,
    pub(super) contexts: WriteContextFactory,
}

impl ImportUsers {
    /// Validates the record of a line by the rules for new users, and prepares its import.
    ///
    /// # Errors
    /// Every fault of the record.
    pub fn check(
        &self,
        caller: &Caller,
        record: RecordInput,
        line: u64,
    ) -> Result<Import, Vec<Fault>> {
        let context = self.contexts.create(caller, WriteConditions::default());
        Ok(Import {
            record: record.check(context.at)?,
            fresh_id: self.ids.user_id(),
            context,
            line,
        })
    }

    /// Imports a batch of at most [`MAX_IMPORT_BATCH`](crate::import::MAX_IMPORT_BATCH) records, as part of a run.
    ///
    /// [`crate::import::plan`] decides the outcome of each record; the ledger holds the state of the run between
    /// batches. If a batch conflicts with other writers, its records are imported one by one, so that a conflict
    /// affects one record only.
    ///
    /// Each attempt sets the time of its records anew: they may have been validated long before, and an event must not
    /// be older than its change. The id of a new user does not change between attempts.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn run(
        &self,
        caller: &Caller,
        batch: &mut [Import],
        ledger: &mut ImportLedger,
        mode: ImportMode,
    ) -> Result<ImportRun, Denied> {
        permit(caller, Action::Import)?;
        let mut run = ImportRun::default();
        if batch.is_empty() {
            return Ok(run);
        }
        match self.import_batch(caller, batch, ledger, mode).await {
            Ok(plan) => run.add(plan),
            Err(ImportError::Store(error)) => run.stopped = Some(error),
            Err(ImportError::Raced(_)) => {
                self.import_one_by_one(caller, batch, ledger, mode, &mut run)
                    .await;
            }
        }
        Ok(run)
    }

    async fn import_one_by_one(
        &self,
        caller: &Caller,
        batch: &mut [Import],
        ledger: &mut ImportLedger,
        mode: ImportMode,
        run: &mut ImportRun,
    ) {
        for import in batch {
            match self.import_one(caller, import, ledger, mode).await {
                Ok(plan) => run.add(plan),
                Err(error) => {
                    run.stopped = Some(error);
                    break;
                }
            }
        }
    }

    async fn import_one(
        &self,
        caller: &Caller,
        import: &mut Import,
        ledger: &mut ImportLedger,
        mode: ImportMode,
    ) -> Result<Plan, StoreError> {
        let mut faults = Vec::new();
        for _ in 0..MAX_ATTEMPTS {
            let batch = slice::from_mut(import);
            match self.import_batch(caller, batch, ledger, mode).await {
                Ok(plan) => return Ok(plan),
                Err(ImportError::Raced(field)) => faults = taken(field),
                Err(ImportError::Store(error)) => return Err(error),
            }
        }
        Ok(Plan {
            outcomes: vec![Err(faults)],
            ..Plan::default()
        })
    }

    async fn import_batch(
        &self,
        caller: &Caller,
        batch: &mut [Import],
        ledger: &mut ImportLedger,
        mode: ImportMode,
    ) -> Result<Plan, ImportError> {
        for import in batch.iter_mut() {
            import.context = self.contexts.create(caller, WriteConditions::default());
        }
        let plan = match mode {
            ImportMode::Write => {
                let plan = self.import.import(batch, ledger).await?;
                ledger.record(batch, &plan.outcomes);
                plan
            }
            ImportMode::DryRun => {
                let plan = plan(batch, self.import.snapshot(batch).await?, ledger);
                ledger.record_dry_run(batch, &plan);
                plan
            }
        };
        if plan.outcomes.len() == batch.len() {
            return Ok(plan);
        }
        Err(
            StoreError::Internal("the store did not return an outcome for every record".to_owned())
                .into(),
        )
    }
}

impl ImportRun {
    fn add(&mut self, plan: Plan) {
        self.outcomes.extend(plan.outcomes);
        let changed = plan.events.into_iter();
        self.changed
            .extend(changed.map(|event| (event.subject_id, event.changed)));
    }
}
