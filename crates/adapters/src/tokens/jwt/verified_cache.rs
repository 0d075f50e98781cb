//! The cache of verified tokens, which saves the repeated verification of a signature.
//!
//! Each request still reads the user and checks the times of the token. An entry refers to the key set with which the
//! token was verified, and is a miss once the key set has changed. A withdrawn key therefore invalidates its tokens.

use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::claims::Claims;
use crate::tokens::keys::KeySet;

/// The maximum number of cached tokens, some 400 bytes each. Only valid tokens are cached, so forged tokens cannot fill
/// the memory.
const MAX_TOKENS: u64 = 16_384;

/// The lifetime of an entry. It bounds how long claims about an erased user are kept.
const ENTRY_TTL: Duration = Duration::from_mins(10);

/// The verified tokens by digest. The tokens themselves, which are credentials, are not stored.
pub(super) struct VerifiedTokenCache(Cache<[u8; 32], Arc<VerifiedEntry>, RandomState>);

/// The claims of a verified token, and the keys that it was verified with.
struct VerifiedEntry {
    claims: Arc<Claims>,
    keys: Option<Arc<KeySet>>,
}

/// The entry to add once a token has been verified with these keys.
pub(super) struct PendingEntry {
    digest: [u8; 32],
    keys: Option<Arc<KeySet>>,
}

impl Default for VerifiedTokenCache {
    fn default() -> Self {
        let tokens = Cache::builder()
            .max_capacity(MAX_TOKENS)
            .time_to_live(ENTRY_TTL);
        Self(tokens.build_with_hasher(RandomState::default()))
    }
}

impl VerifiedTokenCache {
    /// Returns the claims of a token that was verified with the current key set.
    pub(super) fn find(
        &self,
        token: &str,
        keys: Option<Arc<KeySet>>,
    ) -> Result<Arc<Claims>, PendingEntry> {
        let digest = Sha256::digest(token).into();
        match self.0.get(&digest) {
            Some(entry) if is_same(entry.keys.as_ref(), keys.as_ref()) => Ok(entry.claims.clone()),
            _ => Err(PendingEntry { digest, keys }),
        }
    }

    /// Adds a valid token.
    pub(super) fn add(&self, pending: PendingEntry, claims: Claims) -> Arc<Claims> {
        let claims = Arc::new(claims);
        let PendingEntry { digest, keys } = pending;
        let entry = VerifiedEntry {
            claims: claims.clone(),
            keys,
        };
        self.0.insert(digest, Arc::new(entry));
        claims
    }
}

impl PendingEntry {
    /// The keys with which the token is to be verified.
    pub(super) fn keys(&self) -> Option<&KeySet> {
        self.keys.as_deref()
    }
}

fn is_same(one: Option<&Arc<KeySet>>, other: Option<&Arc<KeySet>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
