//! The contract of [`crate::ports::EventRelays`].

use std::time::Duration;

use uuid::Uuid;

use super::{StoreUnderTest, race};
use crate::ports::{FeedPosition, FeedRequest, FeedStart, RelayLease};
use crate::test_support::samples::new_user;

const RELAY: &str = "relay";
/// A lease that outlasts every test.
const LONG: Duration = Duration::from_mins(5);
const RACERS: usize = 8;

fn holder(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

impl StoreUnderTest {
    async fn taken(&self, number: u128, lease: Duration) -> Option<RelayLease> {
        let taken = self.event_relays.take(RELAY, holder(number), lease).await;
        taken.expect("an answer")
    }

    async fn leads(&self, number: u128, lease: Duration) -> RelayLease {
        self.taken(number, lease).await.expect("a lease")
    }

    async fn advanced(&self, epoch: i64, position: &FeedPosition) -> bool {
        let advanced = self.event_relays.advance(RELAY, epoch, position).await;
        advanced.expect("an answer")
    }

    async fn renewed(&self, epoch: i64, lease: Duration) -> bool {
        let renewed = self.event_relays.renew(RELAY, epoch, lease).await;
        renewed.expect("an answer")
    }

    async fn remaining(&self) -> Duration {
        let remaining = self.event_relays.lease_remaining(RELAY).await;
        remaining.expect("an answer")
    }

    async fn released(&self, epoch: i64) {
        let released = self.event_relays.release(RELAY, epoch).await;
        released.expect("an answer");
    }

    /// Adds two users, and returns the position after the event of each.
    async fn two_positions(&self) -> [FeedPosition; 2] {
        self.added(&new_user("alice")).await;
        let first = self.newest().await;
        self.added(&new_user("bob")).await;
        [first, self.newest().await]
    }
}

/// A lease that is valid is not given to another holder. The same holder takes it again with a greater epoch.
pub async fn a_valid_lease_has_one_holder(store: &StoreUnderTest) {
    assert_eq!(store.remaining().await, Duration::ZERO);
    let first = store.leads(1, LONG).await;
    assert_eq!(first.position, None);
    assert_eq!(store.taken(2, LONG).await, None);
    let remaining = store.remaining().await;
    assert!(
        remaining > Duration::ZERO && remaining <= LONG,
        "{remaining:?}"
    );
    let again = store.leads(1, LONG).await;
    assert!(again.epoch > first.epoch);
    assert!(!store.renewed(first.epoch, LONG).await);
    // Another relay is independent.
    let other = store.event_relays.take("other", holder(2), LONG).await;
    assert!(other.expect("an answer").is_some());
}

/// A lease that has expired or was released can be taken, with a greater epoch and the stored position.
pub async fn an_expired_or_released_lease_is_taken_with_its_position(store: &StoreUnderTest) {
    let [alice, bob] = store.two_positions().await;
    let first = store.leads(1, Duration::ZERO).await;
    assert!(store.advanced(first.epoch, &alice).await);
    assert_eq!(store.remaining().await, Duration::ZERO);
    let second = store.leads(2, LONG).await;
    assert!(second.epoch > first.epoch);
    assert_eq!(second.position, Some(alice));
    assert!(store.advanced(second.epoch, &bob).await);
    store.released(second.epoch).await;
    assert_eq!(store.remaining().await, Duration::ZERO);
    let third = store.leads(3, LONG).await;
    assert!(third.epoch > second.epoch);
    assert_eq!(third.position, Some(bob));
}

/// A stored position continues the feed.
pub async fn a_stored_position_continues_the_feed(store: &StoreUnderTest) {
    let [alice, bob] = store.two_positions().await;
    let lease = store.leads(1, LONG).await;
    assert!(store.advanced(lease.epoch, &alice).await);
    let stored = store.leads(1, LONG).await.position.expect("a position");
    let request = FeedRequest {
        limit: 10,
        ..store.request(FeedStart::After(stored)).await
    };
    let page = store.feed(&request).await.expect("a page");
    assert_eq!((page.events.len(), page.end), (1, bob));
}

/// A renewal extends the lease, also one that has expired and was not taken.
pub async fn a_renewal_extends_the_lease(store: &StoreUnderTest) {
    let lease = store.leads(1, Duration::ZERO).await;
    assert!(store.renewed(lease.epoch, LONG).await);
    assert!(store.remaining().await > Duration::ZERO);
    assert_eq!(store.taken(2, LONG).await, None);
}

/// The holder of a lease that has been taken since can renew, advance and release nothing.
pub async fn a_former_holder_changes_nothing(store: &StoreUnderTest) {
    let [alice, bob] = store.two_positions().await;
    let former = store.leads(1, Duration::ZERO).await;
    let current = store.leads(2, LONG).await;
    assert!(store.advanced(current.epoch, &bob).await);
    assert!(!store.renewed(former.epoch, Duration::ZERO).await);
    assert!(!store.advanced(former.epoch, &alice).await);
    store.released(former.epoch).await;
    assert_eq!(store.taken(1, LONG).await, None);
    let again = store.leads(2, LONG).await;
    assert_eq!(again.position, Some(bob));
}

/// One of several racing replicas takes a lease.
pub async fn one_of_several_racing_replicas_takes_the_lease(store: &StoreUnderTest) {
    for round in 0..4 {
        let taken = race(store, RACERS, |store, number| async move {
            let number = u128::try_from(number).expect("a small number") + 1;
            store.taken(number, LONG).await
        });
        let taken: Vec<RelayLease> = taken.await.into_iter().flatten().collect();
        let [lease] = &*taken else {
            panic!("round {round}: {taken:?}");
        };
        store.released(lease.epoch).await;
    }
}
