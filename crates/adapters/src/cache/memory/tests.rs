//! The rules of the in-process tier, one by one. [`races`] tests them concurrently.

mod ahead_of_redis;
mod capacity;
mod races;
#[cfg(feature = "removable-guards")]
mod removed;

use std::future::Future;

use futures_util::FutureExt as _;
use user_domain::test_support::samples;
use user_domain::user::UserState;
use user_domain::values::Revision;

use super::*;
use crate::cache::invalidation::ABSENT;

const CAPACITY: u64 = 16 << 20;

fn tier() -> Arc<MemoryTier> {
    tier_of(CAPACITY)
}

fn tier_of(bytes: u64) -> Arc<MemoryTier> {
    Arc::new(MemoryTier::new(bytes, Guards::default(), &Arc::default()))
}

/// Returns the revisions of one user, in ascending order.
fn history(revisions: i64) -> Vec<Arc<User>> {
    let user = samples::user("alice");
    (1..=revisions).map(|number| at(&user, number)).collect()
}

fn at(user: &User, revision: i64) -> Arc<User> {
    Arc::new(User::from_store(UserState {
        revision: Revision::from_i64(revision).unwrap(),
        ..(**user).clone()
    }))
}

fn three() -> [Arc<User>; 3] {
    history(3).try_into().unwrap()
}

/// Starts a read that no other reader has started.
#[track_caller]
fn lead(tier: &Arc<MemoryTier>, id: UserId) -> MemoryLease {
    match tier.look_up(id) {
        MemoryLookup::Leading(lease) => lease,
        MemoryLookup::Known(entry) => panic!("already cached: {entry:?}"),
        MemoryLookup::Joined(_) => panic!("another reader leads"),
    }
}

/// Joins a read that another reader has started.
#[track_caller]
fn join(tier: &Arc<MemoryTier>, id: UserId) -> Flight {
    match tier.look_up(id) {
        MemoryLookup::Joined(flight) => flight,
        MemoryLookup::Known(entry) => panic!("already cached: {entry:?}"),
        MemoryLookup::Leading(_) => panic!("no reader leads"),
    }
}

/// Returns the cached revision: 0 for an absence, `None` without an entry.
fn known(tier: &Arc<MemoryTier>, id: UserId) -> Option<i64> {
    match tier.look_up(id) {
        MemoryLookup::Known(entry) => Some(entry.revision()),
        MemoryLookup::Joined(_) | MemoryLookup::Leading(_) => None,
    }
}

/// Returns `None` while the read is in flight, then an error if the leader gave up, or the result.
fn arrived(flight: Flight) -> Option<Result<Option<i64>, ()>> {
    let arrived = at_once(flight)?;
    Some(
        arrived
            .map(|user| user.map(|user| user.revision.get()))
            .map_err(|_| ()),
    )
}

fn at_once<F: Future>(future: F) -> Option<F::Output> {
    future.now_or_never()
}

fn has_leases(tier: &MemoryTier) -> bool {
    tier.shards
        .iter()
        .any(|shard| !shard.lock().unwrap().is_empty())
}

#[test]
fn a_filled_entry_is_found() {
    let (tier, [first, ..]) = (tier(), three());
    assert!(tier.fill(lead(&tier, first.id), Some(&first)));
    for _ in 0..3 {
        match tier.look_up(first.id) {
            MemoryLookup::Known(entry) => assert_eq!(entry.user, Some(first.clone())),
            MemoryLookup::Joined(_) | MemoryLookup::Leading(_) => panic!("not cached"),
        }
    }
    assert_eq!(known(&tier, samples::user_id()), None);
}

#[test]
fn an_absence_is_cached_too() {
    let (tier, id) = (tier(), samples::user_id());
    assert!(tier.fill(lead(&tier, id), None));
    match tier.look_up(id) {
        MemoryLookup::Known(entry) => assert_eq!(entry.user, None),
        MemoryLookup::Joined(_) | MemoryLookup::Leading(_) => panic!("not cached"),
    }
}

#[test]
fn a_joined_reader_gets_the_result_of_the_leader() {
    let [first, ..] = three();
    for found in [Some(first.clone()), None] {
        let tier = tier();
        let lease = lead(&tier, first.id);
        let flights = [join(&tier, first.id), join(&tier, first.id)];
        assert!(
            flights
                .iter()
                .all(|flight| arrived(flight.clone()).is_none())
        );
        assert!(tier.fill(lease, found.as_ref()));
        for flight in flights {
            assert_eq!(at_once(flight).unwrap().unwrap(), found);
        }
    }
}

#[test]
fn a_leader_that_gives_up_fails_its_joiners_and_the_next_leads() {
    let (tier, [first, ..]) = (tier(), three());
    let lease = lead(&tier, first.id);
    let flight = join(&tier, first.id);
    drop(lease);
    assert_eq!(arrived(flight), Some(Err(())));
    assert!(tier.fill(lead(&tier, first.id), Some(&first)));
}

#[test]
fn a_writers_lease_cannot_be_joined() {
    let (tier, [first, ..]) = (tier(), three());
    let writing = tier.lease(first.id);
    let reading = lead(&tier, first.id);
    let flight = join(&tier, first.id);
    drop(writing);
    assert_eq!(arrived(flight.clone()), None, "the leader still reads");
    drop(reading);
    assert_eq!(arrived(flight), Some(Err(())));
}

#[test]
fn reads_of_different_users_in_one_shard_are_independent() {
    let (tier, [first, ..]) = (tier(), three());
    // The last byte selects the shard, so these two ids share one.
    let bytes = *first.id.as_uuid().as_bytes();
    let other = (0..=u8::MAX)
        .map(|byte| {
            let mut bytes = bytes;
            bytes[14] = byte;
            UserId::parse(&uuid::Uuid::from_bytes(bytes).to_string()).unwrap()
        })
        .find(|id| *id != first.id)
        .unwrap();
    let (lease, others) = (lead(&tier, first.id), lead(&tier, other));
    tier.invalidate(other, 9);
    let flight = join(&tier, first.id);
    drop(others);
    assert!(tier.fill(lease, Some(&first)));
    assert_eq!(arrived(flight), Some(Ok(Some(1))));
    assert_eq!(known(&tier, other), None);
}

#[test]
fn a_fill_below_the_invalidated_revision_is_refused() {
    let (tier, [first, ..]) = (tier(), three());
    for older in [Some(&first), None] {
        let lease = lead(&tier, first.id);
        tier.invalidate(first.id, 2);
        assert!(!tier.fill(lease, older));
        assert_eq!(known(&tier, first.id), None);
    }
}

#[test]
fn a_fill_at_or_above_the_invalidated_revision_is_accepted() {
    let [_, second, third] = three();
    for newer in [&second, &third] {
        let tier = tier();
        let lease = lead(&tier, newer.id);
        tier.invalidate(newer.id, 2);
        assert!(tier.fill(lease, Some(newer)));
        assert_eq!(known(&tier, newer.id), Some(newer.revision.get()));
    }
}

#[test]
fn the_highest_invalidated_revision_counts() {
    let (tier, [_, second, _]) = (tier(), three());
    let lease = lead(&tier, second.id);
    tier.invalidate(second.id, 3);
    tier.invalidate(second.id, 1);
    assert!(!tier.fill(lease, Some(&second)));
}

#[test]
fn an_invalidation_affects_leases_in_flight_and_no_later_one() {
    let (tier, [first, ..]) = (tier(), three());
    let slow = [
        lead(&tier, first.id),
        tier.lease(first.id),
        tier.lease(first.id),
    ];
    tier.invalidate(first.id, 2);
    let later = tier.lease(first.id);
    for lease in slow {
        assert!(!tier.fill(lease, Some(&first)));
    }
    // A later lease may store what it reads, also the lower revision of a restored backup.
    assert!(tier.fill(later, Some(&first)));
}

#[test]
fn a_read_from_before_a_change_cannot_be_joined() {
    let (tier, [first, second, _]) = (tier(), three());
    let slow = lead(&tier, first.id);
    let before = join(&tier, first.id);
    tier.invalidate(first.id, 2);
    let anew = lead(&tier, first.id);
    let after = join(&tier, first.id);
    assert!(!tier.fill(slow, Some(&first)));
    assert_eq!(arrived(before), Some(Ok(Some(1))), "it joined before");
    assert_eq!(arrived(after.clone()), None);
    assert!(tier.fill(anew, Some(&second)));
    assert_eq!(arrived(after), Some(Ok(Some(2))));
}

#[test]
fn the_end_of_an_outdated_read_keeps_a_later_one() {
    let (tier, [first, ..]) = (tier(), three());
    let slow = lead(&tier, first.id);
    tier.invalidate(first.id, 2);
    let _anew = lead(&tier, first.id);
    drop(slow);
    let flight = join(&tier, first.id);
    assert_eq!(arrived(flight), None);
}

#[test]
fn an_invalidation_removes_only_older_entries() {
    let (tier, [_, second, _]) = (tier(), three());
    tier.fill(lead(&tier, second.id), Some(&second));
    tier.invalidate(second.id, 1);
    assert_eq!(known(&tier, second.id), Some(2));
    tier.invalidate(second.id, 2);
    assert_eq!(known(&tier, second.id), Some(2));
    tier.invalidate(samples::user_id(), i64::MAX);
    assert_eq!(known(&tier, second.id), Some(2));
    tier.invalidate(second.id, 3);
    assert_eq!(known(&tier, second.id), None);
}

#[test]
fn an_absence_ends_with_the_first_revision() {
    let (tier, [first, ..]) = (tier(), three());
    tier.fill(lead(&tier, first.id), None);
    tier.invalidate(first.id, 1);
    assert_eq!(known(&tier, first.id), None);
}

#[test]
fn an_erased_user_is_removed_and_may_be_cached_as_absent() {
    let (tier, [.., third]) = (tier(), three());
    tier.fill(lead(&tier, third.id), Some(&third));
    tier.invalidate(third.id, i64::MAX);
    assert_eq!(known(&tier, third.id), None);
    assert!(tier.fill(lead(&tier, third.id), None));
    assert_eq!(known(&tier, third.id), Some(ABSENT));
}

#[test]
fn a_fill_never_replaces_a_newer_entry() {
    let (tier, [first, second, third]) = (tier(), three());
    let slow: Vec<MemoryLease> = (0..2).map(|_| tier.lease(first.id)).collect();
    assert!(tier.fill(lead(&tier, first.id), Some(&second)));
    for (lease, older) in slow.into_iter().zip([Some(&first), None]) {
        assert!(!tier.fill(lease, older));
        assert_eq!(known(&tier, first.id), Some(2));
    }
    for newer in [&second, &third] {
        assert!(tier.fill(tier.lease(first.id), Some(newer)));
        assert_eq!(known(&tier, first.id), Some(newer.revision.get()));
    }
}

#[test]
fn a_flush_removes_every_entry() {
    let tier = tier();
    let users: Vec<Arc<User>> = (0..200).map(|_| at(&samples::user("bob"), 1)).collect();
    for user in &users {
        tier.fill(lead(&tier, user.id), Some(user));
    }
    tier.flush();
    assert!(users.iter().all(|user| known(&tier, user.id).is_none()));
    for user in &users {
        assert!(
            tier.fill(lead(&tier, user.id), Some(user)),
            "it may be cached again"
        );
    }
    assert!(users.iter().all(|user| known(&tier, user.id) == Some(1)));
}

#[test]
fn a_flush_voids_the_leases_in_flight() {
    let (tier, [first, ..]) = (tier(), three());
    let slow = [lead(&tier, first.id), tier.lease(first.id)];
    let before = join(&tier, first.id);
    tier.flush();
    let anew = lead(&tier, first.id);
    for (lease, found) in slow.into_iter().zip([Some(&first), None]) {
        assert!(!tier.fill(lease, found));
        assert_eq!(known(&tier, first.id), None);
    }
    assert_eq!(arrived(before), Some(Ok(Some(1))), "it joined before");
    assert!(tier.fill(anew, Some(&first)));
}

#[test]
fn without_memory_nothing_is_cached_and_readers_still_join() {
    let (tier, [first, ..]) = (tier_of(0), three());
    let lease = lead(&tier, first.id);
    let flight = join(&tier, first.id);
    assert!(tier.fill(lease, Some(&first)), "accepted for the next tier");
    assert_eq!(arrived(flight), Some(Ok(Some(1))));
    assert_eq!(known(&tier, first.id), None);
    let slow = lead(&tier, first.id);
    tier.invalidate(first.id, 2);
    assert!(!tier.fill(slow, Some(&first)));
    assert!(!has_leases(&tier));
}

#[test]
fn ended_leases_leave_no_memory_behind() {
    let (tier, [first, ..]) = (tier(), three());
    for id in [first.id, samples::user_id()] {
        let (lease, also) = (lead(&tier, id), tier.lease(id));
        drop(join(&tier, id));
        tier.invalidate(id, 1);
        tier.flush();
        let anew = lead(&tier, id);
        assert!(has_leases(&tier));
        tier.fill(lease, Some(&first));
        drop(also);
        drop(anew);
        assert!(!has_leases(&tier));
    }
    tier.fill(lead(&tier, first.id), Some(&first));
    tier.invalidate(first.id, 5);
    tier.invalidate(samples::user_id(), 5);
    drop(tier.look_up(first.id));
    assert!(!has_leases(&tier));
}
