use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::{FeedPosition, StoreError};
use crate::values::UserId;

/// Stores how far each relay of the event feed has come, and which replica runs it.
///
/// A replica runs a relay while it holds its lease. Each time that the lease is taken, the relay has a greater epoch. A
/// replica that was paused keeps its old epoch, and can change nothing once another replica has taken the lease.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait EventRelays: Send + Sync {
    /// Returns how long the lease of a relay is still valid, by the clock of the store. Zero if no replica holds it.
    async fn lease_remaining(&self, relay: &str) -> Result<Duration, StoreError>;

    /// Takes the lease of a relay for `lease`, unless another holder has a valid one: then the result is none.
    ///
    /// The position is the one of the last [`EventRelays::advance`] by any holder.
    async fn take(
        &self,
        relay: &str,
        holder: Uuid,
        lease: Duration,
    ) -> Result<Option<RelayLease>, StoreError>;

    /// Makes the lease of this epoch valid for `lease` from now, and returns true. Returns false if the lease has been
    /// taken since.
    async fn renew(&self, relay: &str, epoch: i64, lease: Duration) -> Result<bool, StoreError>;

    /// Stores the position and returns true. Returns false, and stores nothing, if the lease has been taken since.
    async fn advance(
        &self,
        relay: &str,
        epoch: i64,
        position: &FeedPosition,
    ) -> Result<bool, StoreError>;

    /// Ends the lease of this epoch now, so that another replica can take it. The position stays. Does nothing if the
    /// lease has been taken since.
    async fn release(&self, relay: &str, epoch: i64) -> Result<(), StoreError>;
}

/// The lease of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayLease {
    /// Identifies this lease; greater than that of each earlier one.
    pub epoch: i64,
    /// The position after the last relayed event; none if no event has been relayed.
    pub position: Option<FeedPosition>,
}

/// Publishes events to a message broker.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait EventPublisher: Send + Sync {
    /// Publishes messages in their order, and returns when the broker has confirmed that it has stored each of them.
    /// Connects first if there is no connection, even without messages.
    ///
    /// While the broker asks its publishers to wait, this call waits too.
    ///
    /// # Errors
    /// [`PublishError`]. Any of the messages may have been published.
    async fn publish(&self, messages: &[EventMessage]) -> Result<(), PublishError>;

    /// Closes the connection.
    async fn close(&self);
}

/// An event as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventMessage {
    /// The id of the event.
    pub id: Uuid,
    /// The type of the event.
    pub kind: &'static str,
    /// The subject of the event.
    pub subject: UserId,
    /// The content.
    pub body: Vec<u8>,
}

/// Why messages were not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No connection could be opened, or the broker refused what a publisher needs.
    #[error("the broker cannot be used: {0}")]
    Connect(String),
    /// The connection was lost.
    #[error("the connection to the broker was lost: {0}")]
    Lost(String),
    /// The broker refused a message.
    #[error("the broker refused a message")]
    Refused,
    /// The broker did not confirm a message in time.
    #[error("the broker does not confirm messages")]
    Silent,
}

impl PublishError {
    /// The kind of the error, for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Lost(_) => "lost",
            Self::Refused => "refused",
            Self::Silent => "silent",
        }
    }
}
