//! Minimum revisions that Redis may not have confirmed.

use super::*;

fn tier_with_redis() -> Arc<MemoryTier> {
    let tier = MemoryTier::new(CAPACITY, Guards::default(), &Arc::default());
    Arc::new(tier.with_minimum_revisions())
}

#[test]
fn an_older_revision_is_refused_under_a_later_lease() {
    let (tier, [first, second, _]) = (tier_with_redis(), three());
    tier.invalidate_ahead_of_redis(first.id, 2);
    assert!(!tier.fill(lead(&tier, first.id), Some(&first)));
    assert!(!tier.fill(tier.lease(first.id), None));
    assert_eq!(known(&tier, first.id), None);
    assert!(tier.fill(lead(&tier, first.id), Some(&second)));
    assert_eq!(known(&tier, first.id), Some(2));
}

#[test]
fn a_confirmed_minimum_revision_is_dropped() {
    let (tier, [first, ..]) = (tier_with_redis(), three());
    let before = Instant::now();
    tier.invalidate_ahead_of_redis(first.id, i64::MAX);
    tier.drop_confirmed(before);
    assert!(
        !tier.fill(lead(&tier, first.id), None),
        "confirmed before it was recorded"
    );
    tier.drop_confirmed(Instant::now() + Duration::from_millis(1));
    assert!(tier.fill(lead(&tier, first.id), None));
}

#[test]
fn a_lease_from_before_the_confirmation_keeps_its_minimum() {
    let (tier, [first, ..]) = (tier_with_redis(), three());
    tier.invalidate_ahead_of_redis(first.id, 2);
    let lease = lead(&tier, first.id);
    tier.drop_confirmed(Instant::now() + Duration::from_millis(1));
    assert!(!tier.fill(lease, Some(&first)), "it may have read before");
}

#[test]
fn a_joined_reader_of_redis_gets_nothing_known_to_be_old() {
    let (tier, [first, ..]) = (tier_with_redis(), three());
    for (known, old) in [(2, Some(&first)), (i64::MAX, Some(&first)), (1, None)] {
        let before = Instant::now();
        tier.invalidate_ahead_of_redis(first.id, known);
        let lease = lead(&tier, first.id);
        let flight = join(&tier, first.id);
        assert!(!tier.fill(lease, old));
        assert_eq!(arrived(flight), Some(Err(())), "the reader looks up again");
        tier.drop_confirmed(before.max(Instant::now()) + Duration::from_millis(1));
    }
}

#[test]
fn without_redis_no_minimum_revision_is_recorded() {
    let (tier, [first, ..]) = (tier(), three());
    tier.invalidate_ahead_of_redis(first.id, 2);
    assert!(tier.fill(lead(&tier, first.id), Some(&first)));
}
