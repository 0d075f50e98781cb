//! What each guard is for: without it, the promise is broken.

use super::*;

fn tier_without(guard: Guard) -> Arc<FirstTier> {
    let guards = Guards::without(guard);
    Arc::new(FirstTier::new(ROOM, guards, &Arc::default()))
}

#[test]
fn without_leases_a_slow_reader_brings_back_what_was_replaced() {
    let (tier, [first, ..]) = (tier_without(Guard::Lease), three());
    let slow = lead(&tier, first.id);
    tier.raise(first.id, 2);
    tier.fill(slow, Some(&first));
    assert_eq!(known(&tier, first.id), Some(1));
}

#[test]
fn without_versions_an_older_user_replaces_a_newer_one() {
    let (tier, [first, second, _]) = (tier_without(Guard::VersionCheck), three());
    let slow = tier.lease(first.id);
    tier.fill(lead(&tier, first.id), Some(&second));
    tier.fill(slow, Some(&first));
    assert_eq!(known(&tier, first.id), Some(1));
}

#[test]
fn without_shared_flights_every_reader_leads() {
    let (tier, id) = (tier_without(Guard::SharedFlight), samples::user_id());
    let _first = lead(&tier, id);
    let _second = lead(&tier, id);
}

#[test]
fn an_absence_that_does_not_yield_stays() {
    let (tier, id) = (tier_without(Guard::AbsenceYields), samples::user_id());
    tier.fill(lead(&tier, id), None);
    tier.raise(id, 1);
    assert_eq!(known(&tier, id), Some(ABSENT));
}
