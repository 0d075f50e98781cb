use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::StoreError;
use crate::ports::{Clock, ClockReading, StoreClock};
use crate::values::Timestamp;

/// A clock that changes only when it is set or advanced.
#[derive(Debug)]
pub struct FixedClock(Mutex<Timestamp>);

impl FixedClock {
    /// Sets the time.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Advances the time.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.plus(by);
    }
}

impl From<Timestamp> for FixedClock {
    fn from(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StoreClock for FixedClock {
    async fn read(&self) -> Result<ClockReading, StoreError> {
        Ok(agreeing(self.now()))
    }
}

/// A reading in which the clocks of store and machine agree.
fn agreeing(now: Timestamp) -> ClockReading {
    ClockReading {
        store: now,
        machine: now,
    }
}

/// A clock that advances by one second with each reading, so that no two readings are equal.
#[derive(Debug)]
pub struct SteppingClock(FixedClock);

impl SteppingClock {
    /// Advances the time in addition to the steps.
    pub fn advance(&self, by: Duration) {
        self.0.advance(by);
    }
}

impl From<Timestamp> for SteppingClock {
    fn from(first: Timestamp) -> Self {
        Self(FixedClock::from(first))
    }
}

impl Clock for SteppingClock {
    fn now(&self) -> Timestamp {
        let mut next = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = *next;
        *next = now.plus(Duration::from_secs(1));
        now
    }
}

#[async_trait]
impl StoreClock for SteppingClock {
    async fn read(&self) -> Result<ClockReading, StoreError> {
        Ok(agreeing(self.now()))
    }
}
