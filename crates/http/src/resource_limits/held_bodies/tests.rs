use std::time::Duration;

use user_domain::values::UserId;
use uuid::Uuid;

use super::*;

const KIB: usize = 1024;

fn user(n: u128) -> CallerKey {
    CallerKey::User(UserId::from_uuid(Uuid::from_u128(n)))
}

fn service() -> CallerKey {
    CallerKey::Service("posts".to_owned())
}

fn bodies(limit: usize) -> HeldBodies {
    HeldBodies::new(limit, 64 * MIB)
}

fn is_ended(end: &mut BodyEnd) -> bool {
    end.try_recv() == Err(oneshot::error::TryRecvError::Closed)
}

fn totals(bodies: &HeldBodies) -> (usize, usize) {
    let table = bodies.table();
    (table.count, table.bytes.held())
}

async fn pass(milliseconds: u64) {
    tokio::time::advance(Duration::from_millis(milliseconds)).await;
}

#[tokio::test(start_paused = true)]
async fn at_its_limit_a_caller_loses_only_its_own_slowest_body() {
    let bodies = bodies(1024);
    let (_other, mut other_end) = bodies.hold(service(), 0).unwrap();
    pass(10).await;
    let mut held: Vec<_> = (0..USER_LIMIT.bodies)
        .map(|_| bodies.hold(user(1), 0).unwrap())
        .collect();
    pass(10).await;
    // All have the same age; the first has more bytes than the others.
    held[0].0.grow(KIB).unwrap();
    let (_newest, mut newest_end) = bodies.hold(user(1), 0).unwrap();
    let ended: Vec<usize> = (0..held.len())
        .filter(|n| is_ended(&mut held[*n].1))
        .collect();
    assert_eq!(ended, [1]);
    assert!(!is_ended(&mut other_end) && !is_ended(&mut newest_end));
    assert_eq!(held[1].0.complete(), Err(BodyNotHeld::Slowest));
    assert_eq!(held[1].0.grow(1), Err(BodyNotHeld::Slowest));
    assert_eq!(held[0].0.complete(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn at_the_total_limit_the_caller_with_most_bodies_loses_its_slowest() {
    let bodies = bodies(8);
    let (_slow, mut slow_end) = bodies.hold(user(1), 0).unwrap();
    pass(1000).await;
    let mut held: Vec<_> = (0..7).map(|_| bodies.hold(user(2), 0).unwrap()).collect();
    pass(10).await;
    let (_newest, mut newest_end) = bodies.hold(user(3), 0).unwrap();
    assert!(!is_ended(&mut slow_end) && !is_ended(&mut newest_end));
    assert_eq!(
        held.iter_mut()
            .filter_map(|(_, end)| is_ended(end).then_some(()))
            .count(),
        1
    );
    assert_eq!(totals(&bodies), (8, 0));
}

#[tokio::test(start_paused = true)]
async fn bytes_are_limited_per_caller_and_in_total() {
    let bodies = HeldBodies::new(1024, 10 * MIB);
    let (idle, mut idle_end) = bodies.hold(user(1), 0).unwrap();
    let mut held: Vec<_> = (0..8).map(|_| bodies.hold(user(1), MIB).unwrap()).collect();
    pass(10).await;
    // The ninth mebibyte of one user ends one of its bodies, but not the empty one, which would free nothing.
    let ninth = bodies.hold(user(1), MIB).unwrap();
    let ended = |held: &mut [(HeldBody, BodyEnd)]| {
        held.iter_mut()
            .filter_map(|(_, end)| is_ended(end).then_some(()))
            .count()
    };
    assert_eq!((ended(&mut held), is_ended(&mut idle_end)), (1, false));
    assert_eq!(totals(&bodies).1, 8 * MIB);
    // Another caller may use the remaining bytes. After that, the caller with the most bytes loses bodies.
    let others: Vec<_> = (0..4)
        .map(|n| bodies.hold(user(10 + n), MIB).unwrap())
        .collect();
    assert_eq!(ended(&mut held), 3);
    assert_eq!(totals(&bodies).1, 10 * MIB);
    drop((idle, held, ninth, others));
    assert_eq!(totals(&bodies), (0, 0));
    assert!(bodies.table().callers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_complete_body_is_never_ended_and_blocks_further_ones() {
    let bodies = bodies(1024);
    let mut complete: Vec<_> = (0..8).map(|_| bodies.hold(user(1), MIB).unwrap()).collect();
    for (held, _) in &complete {
        held.complete().unwrap();
    }
    assert!(
        complete.iter_mut().all(|(_, end)| is_ended(end)),
        "a complete body still has a sender"
    );
    assert_eq!(
        bodies.hold(user(1), MIB).unwrap_err(),
        BodyNotHeld::LimitReached
    );
    assert_eq!(totals(&bodies), (8, 8 * MIB));
    assert!(bodies.hold(user(2), MIB).is_ok());
    complete.pop();
    assert!(bodies.hold(user(1), MIB).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_service_may_have_more_bodies_than_a_person() {
    let bodies = bodies(1024);
    let mut held: Vec<_> = (0..SERVICE_LIMIT.bodies)
        .map(|_| bodies.hold(service(), 0).unwrap())
        .collect();
    assert!(held.iter_mut().all(|(_, end)| !is_ended(end)));
    let _one_more = bodies.hold(service(), 0).unwrap();
    assert_eq!(totals(&bodies).0, SERVICE_LIMIT.bodies);
}

#[tokio::test(start_paused = true)]
async fn a_new_body_is_not_the_slowest() {
    let bodies = bodies(2);
    let (_idle, mut idle_end) = bodies.hold(user(1), 0).unwrap();
    pass(1000).await;
    let (_new, mut new_end) = bodies.hold(user(1), 0).unwrap();
    pass(1).await;
    let _newest = bodies.hold(user(1), 0).unwrap();
    assert!(is_ended(&mut idle_end) && !is_ended(&mut new_end));
}
