//! The tokens that have been verified: a signature that has held once holds.
//!
//! What a token says of its user is looked up at each request all the same, and its times are checked each time. It is
//! remembered together with the keys that were known when it was checked, and counts for nothing once they have changed:
//! a key that is withdrawn takes its tokens along.

use std::sync::Arc;

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::Keys;
use super::claims::Claims;

/// The most tokens that are remembered, each in some 400 bytes. Only those that hold are, so that nobody fills this with
/// forged ones.
const MOST: u64 = 16_384;

/// The tokens, by their digest: what could be shown as a credential is not kept.
pub(super) struct Remembered(Cache<[u8; 32], Arc<Proven>>);

/// A token that has been verified.
struct Proven {
    claims: Arc<Claims>,
    keys: Option<Arc<Keys>>,
}

/// What is to be remembered once a token has been verified by these keys.
pub(super) struct Unproven {
    digest: [u8; 32],
    keys: Option<Arc<Keys>>,
}

impl Default for Remembered {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl Remembered {
    /// Gives what a token says, if it was verified while the same keys were published as now.
    pub(super) fn find(
        &self,
        token: &str,
        keys: Option<Arc<Keys>>,
    ) -> Result<Arc<Claims>, Unproven> {
        let digest = Sha256::digest(token).into();
        match self.0.get(&digest) {
            Some(proven) if is_same(proven.keys.as_ref(), keys.as_ref()) => {
                Ok(proven.claims.clone())
            }
            _ => Err(Unproven { digest, keys }),
        }
    }

    /// Remembers a token that holds.
    pub(super) fn add(&self, unproven: Unproven, claims: Claims) -> Arc<Claims> {
        let claims = Arc::new(claims);
        let Unproven { digest, keys } = unproven;
        let proven = Proven {
            claims: claims.clone(),
            keys,
        };
        self.0.insert(digest, Arc::new(proven));
        claims
    }
}

impl Unproven {
    /// The keys that the token is to be held to.
    pub(super) fn keys(&self) -> Option<&Keys> {
        self.keys.as_deref()
    }
}

fn is_same(one: Option<&Arc<Keys>>, other: Option<&Arc<Keys>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
