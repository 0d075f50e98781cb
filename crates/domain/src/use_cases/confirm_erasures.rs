//! Reads which erasures consumers have confirmed, and confirms them.

use std::sync::Arc;

use super::{WriteConditions, WriteContextFactory};
use crate::StoreError;
use crate::caller::Caller;
use crate::erasure::{ErasureReport, PendingSummary};
use crate::permissions::{Action, Denied, permit};
use crate::ports::{ErasureError, ErasurePage, ErasureWrite, Erasures, EventPosition};
use crate::values::{ConsumerName, UserId};
use crate::write::{Idempotency, Precondition};

/// Why erasures were not returned or confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmErasuresError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store refused the request or failed.
    #[error(transparent)]
    Erasure(#[from] ErasureError),
}

impl From<StoreError> for ConfirmErasuresError {
    fn from(error: StoreError) -> Self {
        Self::Erasure(error.into())
    }
}

/// Reads which erasures consumers have confirmed, and confirms them.
#[derive(Clone)]
pub struct ConfirmErasures {
    pub(super) erasures: Arc<dyn Erasures>,
    pub(super) contexts: WriteContextFactory,
}

impl ConfirmErasures {
    /// Checks whether the caller may read erasures.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn permit_reading(caller: &Caller) -> Result<(), Denied> {
        permit(caller, Action::ReadErasures)
    }

    /// Returns a page of the erasures that a consumer has not confirmed, oldest first.
    pub async fn pending(
        &self,
        caller: &Caller,
        consumer: &str,
        after: Option<EventPosition>,
        limit: u16,
    ) -> Result<ErasurePage, ConfirmErasuresError> {
        Self::permit_reading(caller)?;
        let consumer = ConsumerName::parse(consumer).map_err(|_| ErasureError::UnknownConsumer)?;
        Ok(self.erasures.pending(&consumer, after, limit).await?)
    }

    /// Records that a consumer has removed its copy of an erased user. A repetition changes nothing.
    pub async fn acknowledge(
        &self,
        caller: &Caller,
        user: UserId,
        consumer: &str,
        idempotency: Option<Idempotency>,
    ) -> Result<ErasureWrite, ConfirmErasuresError> {
        permit(caller, Action::AcknowledgeErasure)?;
        let consumer = ConsumerName::parse(consumer).map_err(|_| ErasureError::UnknownConsumer)?;
        let conditions = WriteConditions {
            precondition: Precondition::None,
            idempotency,
        };
        let context = self.contexts.create(caller, conditions);
        let confirmed = self.erasures.acknowledge(user, &consumer, &context);
        Ok(confirmed.await?)
    }

    /// Returns which consumers have confirmed the erasure of a user.
    pub async fn report(
        &self,
        caller: &Caller,
        user: UserId,
    ) -> Result<ErasureReport, ConfirmErasuresError> {
        Self::permit_reading(caller)?;
        Ok(self.erasures.report(user).await?)
    }

    /// Returns the number and age of the pending erasures of each consumer.
    pub async fn summarize(
        &self,
        caller: &Caller,
    ) -> Result<Vec<PendingSummary>, ConfirmErasuresError> {
        Self::permit_reading(caller)?;
        Ok(self.erasures.summarize_pending().await?)
    }
}
