use user_domain::ports::EventPosition;
use user_domain::test_support::fakes::FixedClock;
use user_domain::test_support::samples::{start, user_id};
use user_domain::values::Revision;

use super::*;

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

/// The recent changes of a process with a clock that the test sets.
struct Known {
    recent: RecentChanges,
    clock: Arc<FixedClock>,
}

impl Known {
    /// Returns a process that knows all changes, of which there are none.
    fn all() -> Self {
        let known = Self::nothing();
        known.recent.record_page(&page([], None, false));
        known
    }

    fn nothing() -> Self {
        Self::guarded(Guards::default())
    }

    fn guarded(guards: Guards) -> Self {
        let clock = Arc::new(FixedClock::from(start()));
        let recent = RecentChanges::new(clock.clone(), guards);
        Self { recent, clock }
    }

    /// Whether a revision is accepted whose reader started this long ago.
    fn accepts(&self, id: UserId, revision: i64, age: Duration) -> bool {
        let now = self.recent.now();
        let started = now - i64::try_from(age.as_micros()).unwrap();
        self.recent
            .accepts(id, SealedHeader { revision, started }, now)
    }

    fn changed(&self, id: UserId, revision: i64, kind: EventKind) {
        self.recent
            .record_change(&change(id, revision, kind, start()));
    }

    fn advance(&self, time: Duration) {
        self.clock.set(self.clock.now().plus(time));
    }
}

fn change(id: UserId, revision: i64, kind: EventKind, at: Timestamp) -> Changed {
    Changed {
        id,
        revision: Revision::from_i64(revision).unwrap(),
        kind,
        at,
    }
}

fn page(
    changed: impl IntoIterator<Item = Changed>,
    latest: Option<Timestamp>,
    has_more: bool,
) -> PastChanges {
    PastChanges {
        changed: changed.into_iter().collect(),
        latest,
        next: has_more.then(|| EventPosition::from_store(1)),
    }
}

fn minutes_ago(minutes: u64) -> Timestamp {
    Timestamp::from_utc(start().as_utc() - MINUTE * u32::try_from(minutes).unwrap())
}

#[test]
fn a_value_is_accepted_only_within_the_lifetime_of_its_entry() {
    let (known, id) = (Known::all(), user_id());
    assert!(known.accepts(id, 1, Duration::ZERO));
    assert!(known.accepts(id, 1, HOUR + MINUTE));
    assert!(!known.accepts(id, 1, HOUR + MINUTE + SECOND));
    assert!(known.accepts(id, ABSENT, ABSENCE_TTL + MINUTE));
    assert!(!known.accepts(id, ABSENT, ABSENCE_TTL + MINUTE + SECOND));
}

#[test]
fn a_value_from_the_future_is_accepted_only_within_the_tolerance() {
    let (known, id) = (Known::all(), user_id());
    let now = known.recent.now();
    for (ahead, is_accepted) in [(MINUTE, true), (MINUTE + SECOND, false)] {
        let started = now + i64::try_from(ahead.as_micros()).unwrap();
        let header = SealedHeader {
            revision: 1,
            started,
        };
        assert_eq!(
            known.recent.accepts(id, header, now),
            is_accepted,
            "{ahead:?}"
        );
    }
    let extremes = [i64::MIN, i64::MAX];
    for started in extremes {
        let header = SealedHeader {
            revision: 1,
            started,
        };
        assert!(!known.recent.accepts(id, header, now), "{started}");
    }
}

#[test]
fn nothing_older_than_a_change_is_accepted() {
    let (known, id) = (Known::all(), user_id());
    known.changed(id, 5, EventKind::Suspended);
    known.changed(id, 4, EventKind::Updated);
    for (revision, is_accepted) in [(ABSENT, false), (4, false), (5, true), (6, true)] {
        assert_eq!(
            known.accepts(id, revision, SECOND),
            is_accepted,
            "{revision}"
        );
    }
    assert!(known.accepts(user_id(), 1, SECOND), "another user");
}

#[test]
fn only_the_absence_of_an_erased_user_is_accepted() {
    let (known, id) = (Known::all(), user_id());
    known.changed(id, 5, EventKind::Erased);
    known.changed(id, 4, EventKind::Updated);
    for revision in [1, 5, 6, i64::MAX - 1] {
        assert!(!known.accepts(id, revision, SECOND), "{revision}");
    }
    assert!(known.accepts(id, ABSENT, SECOND));
}

#[test]
fn the_absence_of_a_created_user_is_refused() {
    let (known, id) = (Known::all(), user_id());
    known.changed(id, 7, EventKind::Created);
    assert!(!known.accepts(id, ABSENT, SECOND));
    assert!(known.accepts(id, 7, SECOND));
}

/// Invalidation messages come through Redis, where any client can publish them: none makes an absence valid.
#[test]
fn a_message_refuses_older_values_and_validates_no_absence() {
    let known = Known::all();
    let [changed, erased] = [user_id(), user_id()];
    known.recent.record_message(changed, 3);
    known.recent.record_message(erased, i64::MAX);
    assert!(!known.accepts(changed, 2, SECOND));
    assert!(known.accepts(changed, 3, SECOND));
    for revision in [ABSENT, 1, 1000] {
        assert!(!known.accepts(erased, revision, SECOND), "{revision}");
    }
    known.changed(erased, 2, EventKind::Erased);
    assert!(known.accepts(erased, ABSENT, SECOND));
}

#[test]
fn nothing_is_accepted_before_the_outbox_was_read() {
    let (known, id) = (Known::nothing(), user_id());
    known.changed(user_id(), 2, EventKind::Updated);
    for age in [Duration::ZERO, MINUTE, HOUR] {
        assert!(!known.accepts(id, 1, age));
    }
    known.recent.record_page(&page([], None, false));
    assert!(known.accepts(id, 1, HOUR));
    known.recent.reset();
    assert!(!known.accepts(id, 1, Duration::ZERO));
}

#[test]
fn values_are_accepted_as_far_back_as_the_outbox_was_read() {
    let known = Known::nothing();
    let [other, early, late] = [user_id(), user_id(), user_id()];
    let of = |id, minutes| change(id, 3, EventKind::Updated, minutes_ago(minutes));
    known.recent.record_page(&page(
        [of(late, 2), of(other, 5)],
        Some(minutes_ago(2)),
        true,
    ));
    // Every change later than the whole page is known, within the clock tolerance.
    assert!(!known.accepts(user_id(), 1, MINUTE * 2));
    assert!(!known.accepts(user_id(), 1, MINUTE));
    assert!(known.accepts(user_id(), 1, SECOND * 59));
    known
        .recent
        .record_page(&page([of(early, 20)], Some(minutes_ago(20)), true));
    assert!(known.accepts(user_id(), 1, MINUTE * 18));
    assert!(!known.accepts(user_id(), 1, MINUTE * 19));
    for id in [other, early, late] {
        assert!(!known.accepts(id, 2, MINUTE * 10));
        assert!(known.accepts(id, 3, MINUTE * 10));
    }
    known.recent.record_page(&page([], None, false));
    assert!(known.accepts(user_id(), 1, HOUR));
    assert!(!known.accepts(early, 2, HOUR));
}

#[test]
fn a_change_is_kept_while_an_older_value_can_be_accepted() {
    let (known, id, created) = (Known::all(), user_id(), user_id());
    known.changed(id, 2, EventKind::Updated);
    known.changed(created, 1, EventKind::Created);
    for _ in 0..80 {
        known.advance(MINUTE);
        known.recent.sweep();
        // A value may have been stored at any time before the change, within the clock tolerance.
        for minutes in 0..150 {
            let age = MINUTE * minutes;
            let since = known.clock.now().since(start());
            if age + MINUTE >= since {
                assert!(!known.accepts(id, 1, age), "{minutes} min, {since:?}");
                assert!(
                    !known.accepts(created, ABSENT, age),
                    "{minutes} min, {since:?}"
                );
            }
        }
    }
    assert_eq!(known.recent.shard(id).minimums.len(), 0, "it is dropped");
}

#[test]
fn a_clock_jump_ahead_and_back_accepts_nothing_old() {
    let (known, id) = (Known::all(), user_id());
    let started = known.recent.now();
    known.changed(id, 2, EventKind::Updated);
    known.advance(HOUR * 5);
    known.recent.sweep();
    known.clock.set(start().plus(SECOND));
    let header = SealedHeader {
        revision: 1,
        started,
    };
    assert!(!known.recent.accepts(id, header, known.recent.now()));
}

#[test]
fn a_sweep_with_a_clock_ahead_is_detected_afterwards() {
    let (known, id) = (Known::all(), user_id());
    known.advance(HOUR * 24 * 365);
    assert!(!known.recent.sweep());
    known.clock.set(start());
    assert!(!known.accepts(id, 1, SECOND));
    assert!(known.recent.sweep());
    known.recent.reset();
    assert!(!known.accepts(id, 1, SECOND), "no change is known");
    known.recent.record_page(&page([], None, false));
    assert!(known.accepts(id, 1, SECOND));
    assert!(!known.recent.sweep());
}

/// Returns this number of ids that end in the same byte.
fn of_one_shard(count: usize) -> impl Iterator<Item = UserId> {
    (0..count).map(|number| UserId::from_uuid(uuid::Uuid::from_u128((number as u128) << 8)))
}

#[test]
fn changes_beyond_the_capacity_cost_only_misses() {
    let known = Known::all();
    let started = known.recent.now() - 1;
    let ids: Vec<UserId> = of_one_shard(SHARD_CAPACITY * 5).collect();
    let mut kept = 0;
    for (number, id) in ids.iter().enumerate() {
        known.changed(*id, 2, EventKind::Updated);
        known.advance(Duration::from_millis(100));
        kept = kept.max(known.recent.shard(*id).minimums.len());
        if number % 97 == 0 {
            let now = known.recent.now();
            for id in ids.iter().take(number + 1) {
                let header = SealedHeader {
                    revision: 1,
                    started,
                };
                assert!(!known.recent.accepts(*id, header, now), "{number}");
            }
        }
    }
    assert!(kept <= SHARD_CAPACITY, "{kept}");
    let last = ids[ids.len() - 1];
    assert!(!known.accepts(last, 1, Duration::ZERO));
    assert!(known.accepts(last, 2, Duration::ZERO));
    let other_shard = UserId::from_uuid(uuid::Uuid::from_u128(1));
    assert!(known.accepts(other_shard, 1, HOUR));
}

#[test]
fn an_import_of_many_users_costs_only_absences() {
    let known = Known::all();
    let changed = UserId::from_uuid(uuid::Uuid::from_u128(256 << 100));
    known.changed(changed, 2, EventKind::Updated);
    for id in of_one_shard(SHARD_CAPACITY * 3) {
        known.changed(id, 1, EventKind::Created);
    }
    let other = UserId::from_uuid(uuid::Uuid::from_u128(256 << 101));
    assert!(!known.accepts(changed, 1, SECOND));
    assert!(known.accepts(changed, 2, HOUR));
    assert!(known.accepts(other, 1, HOUR));
    assert!(!known.accepts(other, ABSENT, MINUTE));
    known.advance(MINUTE * 5);
    assert!(known.accepts(other, ABSENT, MINUTE));
}

#[test]
fn a_scan_beyond_the_capacity_keeps_the_newest_changes() {
    let known = Known::nothing();
    let ids: Vec<UserId> = of_one_shard(SHARD_CAPACITY * 3).collect();
    let at = |place: usize| {
        let seconds = u32::try_from(place).unwrap();
        Timestamp::from_utc(start().as_utc() - SECOND * seconds / 2)
    };
    for (number, part) in ids.chunks(500).enumerate() {
        let place = |offset: usize| number * 500 + offset;
        let changes = part
            .iter()
            .enumerate()
            .map(|(offset, id)| change(*id, 2, EventKind::Updated, at(place(offset))));
        known
            .recent
            .record_page(&page(changes, Some(at(place(0))), true));
    }
    known.recent.record_page(&page([], None, false));
    let before_all = Duration::from_secs(ids.len() as u64 / 2 + 1);
    for id in &ids {
        assert!(!known.accepts(*id, 1, before_all.min(HOUR)));
    }
    assert!(known.recent.shard(ids[0]).minimums.contains_key(&ids[0]));
    let untouched = UserId::from_uuid(uuid::Uuid::from_u128(256 << 100));
    assert!(known.accepts(untouched, 1, MINUTE * 4));
}

#[cfg(feature = "removable-guards")]
#[test]
fn each_rule_depends_on_its_own_guard() {
    let id = user_id();
    for (guard, old_revision, old_value) in [
        (Guard::SealAge, false, true),
        (Guard::RecentChanges, true, false),
    ] {
        let known = Known::guarded(Guards::without(guard));
        known.recent.record_page(&page([], None, false));
        known.changed(id, 2, EventKind::Updated);
        assert_eq!(known.accepts(id, 1, MINUTE * 2), old_revision, "{guard:?}");
        assert_eq!(
            known.accepts(user_id(), 1, HOUR * 3),
            old_value,
            "{guard:?}"
        );
    }
}
