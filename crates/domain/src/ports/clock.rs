use uuid::Uuid;

use crate::values::{ServiceTokenId, Timestamp, TokenDigest, TokenSecret, UserId};

/// Returns the time for timestamps that are stored or compared with stored ones: the store's time, as far as it is
/// known.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
}

/// Generates ids and secrets that are unique across calls and replicas.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait IdGenerator: Send + Sync {
    /// A `UUIDv7`, so that users sort by age.
    fn user_id(&self) -> UserId;

    /// A `UUIDv7`.
    fn event_id(&self) -> Uuid;

    /// A `UUIDv7`, so that tokens sort by age.
    fn token_id(&self) -> ServiceTokenId;

    /// Returns a random secret of 256 bits, and the digest that a store keeps of it.
    fn token_secret(&self) -> (TokenSecret, TokenDigest);
}
