//! Internals that the benchmarks measure. They are public only with the feature `removable-guards`, which no release
//! has.

use user_domain::directory::{CheckedQuery, Position};
use user_domain::view::UserView;

use crate::bodies::{UserBody, json};
use crate::cursor;
use crate::response_cache::ResponseCache;
use crate::signing::SigningKeys;

/// Serialises the body of a user; `None` if that fails.
pub fn body(view: &UserView) -> Option<Vec<u8>> {
    json(&UserBody::from(view)).ok()
}

/// The cache of serialised users.
pub struct CachedBodies(ResponseCache);

impl Default for CachedBodies {
    fn default() -> Self {
        let keys = SigningKeys::new(&[7; 32]);
        Self(ResponseCache::new(keys.entity_tags().clone()))
    }
}

impl CachedBodies {
    /// Returns the length of a user's body, and serialises it if it is not cached.
    pub fn length(&self, view: &UserView) -> Option<usize> {
        self.0.get(view).ok().map(|response| response.body.len())
    }
}

/// The cursors of one list.
pub struct Cursors {
    keys: SigningKeys,
    query: CheckedQuery,
}

impl Cursors {
    /// Creates the cursors of a query under a key.
    pub fn new(sealing_key: &[u8; 32], query: CheckedQuery) -> Self {
        Self {
            keys: SigningKeys::new(sealing_key),
            query,
        }
    }

    /// Encodes and signs a position.
    pub fn encode(&self, position: &Position) -> String {
        cursor::encode(&self.keys, &self.query, position)
    }

    /// Verifies and decodes a position.
    pub fn decode(&self, text: &str) -> Option<Position> {
        cursor::decode(&self.keys, &self.query, text)
    }
}
