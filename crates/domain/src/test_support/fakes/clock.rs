use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::StoreError;
use crate::ports::{Clock, ClockReading, IdGenerator, StoreClock};
use crate::values::{ServiceTokenId, Timestamp, TokenDigest, TokenSecret, UserId};

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

/// A source of ids in `UUIDv7` format, each greater than the one before.
#[derive(Debug)]
pub struct SequentialIds(AtomicU64);

impl SequentialIds {
    /// The first half of each id: 2026-01-01 in milliseconds in the first 48 bits, as in a `UUIDv7`, and the version.
    const FIRST_HALF: u64 = (1_767_225_600_000 << 16) | 0x7000;
    const VARIANT: u64 = 1 << 63;

    /// Starts with number 1.
    pub const fn new() -> Self {
        Self::starting_at(1)
    }

    /// Starts with this number, for tests with two sources that must not return the same ids.
    pub const fn starting_at(number: u64) -> Self {
        Self(AtomicU64::new(number))
    }

    fn next(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        Uuid::from_u64_pair(Self::FIRST_HALF, Self::VARIANT | number)
    }
}

impl Default for SequentialIds {
    fn default() -> Self {
        Self::new()
    }
}

impl IdGenerator for SequentialIds {
    fn user_id(&self) -> UserId {
        UserId::from_uuid(self.next())
    }

    fn event_id(&self) -> Uuid {
        self.next()
    }

    fn token_id(&self) -> ServiceTokenId {
        ServiceTokenId::from_uuid(self.next())
    }

    /// Returns a predictable secret and its digest, which is the complement of its bytes.
    fn token_secret(&self) -> (TokenSecret, TokenDigest) {
        let (first, second) = self.next().as_u64_pair();
        let mut bytes = [0; 32];
        for (place, byte) in bytes
            .iter_mut()
            .zip([first, second].map(u64::to_be_bytes).concat())
        {
            *place = byte;
        }
        let secret = TokenSecret::from_random(bytes);
        (secret, TokenDigest::from_bytes(bytes.map(|byte| !byte)))
    }
}
