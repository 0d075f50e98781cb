use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use super::UserKey;
use crate::user::User;
use crate::values::UserId;

/// Caches users by id, including the fact that an id has no user.
///
/// The cache never fails: if it has no answer, the lookup is a [`Lookup::Miss`]. An answer is never older than a write
/// of this replica, and older than a write of another replica by at most the cache's staleness bound.
///
/// A miss carries a lease, and only a value that was read from the store under a lease may be filled in. A write of the
/// user voids the leases taken before it, so that a slow reader never restores the replaced value.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserCache: Send + Sync {
    /// Looks up users, and returns an answer for each id in order; the ids must be distinct.
    ///
    /// While one reader holds the lease of a miss, lookups of the same user by others are [`Lookup::InFlight`]. If the
    /// lease is dropped without a fill, their future resolves to none and they look up again.
    async fn look_up(&self, ids: &[UserId]) -> Vec<Lookup>;

    /// Returns a user from the in-process cache, without waiting. If none, another tier may still have the user.
    fn peek(&self, id: UserId) -> Option<Hit>;

    /// Returns the id of the user that had a username or external id when it was last read. It is a hint: another user
    /// may have it now.
    fn hint(&self, key: &UserKey) -> Option<UserId>;

    /// Takes a lease before a write, so that the result of the write may be stored with [`UserCache::put`].
    fn lease(&self, id: UserId) -> Lease;

    /// Stores a value that was read from the store after the lease was taken, unless the lease is void.
    fn fill(&self, lease: Lease, found: Option<Arc<User>>);

    /// Reports a user that was read from the store without a lease. From now on no older state of it is returned.
    fn observe(&self, user: &User);

    /// Reports that a read of the store without a lease found no user with this id. A cached user is removed.
    fn observe_absence(&self, id: UserId);

    /// Stores the result of a write, before the write is acknowledged. From now on no older state of it is returned.
    async fn put(&self, lease: Lease, user: Arc<User>);

    /// Removes a user that was erased, or whose write has an unknown outcome. For a short time, reads of this user may
    /// not be cached.
    async fn forget(&self, id: UserId);
}

/// The result of a cache lookup.
pub enum Lookup {
    /// The user is cached, or the fact that it does not exist.
    Hit(Hit),
    /// The cache has no usable value. A value that is read from the store may be filled in under the lease.
    Miss(Lease, MissReason),
    /// Another reader is already reading the user from the store.
    InFlight(InFlight),
}

/// A cached answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The user; none if it does not exist.
    pub user: Option<Arc<User>>,
    /// The tier that answered.
    pub tier: Tier,
    /// The evidence that the value is still fresh.
    pub freshness_source: FreshnessSource,
}

/// A tier of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// The memory of this process.
    Process,
    /// The cache that all replicas share.
    Shared,
}

/// The evidence that a cached user is within the staleness bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FreshnessSource {
    /// A recent poll of the store's change log.
    Store,
    /// The invalidation messages of the other replicas, for a limited time while the store is unreachable.
    Replicas,
}

/// Why a lookup missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MissReason {
    /// The user is not cached.
    Unknown,
    /// The freshness of cached values cannot be confirmed.
    Stale,
}

/// The result of another reader's read; none if that read was abandoned.
pub type InFlight = Pin<Box<dyn Future<Output = Option<Option<Arc<User>>>> + Send>>;

/// The right to fill in one user until a write of that user voids it. Dropping a lease returns it.
pub struct Lease {
    id: UserId,
    token: Box<dyn Any + Send>,
}

impl Lease {
    /// Creates a lease on a user; the token is private to the cache.
    pub fn new(id: UserId, token: impl Any + Send) -> Self {
        Self {
            id,
            token: Box::new(token),
        }
    }

    /// The id of the user.
    pub fn id(&self) -> UserId {
        self.id
    }

    /// Returns the token to the cache that created the lease; none for a cache with another token type.
    pub fn into_token<S: Any>(self) -> Option<S> {
        self.token.downcast().ok().map(|token| *token)
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
            Self::InFlight(_) => f.write_str("InFlight"),
        }
    }
}

/// A cache that stores nothing: every lookup is a miss.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCache;

#[async_trait]
impl UserCache for NoCache {
    async fn look_up(&self, ids: &[UserId]) -> Vec<Lookup> {
        ids.iter()
            .map(|id| Lookup::Miss(self.lease(*id), MissReason::Unknown))
            .collect()
    }

    fn peek(&self, _: UserId) -> Option<Hit> {
        None
    }

    fn hint(&self, _: &UserKey) -> Option<UserId> {
        None
    }

    fn lease(&self, id: UserId) -> Lease {
        Lease::new(id, ())
    }

    fn fill(&self, _: Lease, _: Option<Arc<User>>) {}

    fn observe(&self, _: &User) {}

    fn observe_absence(&self, _: UserId) {}

    async fn put(&self, _: Lease, _: Arc<User>) {}

    async fn forget(&self, _: UserId) {}
}
