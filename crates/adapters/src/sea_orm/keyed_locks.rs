//! Locks by key: in one process, operations with one key run one after another.
//!
//! Concurrent writes of one popular row wait here, where they hold no connection of the pool. Correctness needs only
//! the locks of the database, which also hold between replicas.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::timeout;

/// The maximum wait for a lock.
const LOCK_TIMEOUT: Duration = Duration::from_millis(1500);
/// The most operations that wait for one lock. It limits how many of the service's concurrent requests a caller can
/// occupy with operations on one key. More of them would hardly get the lock before [`LOCK_TIMEOUT`].
const MAX_WAITING: usize = 512;

/// One lock for each key that is held or waited for. Different keys never share a lock, so operations on one key delay
/// no others.
pub(super) struct KeyedLocks<K: Eq + Hash>(Mutex<Locks<K>>);

type Locks<K> = HashMap<K, Arc<AsyncMutex<()>>>;

/// A held lock, or a wait for it. Dropping it releases the lock, and removes the entry of an unused one.
pub(super) struct LockGuard<K: Eq + Hash> {
    owner: Arc<KeyedLocks<K>>,
    key: K,
    held: Option<OwnedMutexGuard<()>>,
}

/// The lock was not released in time, or too many operations wait for it.
#[derive(Debug)]
pub(super) struct LockBusy;

impl<K: Eq + Hash> Default for KeyedLocks<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> KeyedLocks<K> {
    /// Waits for the lock of a key. A cancelled wait leaves no entry.
    ///
    /// # Errors
    /// [`LockBusy`], at once or after [`LOCK_TIMEOUT`].
    pub(super) async fn lock(self: &Arc<Self>, key: K) -> Result<LockGuard<K>, LockBusy> {
        let lock = self.locks().entry(key.clone()).or_default().clone();
        // Besides the waiting operations, the map, the holder and this operation have a reference.
        let is_full = Arc::strong_count(&lock) > MAX_WAITING + 2;
        let mut guard = LockGuard {
            owner: self.clone(),
            key,
            held: None,
        };
        if is_full {
            drop(lock);
            return Err(LockBusy);
        }
        let held = match lock.clone().try_lock_owned() {
            Ok(held) => held,
            Err(_) => timeout(LOCK_TIMEOUT, lock.lock_owned())
                .await
                .map_err(|_| LockBusy)?,
        };
        guard.held = Some(held);
        Ok(guard)
    }
}

impl<K: Eq + Hash> KeyedLocks<K> {
    fn locks(&self) -> MutexGuard<'_, Locks<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for LockGuard<K> {
    fn drop(&mut self) {
        let mut locks = self.owner.locks();
        drop(self.held.take());
        // Waiters hold a reference to the lock too. A new operation finds the entry or creates one, under the same mutex.
        if locks
            .get(&self.key)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test(start_paused = true)]
    async fn operations_with_one_key_run_one_after_another() {
        let locks = Arc::new(KeyedLocks::default());
        let first = locks.lock("alice").await.unwrap();
        assert!(timeout(SHORT, locks.lock("alice")).await.is_err());
        assert!(locks.lock("bob").now_or_never().unwrap().is_ok());
        let waiting = tokio::spawn({
            let locks = locks.clone();
            async move { drop(locks.lock("alice").await.unwrap()) }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap();
        assert!(locks.locks().is_empty(), "an entry was kept");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_cancelled_or_too_long_leaves_no_entry() {
        let locks = Arc::new(KeyedLocks::default());
        let held = locks.lock("alice").await.unwrap();
        for _ in 0..100 {
            assert!(timeout(SHORT, locks.lock("alice")).await.is_err());
        }
        assert!(locks.lock("alice").await.is_err());
        drop(held);
        assert!(locks.locks().is_empty());
    }

    #[tokio::test]
    async fn too_many_operations_on_one_key_are_refused_and_all_others_are_not() {
        let locks = Arc::new(KeyedLocks::default());
        let guard = locks.lock(0).await.unwrap();
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(locks.lock(0))).collect();
        for operation in &mut waiting {
            assert!(operation.now_or_never().is_none());
        }
        assert!(locks.lock(0).now_or_never().unwrap().is_err());
        for other in 1..5000 {
            assert!(locks.lock(other).now_or_never().unwrap().is_ok());
        }
        waiting.pop();
        assert!(locks.lock(0).now_or_never().is_none());
        drop(guard);
        assert!(waiting.remove(0).await.is_ok());
    }
}
