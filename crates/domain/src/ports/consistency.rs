use async_trait::async_trait;

use super::StoreError;

/// A position in the sequence of all writes of a store, as the store numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WritePosition(u64);

/// Lets a client read its own writes, from any replica of the service and of the store.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Consistency: Send + Sync {
    /// Returns a position that covers every write that was committed before the call.
    async fn position(&self) -> Result<WritePosition, StoreError>;

    /// Returns after every cached value is known to be old that a write before the call made old.
    async fn catch_up(&self) -> Result<(), StoreError>;
}

impl WritePosition {
    /// Creates a position from the number that a store or a token holds.
    pub fn from_store(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}
