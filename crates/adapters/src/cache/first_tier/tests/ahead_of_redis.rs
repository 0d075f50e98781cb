//! What is known to exist, and Redis may not have been told.

use super::*;

fn before_redis() -> Arc<FirstTier> {
    let tier = FirstTier::new(ROOM, Guards::default(), &Arc::default());
    Arc::new(tier.before_redis())
}

#[test]
fn what_redis_may_tell_too_late_is_refused_under_a_later_lease() {
    let (tier, [first, second, _]) = (before_redis(), three());
    tier.raise_ahead_of_redis(first.id, 2);
    assert!(!tier.fill(lead(&tier, first.id), Some(&first)));
    assert!(!tier.fill(tier.lease(first.id), None));
    assert_eq!(known(&tier, first.id), None);
    assert!(tier.fill(lead(&tier, first.id), Some(&second)));
    assert_eq!(known(&tier, first.id), Some(2));
}

#[test]
fn what_redis_has_been_told_of_is_settled() {
    let (tier, [first, ..]) = (before_redis(), three());
    let before = Instant::now();
    tier.raise_ahead_of_redis(first.id, i64::MAX);
    tier.settle(before);
    assert!(!tier.fill(lead(&tier, first.id), None), "told too early");
    tier.settle(Instant::now() + Duration::from_millis(1));
    assert!(tier.fill(lead(&tier, first.id), None));
}

#[test]
fn a_lease_from_before_redis_was_told_stays_below() {
    let (tier, [first, ..]) = (before_redis(), three());
    tier.raise_ahead_of_redis(first.id, 2);
    let held = lead(&tier, first.id);
    tier.settle(Instant::now() + Duration::from_millis(1));
    assert!(!tier.fill(held, Some(&first)), "it may have read before");
}

#[test]
fn who_joins_a_reader_of_redis_is_not_given_what_is_known_to_be_old() {
    let (tier, [first, ..]) = (before_redis(), three());
    for (known, old) in [(2, Some(&first)), (i64::MAX, Some(&first)), (1, None)] {
        let before = Instant::now();
        tier.raise_ahead_of_redis(first.id, known);
        let held = lead(&tier, first.id);
        let flight = join(&tier, first.id);
        assert!(!tier.fill(held, old));
        assert_eq!(arrived(flight), Some(Err(())), "it looks again");
        tier.settle(before.max(Instant::now()) + Duration::from_millis(1));
    }
}

#[test]
fn without_redis_nothing_is_remembered_for_it() {
    let (tier, [first, ..]) = (tier(), three());
    tier.raise_ahead_of_redis(first.id, 2);
    assert!(tier.fill(lead(&tier, first.id), Some(&first)));
}
