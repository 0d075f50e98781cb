//! A predictable source of ids, for the fakes and the samples.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::ports::IdGenerator;
use crate::values::{ServiceTokenId, TokenDigest, TokenSecret, UserId};

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
