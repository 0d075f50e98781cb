//! Removes what has been kept for as long as it is to be: deleted users, events, idempotency keys and resting names.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Stamp, WriteConditions};
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{Records, Retention};
use crate::user::Actor;
use crate::values::Timestamp;
use crate::write::WriteContext;

/// How fast a purge goes, and when it is to stop.
#[async_trait]
pub trait Pace: Send + Sync {
    /// Rests between two batches, so that requests have the store to themselves for a while.
    async fn rest(&self);

    /// Tells whether to stop before everything is done.
    fn is_over(&self) -> bool;
}

/// What a purge did with each kind of what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeReport {
    /// One for each kind that it came to, in the order of its work.
    pub kinds: Vec<PurgedKind>,
    /// Whether it was stopped before everything was done.
    pub was_stopped: bool,
}

/// What a purge did with one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgedKind {
    /// The name in logs and metrics: [`PurgeReport::USERS`] or [`Records::as_str`].
    pub kind: &'static str,
    /// How many were removed.
    pub removed: u64,
    /// Why some that are due may still be there.
    pub failure: Option<StoreError>,
}

/// Removes what is over its time.
#[derive(Clone)]
pub struct PurgeExpired {
    pub(super) retention: Arc<dyn Retention>,
    pub(super) stamp: Stamp,
}

impl PurgeReport {
    /// The name of the kind that is no [`Records`].
    pub const USERS: &'static str = "users";

    /// Tells whether everything that was due is gone, but for what others held just then.
    pub fn is_whole(&self) -> bool {
        !self.was_stopped && !self.has_failed()
    }

    /// Tells whether the store failed.
    pub fn has_failed(&self) -> bool {
        self.kinds.iter().any(|kind| kind.failure.is_some())
    }
}

impl PurgeExpired {
    /// Removes, batch by batch, what is due now. A kind that fails is left for the next time, and the others are purged
    /// all the same. It may run on several replicas at once.
    ///
    /// # Errors
    /// [`Denied`] to all but the operator.
    pub async fn run(&self, caller: &Caller, pace: &dyn Pace) -> Result<PurgeReport, Denied> {
        permit(caller, Action::Purge)?;
        let at = self.stamp.clock.now();
        let mut report = PurgeReport {
            kinds: Vec::with_capacity(1 + Records::ALL.len()),
            was_stopped: false,
        };
        // First: the users' erasures make events and names, which begin to rest.
        report.kinds.push(self.purge_users(caller, at, pace).await);
        for records in Records::ALL {
            if pace.is_over() {
                break;
            }
            report
                .kinds
                .push(self.purge_records(records, at, pace).await);
        }
        report.was_stopped = pace.is_over();
        Ok(report)
    }

    async fn purge_users(&self, caller: &Caller, at: Timestamp, pace: &dyn Pace) -> PurgedKind {
        let mut done = PurgedKind::new(PurgeReport::USERS);
        let mut last = None;
        while !pace.is_over() {
            let batch = match self.retention.expired(at, last).await {
                Ok(batch) => batch,
                Err(error) => return done.failed(error),
            };
            if batch.is_empty() {
                break;
            }
            last = batch.last().copied();
            for user in batch {
                if pace.is_over() {
                    break;
                }
                let context = WriteContext {
                    actor: Actor::retention(),
                    ..self.stamp.context(caller, WriteConditions::default())
                };
                match self.retention.erase_expired(user.id, &context).await {
                    Ok(erased) => done.removed += u64::from(erased),
                    // One user that cannot be read does not keep the others from being erased.
                    Err(error @ StoreError::Internal(_)) => done = done.failed(error),
                    Err(error) => return done.failed(error),
                }
            }
            pace.rest().await;
        }
        done
    }

    async fn purge_records(&self, records: Records, at: Timestamp, pace: &dyn Pace) -> PurgedKind {
        let mut done = PurgedKind::new(records.as_str());
        while !pace.is_over() {
            match self.retention.purge(records, at).await {
                Ok(purged) => {
                    done.removed += purged.removed;
                    if !purged.has_more {
                        break;
                    }
                }
                Err(error) => return done.failed(error),
            }
            pace.rest().await;
        }
        done
    }
}

impl PurgedKind {
    fn new(kind: &'static str) -> Self {
        Self {
            kind,
            removed: 0,
            failure: None,
        }
    }

    fn failed(self, error: StoreError) -> Self {
        Self {
            failure: Some(error),
            ..self
        }
    }
}
