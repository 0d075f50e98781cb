//! Registers, lists and removes the consumers of erasures.

use std::sync::Arc;

use super::{WriteConditions, WriteContextFactory};
use crate::caller::Caller;
use crate::erasure::ErasureConsumer;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{ConsumerRegistration, ErasureError, ErasureWrite, Erasures};
use crate::values::ConsumerName;
use crate::write::{Idempotency, Precondition};
use crate::{Fault, StoreError, Violation};

/// Why consumers were not registered, listed or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErasureConsumerError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The name is not valid for a consumer; holds the fault.
    #[error("the name is invalid")]
    Invalid(Fault),
    /// The store refused the request or failed.
    #[error(transparent)]
    Erasure(#[from] ErasureError),
}

impl From<StoreError> for ErasureConsumerError {
    fn from(error: StoreError) -> Self {
        Self::Erasure(error.into())
    }
}

/// Registers, lists and removes the consumers of erasures.
#[derive(Clone)]
pub struct ManageErasureConsumers {
    pub(super) erasures: Arc<dyn Erasures>,
    pub(super) contexts: WriteContextFactory,
}

impl ManageErasureConsumers {
    /// Registers a consumer. Every erasure from now on is pending for it.
    pub async fn register(
        &self,
        caller: &Caller,
        name: &str,
        idempotency: Option<Idempotency>,
    ) -> Result<ConsumerRegistration, ErasureConsumerError> {
        permit(caller, Action::ManageErasureConsumers)?;
        let invalid =
            |violation: Violation| ErasureConsumerError::Invalid(Fault::new("name", &violation));
        let name = ConsumerName::parse(name).map_err(invalid)?;
        let context = self.context(caller, idempotency);
        Ok(self.erasures.register_consumer(&name, &context).await?)
    }

    /// Removes a consumer. No erasure is pending for it any more.
    pub async fn remove(
        &self,
        caller: &Caller,
        name: &str,
        idempotency: Option<Idempotency>,
    ) -> Result<ErasureWrite, ErasureConsumerError> {
        permit(caller, Action::ManageErasureConsumers)?;
        let name = ConsumerName::parse(name).map_err(|_| ErasureError::UnknownConsumer)?;
        let context = self.context(caller, idempotency);
        Ok(self.erasures.remove_consumer(&name, &context).await?)
    }

    /// Returns the registered consumers by name: at most [`ErasureConsumer::MAX_REGISTERED`].
    pub async fn list(
        &self,
        caller: &Caller,
    ) -> Result<Vec<ErasureConsumer>, ErasureConsumerError> {
        permit(caller, Action::ManageErasureConsumers)?;
        Ok(self.erasures.list_consumers().await?)
    }

    fn context(
        &self,
        caller: &Caller,
        idempotency: Option<Idempotency>,
    ) -> crate::write::WriteContext {
        let conditions = WriteConditions {
            precondition: Precondition::None,
            idempotency,
        };
        self.contexts.create(caller, conditions)
    }
}
