use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::ports::{Clock, IdGenerator};
use crate::values::{ServiceTokenId, Timestamp, TokenDigest, TokenSecret, UserId};

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub struct FixedClock(Mutex<Timestamp>);

impl FixedClock {
    /// Tells another time from now on.
    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Goes on by this much.
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

/// A clock that goes on by a second at each look, so that no two moments are the same.
#[derive(Debug)]
pub struct SteppingClock(FixedClock);

impl SteppingClock {
    /// Goes on by this much, besides.
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

/// Ids of the form of a `UUIDv7`, each greater than the one before.
#[derive(Debug)]
pub struct SequentialIds(AtomicU64);

impl SequentialIds {
    /// The milliseconds of 2026-01-01, as the first 48 bits of a `UUIDv7` tell the time, and the version.
    const FIRST_HALF: u64 = (1_767_225_600_000 << 16) | 0x7000;
    const VARIANT: u64 = 1 << 63;

    /// Begins with the first.
    pub const fn new() -> Self {
        Self::starting_at(1)
    }

    /// Begins with this one, for tests with two sources of ids that must not meet.
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

    /// A secret that anybody can guess; its digest is of no known kind.
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
