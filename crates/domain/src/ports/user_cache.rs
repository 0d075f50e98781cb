use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use super::UserKey;
use crate::user::User;
use crate::values::UserId;

/// Remembers users by id, and that there is no user of an id.
///
/// It can only make things faster. It never fails: what it cannot tell is a [`Lookup::Miss`]. What it tells is never
/// older than what this replica has written, nor, by more than its bound, than what another has.
///
/// A miss comes with a lease, and only what was read from the store under a lease may be filled in. A write of the user
/// voids the leases taken before it, so that a slow reader never brings back what the write replaced.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserCache: Send + Sync {
    /// Looks for users, an answer for each id in the ids' order; the ids are all different.
    ///
    /// While one reader holds the lease of a miss, others that look for the same user are told that it is
    /// [`Lookup::Coming`]; when the lease is dropped without a fill they are told so, and look again.
    async fn look_up(&self, ids: &[UserId]) -> Vec<Lookup>;

    /// Gives a user that is known here and now, without waiting for anything; what is not given may be known all the same.
    fn known(&self, id: UserId) -> Option<Hit>;

    /// Tells who bore a name or an older id when it was last seen. A hint: somebody else may bear it now.
    fn hint(&self, key: &UserKey) -> Option<UserId>;

    /// Takes a lease before a user is written, so that what the write made may be put.
    fn lease(&self, id: UserId) -> Lease;

    /// Takes what the store told after the lease was taken, unless the lease has been voided.
    fn fill(&self, lease: Lease, found: Option<Arc<User>>);

    /// Takes note of a user that the store told without a lease: nothing older of it is given from now on.
    fn notice(&self, user: &User);

    /// Takes note that the store told, without a lease, that there is no such user: who was known is forgotten.
    fn notice_absence(&self, id: UserId);

    /// Takes what a write made, before the write is acknowledged: nothing older of it is given from now on.
    async fn put(&self, lease: Lease, user: Arc<User>);

    /// Drops what is known of a user that was erased, or whose write has an unknown outcome. For a moment, what is found
    /// of it may not be kept.
    async fn forget(&self, id: UserId);
}

/// What a cache knows of a user.
pub enum Lookup {
    /// It knows the user, or that there is none.
    Hit(Hit),
    /// It cannot tell. The store can, and what it tells may be filled in under the lease.
    Miss(Lease, Missed),
    /// Another reader is asking the store already.
    Coming(Arrival),
}

/// What a cache tells of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The user; none if there is none.
    pub user: Option<Arc<User>>,
    /// Which tier knew.
    pub tier: Tier,
    /// What says that it still holds.
    pub vouched_by: Voucher,
}

/// A tier of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// In the memory of this process.
    Process,
    /// Shared by the replicas.
    Shared,
}

/// What says that a cached user is as young as promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Voucher {
    /// The store's own log of changes.
    Store,
    /// The store cannot be reached; what the other replicas tell vouches, for a while.
    Replicas,
}

/// Why a cache cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missed {
    /// It does not know the user.
    Unknown,
    /// Nothing says that what it knows still holds.
    Unvouched,
}

/// What another reader will have found; nothing if it gave up.
pub type Arrival = Pin<Box<dyn Future<Output = Option<Option<Arc<User>>>> + Send>>;

/// Leave to fill in one user, until a write of that user voids it. Dropping it gives the leave back.
pub struct Lease {
    id: UserId,
    slip: Box<dyn Any + Send>,
}

impl Lease {
    /// Makes a lease of a user; the slip is the cache's own.
    pub fn new(id: UserId, slip: impl Any + Send) -> Self {
        Self {
            id,
            slip: Box::new(slip),
        }
    }

    /// Whose it is.
    pub fn id(&self) -> UserId {
        self.id
    }

    /// Gives the cache's slip back to the cache that made it, and nothing to any other.
    pub fn into_slip<S: Any>(self) -> Option<S> {
        self.slip.downcast().ok().map(|slip| *slip)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.id).finish()
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit(hit) => f.debug_tuple("Hit").field(hit).finish(),
            Self::Miss(lease, missed) => f.debug_tuple("Miss").field(lease).field(missed).finish(),
            Self::Coming(_) => f.write_str("Coming"),
        }
    }
}

/// No cache: every look is a miss, and nothing is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCache;

#[async_trait]
impl UserCache for NoCache {
    async fn look_up(&self, ids: &[UserId]) -> Vec<Lookup> {
        ids.iter()
            .map(|id| Lookup::Miss(self.lease(*id), Missed::Unknown))
            .collect()
    }

    fn known(&self, _: UserId) -> Option<Hit> {
        None
    }

    fn hint(&self, _: &UserKey) -> Option<UserId> {
        None
    }

    fn lease(&self, id: UserId) -> Lease {
        Lease::new(id, ())
    }

    fn fill(&self, _: Lease, _: Option<Arc<User>>) {}

    fn notice(&self, _: &User) {}

    fn notice_absence(&self, _: UserId) {}

    async fn put(&self, _: Lease, _: Arc<User>) {}

    async fn forget(&self, _: UserId) {}
}
