//! What benches measure that nobody else can reach; only under the feature `removable-guards`, which no release has.

use user_domain::directory::{CheckedQuery, Position};
use user_domain::view::UserView;

use crate::bodies::{UserBody, json};
use crate::cursor;
use crate::ready::ReadyUsers;
use crate::seal::Seal;

/// Writes the whole body of a user; none if it has no JSON.
pub fn body(view: &UserView) -> Option<Vec<u8>> {
    json(&UserBody::from(view)).ok()
}

/// The bodies of users that were shown before.
#[derive(Default)]
pub struct ReadyBodies(ReadyUsers);

impl ReadyBodies {
    /// Gives the length of a user's body, which is written only if it is not kept.
    pub fn length(&self, view: &UserView) -> Option<usize> {
        self.0.get(view).ok().map(|ready| ready.body.len())
    }
}

/// The cursors of one walk.
pub struct Cursors {
    seal: Seal,
    query: CheckedQuery,
}

impl Cursors {
    /// Those of a walk, under a key.
    pub fn new(sealing_key: &[u8; 32], query: CheckedQuery) -> Self {
        Self {
            seal: Seal::new(sealing_key),
            query,
        }
    }

    /// Seals a place.
    pub fn seal(&self, position: &Position) -> String {
        cursor::write(&self.seal, &self.query, position)
    }

    /// Opens a sealed place.
    pub fn open(&self, text: &str) -> Option<Position> {
        cursor::read(&self.seal, &self.query, text)
    }
}
