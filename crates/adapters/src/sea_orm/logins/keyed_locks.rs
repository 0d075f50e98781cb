//! Locks by key: in one process, login attempts with one key run one after another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::prelude::Uuid;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Locks = HashMap<Uuid, Arc<AsyncMutex<()>>>;

/// One lock for each key that is held or waited for. Unlike
/// [`StripedLocks`](crate::sea_orm::striped_locks::StripedLocks), different keys never share a lock, so that a flood of
/// attempts on one account delays no other account.
#[derive(Default)]
pub(super) struct KeyedLocks {
    locks: Mutex<Locks>,
}

/// A request for a lock: waiting, or holding it.
struct LockGuard {
    owner: Arc<KeyedLocks>,
    key: Uuid,
    held: Option<OwnedMutexGuard<()>>,
}

impl KeyedLocks {
    /// Waits for the lock of a key, which is held until the returned guard is dropped. A cancelled wait leaves no
    /// entry.
    pub(super) async fn lock(self: &Arc<Self>, key: Uuid) -> impl Send + use<> {
        let lock = self.locks().entry(key).or_default().clone();
        let mut guard = LockGuard {
            owner: self.clone(),
            key,
            held: None,
        };
        guard.held = Some(lock.lock_owned().await);
        guard
    }

    fn locks(&self) -> std::sync::MutexGuard<'_, Locks> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let mut locks = self.owner.locks();
        drop(self.held.take());
        // Waiters hold a reference to the lock too. A new request finds the entry or creates one, under the same mutex.
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
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test(start_paused = true)]
    async fn attempts_with_one_key_run_one_after_another() {
        let locks = Arc::new(KeyedLocks::default());
        let [alice, bob] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let first = locks.lock(alice).await;
        assert!(timeout(SHORT, locks.lock(alice)).await.is_err());
        assert!(timeout(SHORT, locks.lock(bob)).await.is_ok());
        let waiting = tokio::spawn({
            let locks = locks.clone();
            async move { drop(locks.lock(alice).await) }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap();
        assert!(locks.locks().is_empty(), "an entry was kept");
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_leaves_no_entry() {
        let locks = Arc::new(KeyedLocks::default());
        let key = Uuid::from_u128(1);
        let held = locks.lock(key).await;
        for _ in 0..100 {
            assert!(timeout(SHORT, locks.lock(key)).await.is_err());
        }
        drop(held);
        assert!(locks.locks().is_empty());
    }
}
