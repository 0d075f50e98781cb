//! The relay of events.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::Denied;
use crate::ports::{
    EventMessage, EventRelays as _, FeedError, MockEventPublisher, MockEventRelays, PublishError,
    Records, RelayLease, Retention as _,
};
use crate::test_support::fakes::{FakePublisher, Fakes};
use crate::test_support::mocks::untouched_ports;
use crate::test_support::samples::{context, new_user, person, registered, service, user_id};
use crate::use_cases::{
    Leadership, Ports, ReadEvent, RelayEvents, RelayEventsError, RelayLag, RelayTerm,
};

struct World {
    fakes: Fakes,
    broker: Arc<FakePublisher>,
    users: AtomicUsize,
}

#[expect(clippy::unnecessary_wraps, reason = "it is an `EncodeEvent`")]
fn encode(store: Uuid, read: &ReadEvent) -> Result<Vec<u8>, String> {
    Ok(format!("{store} {} {}", read.at.get(), read.shows_actor).into_bytes())
}

impl World {
    fn new() -> Self {
        Self {
            fakes: Fakes::default(),
            broker: Arc::default(),
            users: AtomicUsize::default(),
        }
    }

    /// Returns the relay of another replica.
    fn replica(&self) -> RelayEvents {
        RelayEvents::new(&self.fakes.ports(), self.broker.clone(), encode, false)
    }

    fn add_users(&self, count: usize) {
        for _ in 0..count {
            let name = format!("user{}", self.users.fetch_add(1, Ordering::Relaxed));
            self.fakes
                .store
                .put(&registered(&new_user(&name), &context()));
        }
    }
}

async fn lead(relay: &RelayEvents) -> RelayTerm {
    match relay.take(&Caller::Operator).await {
        Ok(Leadership::Leader(term)) => term,
        other => panic!("expected the lease, got {other:?}"),
    }
}

fn ids(messages: &[EventMessage]) -> Vec<Uuid> {
    messages.iter().map(|message| message.id).collect()
}

#[tokio::test]
async fn only_the_operator_relays_events() {
    let relay = RelayEvents::new(
        &Ports {
            ids: Fakes::default().ids,
            ..untouched_ports()
        },
        Arc::new(MockEventPublisher::new()),
        encode,
        false,
    );
    for caller in [service("posts"), person(user_id())] {
        let taken = relay.take(&caller).await;
        assert_eq!(taken, Err(RelayEventsError::Denied(Denied::Forbidden)));
    }
}

#[tokio::test]
async fn all_events_are_published_once_in_order_and_the_next_leader_continues() {
    let world = World::new();
    world.add_users(3);
    let (first, second) = (world.replica(), world.replica());
    let mut term = lead(&first).await;
    let lags = Mutex::new(Vec::new());
    let page = first
        .relay_page(&mut term, |lag| lags.lock().unwrap().push(lag))
        .await
        .unwrap();
    assert_eq!((page.published, page.has_more), (3, false));
    let lags = lags.into_inner().unwrap();
    assert_eq!((lags[0].positions, lags[0].since.is_some()), (3, true));
    assert_eq!(lags[1], RelayLag::default());
    assert!(matches!(
        second.take(&Caller::Operator).await,
        Ok(Leadership::Follower(remaining)) if remaining <= RelayEvents::LEASE
    ));
    first.resign(term.epoch()).await.unwrap();
    assert_eq!(world.broker.closed(), 1);
    world.add_users(2);
    let mut term = lead(&second).await;
    let page = second.relay_page(&mut term, |_| {}).await.unwrap();
    assert_eq!(page.published, 2);
    let messages = world.broker.messages();
    assert_eq!(messages.len(), 5);
    let positions: Vec<i64> = messages
        .iter()
        .map(|message| String::from_utf8(message.body.clone()).unwrap())
        .map(|body| body.split(' ').nth(1).unwrap().parse().unwrap())
        .collect();
    assert_eq!(positions, [1, 2, 3, 4, 5]);
    assert!(
        messages
            .iter()
            .all(|message| message.kind == "user.created")
    );
}

#[tokio::test]
async fn a_page_that_is_not_confirmed_is_published_again() {
    let world = World::new();
    world.add_users(2);
    let relay = world.replica();
    let mut term = lead(&relay).await;
    world.broker.fail_with(Some(PublishError::Refused));
    let failed = relay.relay_page(&mut term, |_| {}).await;
    assert_eq!(
        failed,
        Err(RelayEventsError::Publish(PublishError::Refused))
    );
    relay.resign(term.epoch()).await.unwrap();
    world.broker.fail_with(None);
    let mut term = lead(&relay).await;
    relay.relay_page(&mut term, |_| {}).await.unwrap();
    let messages = ids(&world.broker.messages());
    assert_eq!(messages[..2], messages[2..]);
}

#[tokio::test]
async fn a_leader_whose_lease_was_taken_stores_nothing() {
    let world = World::new();
    world.add_users(2);
    let (paused, relay) = (world.replica(), world.replica());
    let mut old = lead(&paused).await;
    // The lease of the paused leader ends.
    paused.resign(old.epoch()).await.unwrap();
    let mut term = lead(&relay).await;
    relay.relay_page(&mut term, |_| {}).await.unwrap();
    world.add_users(1);
    assert_eq!(
        paused.relay_page(&mut old, |_| {}).await,
        Err(RelayEventsError::LeaseLost)
    );
    assert_eq!(
        paused.renew(old.epoch()).await,
        Err(RelayEventsError::LeaseLost)
    );
    relay.renew(term.epoch()).await.unwrap();
    let page = relay.relay_page(&mut term, |_| {}).await.unwrap();
    assert_eq!(page.published, 1);
}

#[tokio::test]
async fn a_position_before_purged_events_continues_at_the_oldest_event() {
    let world = World::new();
    world.add_users(1);
    let relay = world.replica();
    let mut term = lead(&relay).await;
    relay.relay_page(&mut term, |_| {}).await.unwrap();
    world.add_users(2);
    let later = context().at.plus(Records::Events.retention() * 2);
    world
        .fakes
        .store
        .purge(Records::Events, later)
        .await
        .unwrap();
    world.add_users(1);
    let gap = relay.relay_page(&mut term, |_| {}).await;
    assert_eq!(gap, Err(RelayEventsError::Gap(FeedError::Expired)));
    let page = relay.relay_page(&mut term, |_| {}).await.unwrap();
    assert_eq!(page.published, 1);
}

#[tokio::test]
async fn nothing_is_written_while_there_are_no_events() {
    let world = World::new();
    world.add_users(1);
    let first = world.replica();
    let mut term = lead(&first).await;
    first.relay_page(&mut term, |_| {}).await.unwrap();
    first.resign(term.epoch()).await.unwrap();
    let lease = world
        .fakes
        .store
        .take("amqp", Uuid::nil(), RelayEvents::LEASE);
    let position = lease.await.unwrap().unwrap().position;
    let mut relays = MockEventRelays::new();
    relays
        .expect_lease_remaining()
        .returning(|_| Ok(Duration::ZERO));
    relays
        .expect_take()
        .returning(move |_, _, _| Ok(Some(RelayLease { epoch: 7, position })));
    let ports = Ports {
        event_relays: Arc::new(relays),
        ..world.fakes.ports()
    };
    let relay = RelayEvents::new(&ports, world.broker.clone(), encode, false);
    let mut term = lead(&relay).await;
    // A call of `advance` would fail the test.
    let page = relay.relay_page(&mut term, |_| {}).await.unwrap();
    assert_eq!((page.published, page.has_more), (0, false));
}

#[tokio::test]
async fn failures_of_the_store_and_of_the_encoder_are_returned() {
    let world = World::new();
    world.add_users(1);
    let broken = |_: Uuid, _: &ReadEvent| Err("not text".to_owned());
    let relay = RelayEvents::new(&world.fakes.ports(), world.broker.clone(), broken, false);
    let mut term = lead(&relay).await;
    let failed = relay.relay_page(&mut term, |_| {}).await;
    assert_eq!(
        failed,
        Err(RelayEventsError::Encoding("not text".to_owned()))
    );
    assert_eq!(world.broker.messages(), []);
    let mut relays = MockEventRelays::new();
    let away = StoreError::Unavailable("away".to_owned());
    let failure = away.clone();
    relays
        .expect_lease_remaining()
        .returning(move |_| Err(failure.clone()));
    let ports = Ports {
        event_relays: Arc::new(relays),
        ..world.fakes.ports()
    };
    let relay = RelayEvents::new(&ports, world.broker.clone(), encode, false);
    let failed = relay.take(&Caller::Operator).await;
    assert_eq!(failed, Err(RelayEventsError::Store(away)));
}
