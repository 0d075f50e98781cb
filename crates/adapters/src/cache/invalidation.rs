//! The revisions that order the states of a user, and the invalidation of older ones.

use std::sync::Arc;
use std::time::Instant;

use user_domain::user::User;
use user_domain::values::{ServiceTokenId, UserId};

/// The revision of a user that does not exist.
pub(super) const ABSENT: i64 = 0;

/// Returns the revision of a user or its absence.
pub(super) fn revision_of(user: Option<&Arc<User>>) -> i64 {
    user.map_or(ABSENT, |user| user.revision.get())
}

/// A cache that receives invalidations from other replicas.
pub(super) trait InvalidationTarget: Send + Sync {
    /// Records that a revision exists: removes older entries, and keeps reads in flight from storing one.
    fn invalidate(&self, id: UserId, revision: i64);

    /// Removes a service token that has changed.
    fn invalidate_token(&self, id: ServiceTokenId);

    /// Removes everything.
    fn flush(&self);

    /// Drops the minimum revisions recorded before a moment. Redis has confirmed them, or no reader from before that
    /// moment still waits for Redis.
    fn drop_confirmed(&self, moment: Instant);
}
