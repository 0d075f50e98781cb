//! Ends expired suspensions.

use std::sync::Arc;

use super::{BatchThrottle, WriteConditions, WriteContextFactory};
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{StoreClock, SuspensionEnds};
use crate::user::Actor;
use crate::write::WriteContext;
use crate::{CachedSuspensions, StoreError};

/// Why not all expired suspensions were ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndSuspensionsError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed; suspensions that were ended earlier stay ended.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends expired suspensions.
#[derive(Clone)]
pub struct EndSuspensions {
    pub(super) suspensions: Arc<CachedSuspensions>,
    pub(super) store_clock: Arc<dyn StoreClock>,
    pub(super) contexts: WriteContextFactory,
}

impl EndSuspensions {
    /// Ends suspensions that have expired by the store's clock, batch by batch, and returns their number. Several
    /// replicas may run it concurrently.
    ///
    /// # Errors
    /// [`EndSuspensionsError`]: at once if the store fails, or after all other users if one cannot be read.
    pub async fn run(
        &self,
        caller: &Caller,
        throttle: &dyn BatchThrottle,
    ) -> Result<u64, EndSuspensionsError> {
        permit(caller, Action::EndSuspensions)?;
        let mut total = 0;
        let mut failed = None;
        while !throttle.should_stop() {
            let due = self.suspensions.due(self.contexts.clock.now()).await?;
            if due.is_empty() {
                break;
            }
            let at = self.store_clock.read().await?.store;
            let mut ended = 0;
            for id in &due {
                if throttle.should_stop() {
                    break;
                }
                let context = WriteContext {
                    actor: Actor::schedule(),
                    at,
                    ..self.contexts.create(caller, WriteConditions::default())
                };
                match self.suspensions.end(*id, &context).await {
                    Ok(user) => ended += u64::from(user.is_some()),
                    // A user that cannot be read must not keep the others suspended.
                    Err(error @ StoreError::Internal(_)) => failed = Some(error),
                    Err(error) => return Err(error.into()),
                }
            }
            total += ended;
            // The remaining users are locked by other transactions, or cannot be read.
            if ended == 0 {
                break;
            }
            throttle.pause().await;
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
        Ok(total)
    }
}
