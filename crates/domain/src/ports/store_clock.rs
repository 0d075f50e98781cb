use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::values::Timestamp;

/// The times of two clocks, read at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The store's time.
    pub store: Timestamp,
    /// The time of this machine.
    pub machine: Timestamp,
}

/// Reads the store's clock, which all replicas use to compute the age of stored records.
///
/// A store without a clock returns the time of the machine.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait StoreClock: Send + Sync {
    /// Reads the clocks of the store and of this machine.
    async fn read(&self) -> Result<ClockReading, StoreError>;
}

impl ClockReading {
    /// The absolute difference of the two clocks.
    pub fn difference(self) -> Duration {
        self.store
            .since(self.machine)
            .max(self.machine.since(self.store))
    }
}
