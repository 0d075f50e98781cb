//! The machine's clock, and the generator of ids and token secrets. Both are injected as ports.

use chrono::Utc;
use sha2::{Digest, Sha256};
use user_domain::ports::{Clock, IdGenerator};
use user_domain::values::{ServiceTokenId, Timestamp, TokenDigest, TokenSecret, UserId};
use uuid::Uuid;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that is injected everywhere else"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::from_utc(Utc::now())
    }
}

/// Generates UUIDs of version 7 (RFC 9562) from the machine's clock and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct UuidV7Ids;

impl IdGenerator for UuidV7Ids {
    fn user_id(&self) -> UserId {
        UserId::from_uuid(self.event_id())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the generator that is injected everywhere else"
    )]
    fn event_id(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn token_id(&self) -> ServiceTokenId {
        ServiceTokenId::from_uuid(self.event_id())
    }

    #[expect(
        clippy::expect_used,
        reason = "without randomness no secret can be generated safely"
    )]
    fn token_secret(&self) -> (TokenSecret, TokenDigest) {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("randomness");
        let secret = TokenSecret::from_random(bytes);
        let digest = digest(&secret);
        (secret, digest)
    }
}

/// Returns the SHA-256 digest of a token's secret. Only the digest is stored.
pub(crate) fn digest(secret: &TokenSecret) -> TokenDigest {
    TokenDigest::from_bytes(Sha256::digest(secret.expose()).into())
}
