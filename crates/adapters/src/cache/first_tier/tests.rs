//! The rules of the tier, one by one; [`races`] has them all at once.

mod ahead_of_redis;
mod races;
#[cfg(feature = "removable-guards")]
mod removed;
mod room;

use std::future::Future;

use futures_util::FutureExt as _;
use user_domain::test_support::samples;
use user_domain::user::UserState;
use user_domain::values::Version;

use super::*;

const ROOM: u64 = 16 << 20;

fn tier() -> Arc<FirstTier> {
    tier_of(ROOM)
}

fn tier_of(bytes: u64) -> Arc<FirstTier> {
    Arc::new(FirstTier::new(bytes, Guards::default(), &Arc::default()))
}

/// One user at so many versions, the first first.
fn history(versions: i64) -> Vec<Arc<User>> {
    let user = samples::user("alice");
    (1..=versions).map(|number| at(&user, number)).collect()
}

fn at(user: &User, version: i64) -> Arc<User> {
    Arc::new(User::from_store(UserState {
        version: Version::from_i64(version).unwrap(),
        ..(**user).clone()
    }))
}

fn three() -> [Arc<User>; 3] {
    history(3).try_into().unwrap()
}

/// Begins a look that nobody else has begun.
#[track_caller]
fn lead(tier: &Arc<FirstTier>, id: UserId) -> Held {
    match tier.begin(id) {
        Begun::Leading(held) => held,
        Begun::Known(entry) => panic!("known already: {entry:?}"),
        Begun::Joined(_) => panic!("somebody else leads"),
    }
}

/// Begins a look that somebody else has begun.
#[track_caller]
fn join(tier: &Arc<FirstTier>, id: UserId) -> Flight {
    match tier.begin(id) {
        Begun::Joined(flight) => flight,
        Begun::Known(entry) => panic!("known already: {entry:?}"),
        Begun::Leading(_) => panic!("nobody leads"),
    }
}

/// The version known: 0 of an absence, none if nothing is.
fn known(tier: &Arc<FirstTier>, id: UserId) -> Option<i64> {
    match tier.begin(id) {
        Begun::Known(entry) => Some(entry.version()),
        Begun::Joined(_) | Begun::Leading(_) => None,
    }
}

/// What has arrived: nothing yet, an end without an answer, or an answer.
fn arrived(flight: Flight) -> Option<Result<Option<i64>, ()>> {
    let arrived = at_once(flight)?;
    Some(
        arrived
            .map(|user| user.map(|user| user.version.get()))
            .map_err(|_| ()),
    )
}

fn at_once<F: Future>(future: F) -> Option<F::Output> {
    future.now_or_never()
}

fn has_leases(tier: &FirstTier) -> bool {
    tier.shards
        .iter()
        .any(|shard| !shard.lock().unwrap().is_empty())
}

#[test]
fn what_was_filled_in_is_known() {
    let (tier, [first, ..]) = (tier(), three());
    assert!(tier.fill(lead(&tier, first.id), Some(&first)));
    for _ in 0..3 {
        match tier.begin(first.id) {
            Begun::Known(entry) => assert_eq!(entry.user, Some(first.clone())),
            Begun::Joined(_) | Begun::Leading(_) => panic!("unknown"),
        }
    }
    assert_eq!(known(&tier, samples::user_id()), None);
}

#[test]
fn that_there_is_nobody_is_known_too() {
    let (tier, id) = (tier(), samples::user_id());
    assert!(tier.fill(lead(&tier, id), None));
    match tier.begin(id) {
        Begun::Known(entry) => assert_eq!(entry.user, None),
        Begun::Joined(_) | Begun::Leading(_) => panic!("unknown"),
    }
}

#[test]
fn who_joins_gets_what_the_leader_found() {
    let [first, ..] = three();
    for found in [Some(first.clone()), None] {
        let tier = tier();
        let held = lead(&tier, first.id);
        let flights = [join(&tier, first.id), join(&tier, first.id)];
        assert!(
            flights
                .iter()
                .all(|flight| arrived(flight.clone()).is_none())
        );
        assert!(tier.fill(held, found.as_ref()));
        for flight in flights {
            assert_eq!(at_once(flight).unwrap().unwrap(), found);
        }
    }
}

#[test]
fn who_joined_a_leader_that_gives_up_is_told_so_and_the_next_leads() {
    let (tier, [first, ..]) = (tier(), three());
    let held = lead(&tier, first.id);
    let flight = join(&tier, first.id);
    drop(held);
    assert_eq!(arrived(flight), Some(Err(())));
    assert!(tier.fill(lead(&tier, first.id), Some(&first)));
}

#[test]
fn nobody_joins_a_lease_that_is_no_look() {
    let (tier, [first, ..]) = (tier(), three());
    let writing = tier.lease(first.id);
    let reading = lead(&tier, first.id);
    let flight = join(&tier, first.id);
    drop(writing);
    assert_eq!(arrived(flight.clone()), None, "the leader is still there");
    drop(reading);
    assert_eq!(arrived(flight), Some(Err(())));
}

#[test]
fn looks_at_others_do_not_meet() {
    let (tier, [first, ..]) = (tier(), three());
    // The last byte says in which shard a user is: these two share one.
    let bytes = *first.id.as_uuid().as_bytes();
    let other = (0..=u8::MAX)
        .map(|byte| {
            let mut bytes = bytes;
            bytes[14] = byte;
            UserId::parse(&uuid::Uuid::from_bytes(bytes).to_string()).unwrap()
        })
        .find(|id| *id != first.id)
        .unwrap();
    let (held, others) = (lead(&tier, first.id), lead(&tier, other));
    tier.raise(other, 9);
    let flight = join(&tier, first.id);
    drop(others);
    assert!(tier.fill(held, Some(&first)));
    assert_eq!(arrived(flight), Some(Ok(Some(1))));
    assert_eq!(known(&tier, other), None);
}

#[test]
fn a_fill_below_what_was_raised_is_refused() {
    let (tier, [first, ..]) = (tier(), three());
    for older in [Some(&first), None] {
        let held = lead(&tier, first.id);
        tier.raise(first.id, 2);
        assert!(!tier.fill(held, older));
        assert_eq!(known(&tier, first.id), None);
    }
}

#[test]
fn a_fill_at_or_above_what_was_raised_is_taken() {
    let [_, second, third] = three();
    for newer in [&second, &third] {
        let tier = tier();
        let held = lead(&tier, newer.id);
        tier.raise(newer.id, 2);
        assert!(tier.fill(held, Some(newer)));
        assert_eq!(known(&tier, newer.id), Some(newer.version.get()));
    }
}

#[test]
fn the_highest_of_what_was_raised_counts() {
    let (tier, [_, second, _]) = (tier(), three());
    let held = lead(&tier, second.id);
    tier.raise(second.id, 3);
    tier.raise(second.id, 1);
    assert!(!tier.fill(held, Some(&second)));
}

#[test]
fn every_lease_in_flight_is_raised_and_no_later_one() {
    let (tier, [first, ..]) = (tier(), three());
    let slow = [
        lead(&tier, first.id),
        tier.lease(first.id),
        tier.lease(first.id),
    ];
    tier.raise(first.id, 2);
    let later = tier.lease(first.id);
    for held in slow {
        assert!(!tier.fill(held, Some(&first)));
    }
    // Whoever takes a lease now reads what is there now, were it of a version that comes after a restored backup.
    assert!(tier.fill(later, Some(&first)));
}

#[test]
fn nobody_joins_a_look_from_before_a_change() {
    let (tier, [first, second, _]) = (tier(), three());
    let slow = lead(&tier, first.id);
    let before = join(&tier, first.id);
    tier.raise(first.id, 2);
    let anew = lead(&tier, first.id);
    let after = join(&tier, first.id);
    assert!(!tier.fill(slow, Some(&first)));
    assert_eq!(arrived(before), Some(Ok(Some(1))), "it asked before");
    assert_eq!(arrived(after.clone()), None);
    assert!(tier.fill(anew, Some(&second)));
    assert_eq!(arrived(after), Some(Ok(Some(2))));
}

#[test]
fn a_detached_look_that_ends_takes_no_later_one_with_it() {
    let (tier, [first, ..]) = (tier(), three());
    let slow = lead(&tier, first.id);
    tier.raise(first.id, 2);
    let _anew = lead(&tier, first.id);
    drop(slow);
    let flight = join(&tier, first.id);
    assert_eq!(arrived(flight), None);
}

#[test]
fn raising_drops_what_is_older_and_nothing_else() {
    let (tier, [_, second, _]) = (tier(), three());
    tier.fill(lead(&tier, second.id), Some(&second));
    tier.raise(second.id, 1);
    assert_eq!(known(&tier, second.id), Some(2));
    tier.raise(second.id, 2);
    assert_eq!(known(&tier, second.id), Some(2));
    tier.raise(samples::user_id(), i64::MAX);
    assert_eq!(known(&tier, second.id), Some(2));
    tier.raise(second.id, 3);
    assert_eq!(known(&tier, second.id), None);
}

#[test]
fn an_absence_ends_with_the_first_version() {
    let (tier, [first, ..]) = (tier(), three());
    tier.fill(lead(&tier, first.id), None);
    tier.raise(first.id, 1);
    assert_eq!(known(&tier, first.id), None);
}

#[test]
fn who_was_erased_is_dropped_and_may_be_known_as_absent() {
    let (tier, [.., third]) = (tier(), three());
    tier.fill(lead(&tier, third.id), Some(&third));
    tier.raise(third.id, i64::MAX);
    assert_eq!(known(&tier, third.id), None);
    assert!(tier.fill(lead(&tier, third.id), None));
    assert_eq!(known(&tier, third.id), Some(ABSENT));
}

#[test]
fn a_fill_never_replaces_what_is_newer() {
    let (tier, [first, second, third]) = (tier(), three());
    let slow: Vec<Held> = (0..2).map(|_| tier.lease(first.id)).collect();
    assert!(tier.fill(lead(&tier, first.id), Some(&second)));
    for (held, older) in slow.into_iter().zip([Some(&first), None]) {
        assert!(!tier.fill(held, older));
        assert_eq!(known(&tier, first.id), Some(2));
    }
    for newer in [&second, &third] {
        assert!(tier.fill(tier.lease(first.id), Some(newer)));
        assert_eq!(known(&tier, first.id), Some(newer.version.get()));
    }
}

#[test]
fn a_flush_forgets_everybody() {
    let tier = tier();
    let users: Vec<Arc<User>> = (0..200).map(|_| at(&samples::user("bob"), 1)).collect();
    for user in &users {
        tier.fill(lead(&tier, user.id), Some(user));
    }
    tier.flush();
    assert!(users.iter().all(|user| known(&tier, user.id).is_none()));
    for user in &users {
        assert!(tier.fill(lead(&tier, user.id), Some(user)), "and then anew");
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
    for (held, found) in slow.into_iter().zip([Some(&first), None]) {
        assert!(!tier.fill(held, found));
        assert_eq!(known(&tier, first.id), None);
    }
    assert_eq!(arrived(before), Some(Ok(Some(1))), "it asked before");
    assert!(tier.fill(anew, Some(&first)));
}

#[test]
fn without_memory_nobody_is_kept_and_readers_still_join() {
    let (tier, [first, ..]) = (tier_of(0), three());
    let held = lead(&tier, first.id);
    let flight = join(&tier, first.id);
    assert!(tier.fill(held, Some(&first)), "good for the next tier");
    assert_eq!(arrived(flight), Some(Ok(Some(1))));
    assert_eq!(known(&tier, first.id), None);
    let slow = lead(&tier, first.id);
    tier.raise(first.id, 2);
    assert!(!tier.fill(slow, Some(&first)));
    assert!(!has_leases(&tier));
}

#[test]
fn leases_leave_nothing_behind() {
    let (tier, [first, ..]) = (tier(), three());
    for id in [first.id, samples::user_id()] {
        let (held, also) = (lead(&tier, id), tier.lease(id));
        drop(join(&tier, id));
        tier.raise(id, 1);
        tier.flush();
        let anew = lead(&tier, id);
        assert!(has_leases(&tier));
        tier.fill(held, Some(&first));
        drop(also);
        drop(anew);
        assert!(!has_leases(&tier));
    }
    tier.fill(lead(&tier, first.id), Some(&first));
    tier.raise(first.id, 5);
    tier.raise(samples::user_id(), 5);
    drop(tier.begin(first.id));
    assert!(!has_leases(&tier));
}
