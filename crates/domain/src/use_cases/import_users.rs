//! Brings many users in, as another store knew them.

use std::slice;
use std::sync::Arc;

use super::{Stamp, WriteConditions};
use crate::caller::Caller;
use crate::import::{Import, ImportOutcome, taken};
use crate::input::RecordInput;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{IdGenerator, ImportError, UserImport};
use crate::{Fault, StoreError};

/// How often a record is tried whose values others keep taking.
const TRIES: usize = 3;

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// It is.
    Write,
    /// Nothing is; the outcomes tell what would be.
    Rehearse,
}

/// How far a batch came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportRun {
    /// What became of the first records, in order: of all, unless the store stopped it.
    pub outcomes: Vec<ImportOutcome>,
    /// Why the rest was not done, or not for certain. Doing it again is harmless.
    pub stopped: Option<StoreError>,
}

/// Brings many users in.
#[derive(Clone)]
pub struct ImportUsers {
    pub(super) import: Arc<dyn UserImport>,
    pub(super) ids: Arc<dyn IdGenerator>,
    pub(super) stamp: Stamp,
}

impl ImportUsers {
    /// Checks a record by the rules of creation, and makes it ready.
    ///
    /// # Errors
    /// Every fault of the record.
    pub fn check(&self, caller: &Caller, record: RecordInput) -> Result<Import, Vec<Fault>> {
        Ok(Import {
            record: record.check()?,
            fresh_id: self.ids.user_id(),
            context: self.stamp.context(caller, WriteConditions::default()),
        })
    }

    /// Brings a batch of at most [`MAX_IMPORT_BATCH`](crate::import::MAX_IMPORT_BATCH) records in.
    ///
    /// A user is found by its id, external id, username or address, and becomes what its record says; nobody is made
    /// twice. A record that races other writers is tried again by itself, so that it takes no other along.
    ///
    /// Each try stamps its records with its own moment: they may have been checked long before, and what is told of a
    /// change must not be older than the change. Who is made is known again by its id, which stays.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn run(
        &self,
        caller: &Caller,
        batch: &mut [Import],
        mode: ImportMode,
    ) -> Result<ImportRun, Denied> {
        permit(caller, Action::Import)?;
        if batch.is_empty() {
            return Ok(ImportRun::default());
        }
        Ok(match self.once(caller, batch, mode).await {
            Ok(outcomes) => ImportRun {
                outcomes,
                stopped: None,
            },
            Err(ImportError::Store(error)) => ImportRun {
                outcomes: Vec::new(),
                stopped: Some(error),
            },
            Err(ImportError::Raced(_)) => self.one_by_one(caller, batch, mode).await,
        })
    }

    async fn one_by_one(
        &self,
        caller: &Caller,
        batch: &mut [Import],
        mode: ImportMode,
    ) -> ImportRun {
        let mut run = ImportRun::default();
        for import in batch {
            match self.alone(caller, import, mode).await {
                Ok(outcome) => run.outcomes.push(outcome),
                Err(error) => {
                    run.stopped = Some(error);
                    break;
                }
            }
        }
        run
    }

    async fn alone(
        &self,
        caller: &Caller,
        import: &mut Import,
        mode: ImportMode,
    ) -> Result<ImportOutcome, StoreError> {
        let mut outcome = Err(Vec::new());
        for _ in 0..TRIES {
            match self.once(caller, slice::from_mut(import), mode).await {
                Ok(mut outcomes) => {
                    let none = || StoreError::Internal("a record came to no outcome".to_owned());
                    return outcomes.pop().ok_or_else(none);
                }
                Err(ImportError::Raced(field)) => outcome = Err(taken(field)),
                Err(ImportError::Store(error)) => return Err(error),
            }
        }
        Ok(outcome)
    }

    async fn once(
        &self,
        caller: &Caller,
        batch: &mut [Import],
        mode: ImportMode,
    ) -> Result<Vec<ImportOutcome>, ImportError> {
        for import in batch.iter_mut() {
            import.context = self.stamp.context(caller, WriteConditions::default());
        }
        match mode {
            ImportMode::Write => self.import.import(batch).await,
            ImportMode::Rehearse => self.import.rehearse(batch).await,
        }
    }
}
