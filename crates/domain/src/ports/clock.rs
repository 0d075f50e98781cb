use uuid::Uuid;

use crate::values::{ServiceTokenId, Timestamp, TokenDigest, TokenSecret, UserId};

/// Tells the time.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait Clock: Send + Sync {
    /// The moment of the call.
    fn now(&self) -> Timestamp;
}

/// Makes ids that no other call and no other replica makes.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
pub trait IdGenerator: Send + Sync {
    /// A `UUIDv7`, so that users sort by age.
    fn user_id(&self) -> UserId;

    /// A `UUIDv7`.
    fn event_id(&self) -> Uuid;

    /// A `UUIDv7`, so that tokens sort by age.
    fn token_id(&self) -> ServiceTokenId;

    /// A secret of 256 bits that nobody can guess, and what a store keeps of it.
    fn token_secret(&self) -> (TokenSecret, TokenDigest);
}
