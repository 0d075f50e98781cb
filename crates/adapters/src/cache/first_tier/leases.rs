use std::sync::Arc;

use futures_util::future::{FutureExt, Shared};
use tokio::sync::oneshot;
use user_domain::user::User;
use user_domain::values::UserId;

use super::FirstTier;
use crate::cache::redis::SecondLease;

/// What the leader of a flight will have found; an error if it gave up.
pub(in crate::cache) type Flight = Shared<oneshot::Receiver<Option<Arc<User>>>>;

/// Those who are reading or writing one user.
#[derive(Default)]
pub(super) struct Leases {
    holders: Vec<Holder>,
    /// The reader that others may join, by its token.
    flight: Option<(u64, Flight)>,
}

/// One who is reading or writing a user.
pub(super) struct Holder {
    token: u64,
    /// The version that is known to exist: nothing older may be filled in.
    pub(super) floor: i64,
    /// The floor as it was when the lease was taken: those who join are given nothing older.
    pub(super) first_floor: i64,
}

impl Leases {
    pub(super) fn flight(&self) -> Option<Flight> {
        self.flight.as_ref().map(|(_, flight)| flight.clone())
    }

    /// Takes a lease that others may join, of a user whose version is known to be `floor` at least.
    pub(super) fn lead(
        &mut self,
        tier: &Arc<FirstTier>,
        id: UserId,
        token: u64,
        floor: i64,
    ) -> Held {
        let (sender, receiver) = oneshot::channel();
        self.flight = Some((token, receiver.shared()));
        Held {
            arrival: Some(sender),
            ..self.hold(tier, id, token, floor)
        }
    }

    /// Takes a lease, of a user whose version is known to be `floor` at least.
    pub(super) fn hold(
        &mut self,
        tier: &Arc<FirstTier>,
        id: UserId,
        token: u64,
        floor: i64,
    ) -> Held {
        self.holders.push(Holder {
            token,
            floor,
            first_floor: floor,
        });
        Held {
            lease: HeldLease {
                tier: tier.clone(),
                id,
                token,
            },
            arrival: None,
            second: None,
        }
    }

    /// Takes a lease back.
    pub(super) fn release(&mut self, token: u64) -> Option<Holder> {
        if self.flight.as_ref().is_some_and(|(own, _)| *own == token) {
            self.flight = None;
        }
        let place = self
            .holders
            .iter()
            .position(|holder| holder.token == token)?;
        Some(self.holders.swap_remove(place))
    }

    /// Lets nobody who holds a lease now fill in what is older, and nobody who comes later join them.
    pub(super) fn raise(&mut self, version: i64) {
        if self.holders.iter().all(|holder| holder.floor >= version) {
            // It is known already: whoever leads began after that.
            return;
        }
        self.flight = None;
        for holder in &mut self.holders {
            holder.floor = holder.floor.max(version);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }
}

/// A lease in somebody's hands; dropping it gives it back and lets those who joined it look again.
pub(in crate::cache) struct Held {
    lease: HeldLease,
    arrival: Option<oneshot::Sender<Option<Arc<User>>>>,
    /// The lease of the same user in the second tier.
    pub(in crate::cache) second: Option<SecondLease>,
}

struct HeldLease {
    tier: Arc<FirstTier>,
    id: UserId,
    token: u64,
}

impl Held {
    /// Whose it is.
    pub(in crate::cache) fn id(&self) -> UserId {
        self.lease.id
    }

    pub(super) fn token(&self) -> u64 {
        self.lease.token
    }

    /// Tells those who have joined.
    pub(super) fn arrive(&mut self, found: Option<Arc<User>>) {
        if let Some(arrival) = self.arrival.take() {
            // Nobody may have joined.
            let _ = arrival.send(found);
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.tier.give_back(self.id, self.token);
    }
}
