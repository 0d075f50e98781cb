use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use user_domain::values::UserId;

/// What this replica knows to exist and Redis may not have been told: nothing older is taken from there.
///
/// Never evicted, unlike entries; emptied when Redis has been told of what was known.
#[derive(Default)]
pub(super) struct Floors {
    known: Mutex<HashMap<UserId, Floor>>,
}

struct Floor {
    version: i64,
    since: Instant,
}

impl Floors {
    /// Takes note of a version.
    pub(super) fn raise(&self, id: UserId, version: i64, now: Instant) {
        let mut known = self.known();
        let floor = known.entry(id).or_insert(Floor {
            version,
            since: now,
        });
        floor.version = floor.version.max(version);
        floor.since = now;
    }

    /// The newest version known; the lowest there is if none is.
    pub(super) fn of(&self, id: UserId) -> i64 {
        self.known()
            .get(&id)
            .map_or(i64::MIN, |floor| floor.version)
    }

    /// Forgets what was known before a look at the outbox of which Redis has been told.
    pub(super) fn settle(&self, begun: Instant) {
        let mut known = self.known();
        known.retain(|_, floor| floor.since >= begun);
        if known.is_empty() {
            known.shrink_to(64);
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<UserId, Floor>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use user_domain::test_support::samples::user_id;

    use super::*;

    #[test]
    fn the_highest_version_known_is_the_floor() {
        let (floors, id, now) = (Floors::default(), user_id(), Instant::now());
        floors.raise(id, 3, now);
        floors.raise(id, 2, now);
        assert_eq!(floors.of(id), 3);
        assert_eq!(floors.of(UserId::from_uuid(uuid::Uuid::nil())), i64::MIN);
    }

    #[test]
    fn only_what_was_known_before_a_look_is_settled_by_it() {
        let (floors, id, now) = (Floors::default(), user_id(), Instant::now());
        let later = now + Duration::from_millis(1);
        floors.raise(id, 3, later);
        floors.settle(now);
        assert_eq!(floors.of(id), 3);
        floors.settle(later + Duration::from_millis(1));
        assert_eq!(floors.of(id), i64::MIN);
    }
}
