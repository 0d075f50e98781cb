use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use user_domain::values::UserId;

/// The revisions that this replica knows to exist and that Redis may not have confirmed. Nothing older is accepted
/// from Redis.
///
/// Unlike entries, they are never evicted. They are dropped once Redis has confirmed them.
#[derive(Default)]
pub(super) struct MinimumRevisions {
    known: Mutex<HashMap<UserId, MinimumRevision>>,
}

struct MinimumRevision {
    revision: i64,
    since: Instant,
}

impl MinimumRevisions {
    /// Records a revision.
    pub(super) fn raise(&self, id: UserId, revision: i64, now: Instant) {
        let mut known = self.known();
        let minimum = known.entry(id).or_insert(MinimumRevision {
            revision,
            since: now,
        });
        minimum.revision = minimum.revision.max(revision);
        minimum.since = now;
    }

    /// Returns the newest recorded revision, or `i64::MIN` without one.
    pub(super) fn of(&self, id: UserId) -> i64 {
        self.known()
            .get(&id)
            .map_or(i64::MIN, |minimum| minimum.revision)
    }

    /// Drops what was recorded before a poll of the outbox whose changes Redis has confirmed.
    pub(super) fn drop_confirmed(&self, started: Instant) {
        let mut known = self.known();
        known.retain(|_, minimum| minimum.since >= started);
        if known.is_empty() {
            known.shrink_to(64);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<UserId, MinimumRevision>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use user_domain::test_support::samples::user_id;

    use super::*;

    #[test]
    fn the_highest_recorded_revision_is_the_minimum() {
        let (minimum_revisions, id, now) = (MinimumRevisions::default(), user_id(), Instant::now());
        minimum_revisions.raise(id, 3, now);
        minimum_revisions.raise(id, 2, now);
        assert_eq!(minimum_revisions.of(id), 3);
        assert_eq!(
            minimum_revisions.of(UserId::from_uuid(uuid::Uuid::nil())),
            i64::MIN
        );
    }

    #[test]
    fn a_poll_confirms_only_what_was_recorded_before_it() {
        let (minimum_revisions, id, now) = (MinimumRevisions::default(), user_id(), Instant::now());
        let later = now + Duration::from_millis(1);
        minimum_revisions.raise(id, 3, later);
        minimum_revisions.drop_confirmed(now);
        assert_eq!(minimum_revisions.of(id), 3);
        minimum_revisions.drop_confirmed(later + Duration::from_millis(1));
        assert_eq!(minimum_revisions.of(id), i64::MIN);
    }
}
