//! Locks for writers of one user, taken before a connection.
//!
//! Concurrent writes of one popular row wait here, where they hold no connection of the pool. Correctness needs only
//! the locks of the database, which also hold between replicas.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, Semaphore};
use user_domain::StoreError;
use user_domain::user::Applied;
use user_domain::values::UserId;
use user_domain::write::WriteContext;

const STRIPES: usize = 1024;
const LOCK_TIMEOUT: Duration = Duration::from_millis(1500);
/// The most writes that wait for one stripe. It limits how many of the service's concurrent requests a caller can
/// occupy with writes of one user. More writes would hardly get the lock before [`LOCK_TIMEOUT`].
const MAX_WAITING: usize = 512;

/// A fixed number of locks. Users with the same hash share one.
pub(super) struct StripedLocks {
    hasher: RandomState,
    stripes: Vec<Stripe>,
}

struct Stripe {
    lock: Mutex<()>,
    /// Permits to wait for the lock.
    waiting: Semaphore,
}

impl Default for StripedLocks {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            stripes: (0..STRIPES)
                .map(|_| Stripe {
                    lock: Mutex::new(()),
                    waiting: Semaphore::new(MAX_WAITING),
                })
                .collect(),
        }
    }
}

impl StripedLocks {
    /// Waits for the lock of a user.
    pub(super) async fn lock_user(&self, id: UserId) -> Result<MutexGuard<'_, ()>, StoreError> {
        self.lock(id).await
    }

    /// Waits for the lock of a new user: that of its idempotency key, or without a key that of its username.
    pub(super) async fn lock_for_new_user(
        &self,
        user: &Applied,
        context: &WriteContext,
    ) -> Result<MutexGuard<'_, ()>, StoreError> {
        match &context.idempotency {
            Some(idempotency) => self.lock((&context.actor, &idempotency.key)).await,
            None => self.lock(user.user.username.key()).await,
        }
    }

    async fn lock(&self, key: impl Hash) -> Result<MutexGuard<'_, ()>, StoreError> {
        let index = usize::try_from(self.hasher.hash_one(key)).unwrap_or_default() % STRIPES;
        let busy = || StoreError::Unavailable("too many writes wait for one user".to_owned());
        let stripe = self.stripes.get(index).ok_or_else(busy)?;
        if let Ok(guard) = stripe.lock.try_lock() {
            return Ok(guard);
        }
        let _waiting = stripe.waiting.try_acquire().map_err(|_| busy())?;
        tokio::time::timeout(LOCK_TIMEOUT, stripe.lock.lock())
            .await
            .map_err(|_| busy())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn too_many_waiting_writes_of_one_user_are_refused_and_others_are_not() {
        let locks = StripedLocks::default();
        let id = |n: u128| UserId::from_uuid(uuid::Uuid::from_u128(n));
        let guard = locks.lock_user(id(1)).await.unwrap();
        let mut waiting: Vec<_> = (0..MAX_WAITING)
            .map(|_| Box::pin(locks.lock_user(id(1))))
            .collect();
        for writer in &mut waiting {
            assert!(writer.now_or_never().is_none());
        }
        let refused = locks.lock_user(id(1)).now_or_never().unwrap();
        assert!(matches!(refused, Err(StoreError::Unavailable(_))));
        let others = (2..50).filter(|n| {
            let locked = locks.lock_user(id(*n)).now_or_never();
            locked.is_some_and(|locked| locked.is_ok())
        });
        assert!(others.count() > 40, "hardly any of them shares the stripe");
        waiting.pop();
        assert!(locks.lock_user(id(1)).now_or_never().is_none());
        drop(guard);
        assert!(waiting.remove(0).await.is_ok());
    }
}
