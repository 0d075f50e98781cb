//! Removes expired data: deleted users, events, idempotency keys, username reservations, login
//! counters and records of erasures.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{WriteConditions, WriteContextFactory};
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{ClockReading, Records, Retention, StoreClock};
use crate::user::Actor;
use crate::values::Timestamp;
use crate::write::WriteContext;

/// Limits the speed of batch work, and stops it.
#[async_trait]
pub trait BatchThrottle: Send + Sync {
    /// Waits between two batches, so that requests are not slowed down.
    async fn pause(&self);

    /// Whether the work must stop before it is complete.
    fn should_stop(&self) -> bool;
}

/// The result of a purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeReport {
    /// The results of the kinds that were processed, in order.
    pub kinds: Vec<PurgedKind>,
    /// Whether the purge was stopped before it was complete.
    pub was_stopped: bool,
}

/// The result of a purge for one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgedKind {
    /// The name in logs and metrics: [`PurgeReport::USERS`] or [`Records::as_str`].
    pub kind: &'static str,
    /// The number of removed users or records.
    pub removed: u64,
    /// The error because of which expired users or records may remain.
    pub failure: Option<StoreError>,
}

/// Why a purge removed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PurgeError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The clocks differ, and it is unknown which one is wrong. A wrong clock could cause irreversible removals.
    #[error(
        "the clocks of the database ({}) and of this machine ({}) differ by more than {} s: nothing is removed until they agree",
        .0.store, .0.machine, PurgeExpired::MAX_CLOCK_SKEW.as_secs()
    )]
    ClocksDiffer(ClockReading),
    /// The store's clock could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Removes expired data.
#[derive(Clone)]
pub struct PurgeExpired {
    pub(super) retention: Arc<dyn Retention>,
    pub(super) store_clock: Arc<dyn StoreClock>,
    pub(super) contexts: WriteContextFactory,
}

impl PurgeReport {
    /// The name of the kind for users, which is not in [`Records`].
    pub const USERS: &'static str = "users";

    /// Whether everything expired was removed, except for rows that were locked by other transactions.
    pub fn is_whole(&self) -> bool {
        !self.was_stopped && !self.has_failed()
    }

    /// Whether the store failed.
    pub fn has_failed(&self) -> bool {
        self.kinds.iter().any(|kind| kind.failure.is_some())
    }
}

impl PurgeExpired {
    /// The maximum difference between the clocks of the store and of this machine.
    pub const MAX_CLOCK_SKEW: Duration = Duration::from_mins(1);

    /// Removes data that has expired by the store's clock, batch by batch. If a kind fails, the other kinds are still
    /// purged. Several replicas may run it concurrently.
    ///
    /// # Errors
    /// [`PurgeError::Denied`] for every caller but the operator, [`PurgeError::ClocksDiffer`], and
    /// [`PurgeError::Store`] if the store's clock cannot be read.
    pub async fn run(
        &self,
        caller: &Caller,
        throttle: &dyn BatchThrottle,
    ) -> Result<PurgeReport, PurgeError> {
        permit(caller, Action::Purge)?;
        let clocks = self.store_clock.read().await?;
        if clocks.difference() > Self::MAX_CLOCK_SKEW {
            return Err(PurgeError::ClocksDiffer(clocks));
        }
        let at = clocks.store;
        let mut report = PurgeReport {
            kinds: Vec::with_capacity(1 + Records::ALL.len()),
            was_stopped: false,
        };
        // Users first, because their erasure creates events and username reservations.
        report
            .kinds
            .push(self.purge_users(caller, at, throttle).await);
        for records in Records::ALL {
            if throttle.should_stop() {
                break;
            }
            report
                .kinds
                .push(self.purge_records(records, at, throttle).await);
        }
        report.was_stopped = throttle.should_stop();
        Ok(report)
    }

    async fn purge_users(
        &self,
        caller: &Caller,
        at: Timestamp,
        throttle: &dyn BatchThrottle,
    ) -> PurgedKind {
        let mut done = PurgedKind::new(PurgeReport::USERS);
        let mut last = None;
        while !throttle.should_stop() {
            let batch = match self.retention.expired(at, last).await {
                Ok(batch) => batch,
                Err(error) => return done.failed(error),
            };
            if batch.is_empty() {
                break;
            }
            last = batch.last().copied();
            for user in batch {
                if throttle.should_stop() {
                    break;
                }
                let context = WriteContext {
                    actor: Actor::retention(),
                    at,
                    ..self.contexts.create(caller, WriteConditions::default())
                };
                match self.retention.erase_expired(user.id, &context).await {
                    Ok(erased) => done.removed += u64::from(erased),
                    // A user that cannot be read must not prevent the erasure of the others.
                    Err(error @ StoreError::Internal(_)) => done = done.failed(error),
                    Err(error) => return done.failed(error),
                }
            }
            throttle.pause().await;
        }
        done
    }

    async fn purge_records(
        &self,
        records: Records,
        at: Timestamp,
        throttle: &dyn BatchThrottle,
    ) -> PurgedKind {
        let mut done = PurgedKind::new(records.as_str());
        while !throttle.should_stop() {
            match self.retention.purge(records, at).await {
                Ok(purged) => {
                    done.removed += purged.removed;
                    if !purged.has_more {
                        break;
                    }
                }
                Err(error) => return done.failed(error),
            }
            throttle.pause().await;
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
