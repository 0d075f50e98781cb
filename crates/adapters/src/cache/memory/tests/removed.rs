//! Shows that without each guard its guarantee is broken.

use super::*;

fn tier_without(guard: Guard) -> Arc<MemoryTier> {
    let guards = Guards::without(guard);
    Arc::new(MemoryTier::new(CAPACITY, guards, &Arc::default()))
}

#[test]
fn without_leases_a_slow_reader_restores_a_replaced_user() {
    let (tier, [first, ..]) = (tier_without(Guard::Lease), three());
    let slow = lead(&tier, first.id);
    tier.invalidate(first.id, 2);
    tier.fill(slow, Some(&first));
    assert_eq!(known(&tier, first.id), Some(1));
}

#[test]
fn without_the_version_check_an_older_user_replaces_a_newer_one() {
    let (tier, [first, second, _]) = (tier_without(Guard::VersionCheck), three());
    let slow = tier.lease(first.id);
    tier.fill(lead(&tier, first.id), Some(&second));
    tier.fill(slow, Some(&first));
    assert_eq!(known(&tier, first.id), Some(1));
}

#[test]
fn without_read_coalescing_every_reader_leads() {
    let (tier, id) = (tier_without(Guard::ReadCoalescing), samples::user_id());
    let _first = lead(&tier, id);
    let _second = lead(&tier, id);
}

#[test]
fn without_absence_invalidation_an_absence_stays() {
    let (tier, id) = (tier_without(Guard::AbsenceInvalidation), samples::user_id());
    tier.fill(lead(&tier, id), None);
    tier.invalidate(id, 1);
    assert_eq!(known(&tier, id), Some(ABSENT));
}
