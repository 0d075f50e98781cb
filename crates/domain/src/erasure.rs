//! Erasures as a protocol: which services have confirmed that they have removed their copy of an erased user.

use std::time::Duration;

use crate::ports::EventPosition;
use crate::user::Actor;
use crate::values::{ConsumerName, Timestamp, UserId};

/// A service that keeps copies of users, and confirms that it has removed the copy of each erased user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureConsumer {
    /// The name.
    pub name: ConsumerName,
    /// When it was registered.
    pub created_at: Timestamp,
    /// The actor that registered it.
    pub created_by: Actor,
}

/// The permanent removal of a user. It contains no data of the user but the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// The id that the user had.
    pub user: UserId,
    /// When the user was erased.
    pub erased_at: Timestamp,
    /// The position of the erasure event among all events.
    pub position: EventPosition,
}

/// An erasure with the consumers that must confirm it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureReport {
    /// The erasure.
    pub erasure: Erasure,
    /// The consumers that must confirm or have confirmed it, by name.
    pub confirmations: Vec<Confirmation>,
}

/// The part of one consumer in an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The name of the consumer.
    pub consumer: ConsumerName,
    /// When it confirmed the erasure; `None` if it has not yet.
    pub acked_at: Option<Timestamp>,
    /// Who confirmed it.
    pub acked_by: Option<Actor>,
}

/// The number and age of the erasures that a consumer has not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSummary {
    /// The consumer.
    pub consumer: ConsumerName,
    /// The number of its pending erasures, up to [`PendingSummary::MAX_COUNTED`].
    pub pending: u64,
    /// When the oldest of them happened.
    pub oldest: Option<Timestamp>,
}

impl ErasureConsumer {
    /// The maximum number of registered consumers.
    pub const MAX_REGISTERED: usize = 64;
}

impl Erasure {
    /// How long an erasure is kept after the last confirmation, or after the erasure if no consumer had to confirm it.
    pub const RETENTION: Duration = Duration::from_hours(90 * 24);

    /// The maximum number of erasures on a page.
    pub const MAX_PAGE: u16 = 200;
}

impl ErasureReport {
    /// Whether every consumer has confirmed the erasure.
    pub fn is_complete(&self) -> bool {
        self.confirmations
            .iter()
            .all(|confirmation| confirmation.acked_at.is_some())
    }
}

impl PendingSummary {
    /// The count at which counting stops.
    pub const MAX_COUNTED: u64 = 10_000;
}
