use std::sync::Arc;

use futures_util::future::{FutureExt, Shared};
use tokio::sync::oneshot;
use user_domain::user::User;
use user_domain::values::UserId;

use super::MemoryTier;

/// The future result of the reader that leads; an error if that reader gives up.
pub(in crate::cache) type Flight = Shared<oneshot::Receiver<Option<Arc<User>>>>;

/// The leases of the readers and writers of one user.
#[derive(Default)]
pub(super) struct Leases {
    active: Vec<ActiveLease>,
    /// The reader that others may join: the token of its lease, and its future result.
    flight: Option<(u64, Flight)>,
}

/// The lease of one reader or writer.
pub(super) struct ActiveLease {
    token: u64,
    /// The revision that is known to exist. Nothing older may be stored.
    pub(super) minimum: i64,
    /// The minimum when the lease was taken. Readers that join receive nothing older.
    pub(super) initial_minimum: i64,
}

impl Leases {
    pub(super) fn flight(&self) -> Option<Flight> {
        self.flight.as_ref().map(|(_, flight)| flight.clone())
    }

    /// Takes a lease that others may join. `minimum` is the lowest revision that the user can have.
    pub(super) fn lead(
        &mut self,
        tier: &Arc<MemoryTier>,
        id: UserId,
        token: u64,
        minimum: i64,
    ) -> MemoryLease {
        let (sender, receiver) = oneshot::channel();
        self.flight = Some((token, receiver.shared()));
        MemoryLease {
            result_sender: Some(sender),
            ..self.hold(tier, id, token, minimum)
        }
    }

    /// Takes a lease that no reader can join.
    pub(super) fn hold(
        &mut self,
        tier: &Arc<MemoryTier>,
        id: UserId,
        token: u64,
        minimum: i64,
    ) -> MemoryLease {
        self.active.push(ActiveLease {
            token,
            minimum,
            initial_minimum: minimum,
        });
        MemoryLease {
            lease: LeaseGuard {
                tier: tier.clone(),
                id,
                token,
            },
            result_sender: None,
        }
    }

    /// Ends a lease, and returns it if it was active.
    pub(super) fn release(&mut self, token: u64) -> Option<ActiveLease> {
        if self.flight.as_ref().is_some_and(|(own, _)| *own == token) {
            self.flight = None;
        }
        let place = self.active.iter().position(|lease| lease.token == token)?;
        Some(self.active.swap_remove(place))
    }

    /// Keeps the current leases from storing an older revision, and later readers from joining them.
    pub(super) fn invalidate(&mut self, revision: i64) {
        if self.active.iter().all(|lease| lease.minimum >= revision) {
            // The revision is known already: the reader that leads started after that.
            return;
        }
        self.flight = None;
        for lease in &mut self.active {
            lease.minimum = lease.minimum.max(revision);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }
}

/// A lease that a reader or writer holds. Dropping it releases it, and the readers that joined it look up again.
pub(in crate::cache) struct MemoryLease {
    lease: LeaseGuard,
    result_sender: Option<oneshot::Sender<Option<Arc<User>>>>,
}

struct LeaseGuard {
    tier: Arc<MemoryTier>,
    id: UserId,
    token: u64,
}

impl MemoryLease {
    /// The user of the lease.
    pub(in crate::cache) fn id(&self) -> UserId {
        self.lease.id
    }

    pub(super) fn token(&self) -> u64 {
        self.lease.token
    }

    /// Sends the result to the readers that joined.
    pub(super) fn complete(&mut self, found: Option<Arc<User>>) {
        if let Some(result_sender) = self.result_sender.take() {
            // There may be no joined reader.
            let _ = result_sender.send(found);
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.tier.release(self.id, self.token);
    }
}
