use async_trait::async_trait;

use super::{EventPosition, StoreError};
use crate::erasure::{Erasure, ErasureConsumer, ErasureReport, PendingSummary};
use crate::values::{ConsumerName, UserId};
use crate::write::WriteContext;

/// Stores which services must confirm erasures, and which erasures each of them has confirmed.
///
/// Every erasure of a user creates, in its own transaction, one pending confirmation for each consumer that is registered.
/// Writes are applied once per idempotency key, as in [`UserWriter`](super::UserWriter).
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Erasures: Send + Sync {
    /// Registers a consumer. One that is registered already does not change.
    ///
    /// An erasure is pending for the consumer if its transaction ends after the registration: a user that the store returns
    /// after the registration is erased by a pending erasure. No earlier erasure is pending, also not after an earlier
    /// registration of the same name.
    ///
    /// # Errors
    /// [`ErasureError::TooManyConsumers`] if [`ErasureConsumer::MAX_REGISTERED`] are registered.
    async fn register_consumer(
        &self,
        name: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ConsumerRegistration, ErasureError>;

    /// Removes a consumer, and with it its pending confirmations. Its acknowledgements stay in the reports.
    ///
    /// # Errors
    /// [`ErasureError::UnknownConsumer`] if it is not registered.
    async fn remove_consumer(
        &self,
        name: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ErasureWrite, ErasureError>;

    /// Returns the registered consumers by name.
    async fn list_consumers(&self) -> Result<Vec<ErasureConsumer>, StoreError>;

    /// Returns the erasures that a consumer has not confirmed, oldest first: at most `limit` after a position.
    ///
    /// # Errors
    /// [`ErasureError::UnknownConsumer`] if it is not registered.
    async fn pending(
        &self,
        consumer: &ConsumerName,
        after: Option<EventPosition>,
        limit: u16,
    ) -> Result<ErasurePage, ErasureError>;

    /// Records that a consumer has removed its copy of an erased user, and the actor that says so. A repetition changes
    /// nothing. A consumer may confirm an erasure that is not pending for it.
    ///
    /// # Errors
    /// [`ErasureError::UnknownConsumer`] if the consumer is not registered, otherwise [`ErasureError::UnknownErasure`] if
    /// the user was not erased, or its record has expired.
    async fn acknowledge(
        &self,
        user: UserId,
        consumer: &ConsumerName,
        context: &WriteContext,
    ) -> Result<ErasureWrite, ErasureError>;

    /// Returns an erasure with its confirmations.
    ///
    /// # Errors
    /// [`ErasureError::UnknownErasure`] if the user was not erased, or its record has expired.
    async fn report(&self, user: UserId) -> Result<ErasureReport, ErasureError>;

    /// Returns a summary for each registered consumer, by name.
    async fn summarize_pending(&self) -> Result<Vec<PendingSummary>, StoreError>;
}

/// The result of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRegistration {
    /// The consumer.
    pub consumer: ErasureConsumer,
    /// Whether this request registered it.
    pub is_new: bool,
    /// Whether the request was completed earlier under the same idempotency key.
    pub replayed: bool,
}

/// The result of an acknowledgement, or of the removal of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureWrite {
    /// It is done, by this call or an earlier one.
    Done,
    /// It was done earlier under the same idempotency key.
    Replayed,
}

/// A page of erasures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasurePage {
    /// The erasures, oldest first.
    pub erasures: Vec<Erasure>,
    /// The position after which the next page starts; `None` on the last page.
    pub next: Option<EventPosition>,
}

/// Why a call about erasures failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErasureError {
    /// No consumer with this name is registered.
    #[error("there is no such erasure consumer")]
    UnknownConsumer,
    /// No user with this id was erased, or the record has expired.
    #[error("there is no erasure of this user")]
    UnknownErasure,
    /// The maximum number of consumers is registered.
    #[error("too many erasure consumers are registered")]
    TooManyConsumers,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ErasurePage {
    /// Creates a page from one erasure more than the page may have, if there is one.
    pub fn from_one_more(mut erasures: Vec<Erasure>, limit: u16) -> Self {
        let has_more = erasures.len() > usize::from(limit);
        erasures.truncate(limit.into());
        let next = erasures.last().filter(|_| has_more);
        Self {
            next: next.map(|erasure| erasure.position),
            erasures,
        }
    }
}
