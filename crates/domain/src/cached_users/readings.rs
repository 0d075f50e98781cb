//! The results of reads, and when a cached or shared result is valid for a key.

use std::sync::Arc;

use crate::ports::{FreshnessSource, Hit, MissReason, Tier, UserKey};
use crate::user::User;
use crate::values::UserId;

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Freshness {
    /// Within the cache's staleness bound.
    #[default]
    Bounded,
    /// The current state of the store.
    Current,
}

/// The result of a read, and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The user; none if it does not exist.
    pub user: Option<Arc<User>>,
    /// The source of the answer.
    pub source: Source,
}

impl Reading {
    /// Returns the id of the user that was requested by a key, if it is known, and the user, if it exists and its blocks
    /// are known. A block may not have arrived at a standby.
    pub(crate) fn requested(&self, key: &UserKey) -> Option<(UserId, Option<&User>)> {
        match (&self.user, key) {
            (Some(user), _) => {
                let are_blocks_known = self.source != Source::Standby;
                Some((user.id, are_blocks_known.then_some(&**user)))
            }
            (None, UserKey::Id(id)) => Some((*id, None)),
            (None, _) => None,
        }
    }
}

/// The source of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A tier of the cache, and the evidence that the value is fresh.
    Cache(Tier, FreshnessSource),
    /// A read of the store by another reader that was already in flight.
    Coalesced,
    /// The store, because the cache missed.
    Store(MissReason),
    /// The store, because the reader required current data.
    Bypassed,
    /// A standby of the store, because the cache missed and the store was unavailable.
    Standby,
}

/// Returns a cache hit as a reading, if it is valid for the key. An absence is valid for an id only. A user is valid if
/// the key still identifies it.
pub(super) fn reading_from_hit(key: &UserKey, hit: Hit) -> Option<Reading> {
    let source = Source::Cache(hit.tier, hit.freshness_source);
    valid_reading(key, hit.user, source)
}

/// Returns the result of a standby as a reading.
pub(super) fn reading_from_standby(user: Option<Arc<User>>) -> Reading {
    Reading {
        user,
        source: Source::Standby,
    }
}

/// Returns the result of another reader as a reading, under the conditions of [`reading_from_hit`].
pub(super) fn reading_from_in_flight(key: &UserKey, user: Option<Arc<User>>) -> Option<Reading> {
    valid_reading(key, user, Source::Coalesced)
}

fn valid_reading(key: &UserKey, user: Option<Arc<User>>, source: Source) -> Option<Reading> {
    let is_valid = match &user {
        Some(user) => key.identifies(user),
        None => matches!(key, UserKey::Id(_)),
    };
    is_valid.then_some(Reading { user, source })
}
