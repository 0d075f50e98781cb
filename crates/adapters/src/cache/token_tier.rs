//! The service tokens that this process has cached.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use user_domain::caller::ServiceCaller;
use user_domain::ports::StoredServiceToken;
use user_domain::values::{ServiceTokenId, Timestamp};

/// The maximum number of cached tokens. Only existing tokens are cached, so invented tokens cannot fill the memory.
/// A full cache is cleared.
pub(super) const MAX_TOKENS: usize = 10_000;

/// A cached service token.
pub(crate) struct CachedServiceToken {
    /// The token, even if it has expired or was revoked.
    pub(crate) stored: StoredServiceToken,
    /// The service that the token belongs to.
    pub(crate) caller: ServiceCaller,
    /// The last use that was recorded, in microseconds since 1970; 0 means never.
    last_recorded_use: AtomicU64,
}

/// The cached tokens of this process.
#[derive(Default)]
pub(super) struct TokenTier {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<ServiceTokenId, Arc<CachedServiceToken>>,
    /// The number of invalidations. A token read before an invalidation is not stored after it.
    invalidations: u64,
}

/// A lease to store a token. Any invalidation voids it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenLease(u64);

impl CachedServiceToken {
    /// Returns whether a use at this moment has to be recorded, and counts it as recorded if so. At most one use is
    /// recorded in each interval.
    pub(crate) fn is_use_due(&self, at: Timestamp, every: Duration) -> bool {
        let micros = u64::try_from(at.as_utc().timestamp_micros()).unwrap_or_default();
        let last = self.last_recorded_use.load(Ordering::Relaxed);
        let every = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
        if last > 0 && micros < last.saturating_add(every) {
            return false;
        }
        self.last_recorded_use.store(micros, Ordering::Relaxed);
        true
    }
}

impl TokenTier {
    pub(super) fn get(&self, id: ServiceTokenId) -> Option<Arc<CachedServiceToken>> {
        self.read().known.get(&id).cloned()
    }

    pub(super) fn lease(&self) -> TokenLease {
        TokenLease(self.read().invalidations)
    }

    /// Stores a token that was read after the lease was taken, unless there was an invalidation since.
    pub(super) fn fill(
        &self,
        lease: TokenLease,
        stored: StoredServiceToken,
    ) -> Arc<CachedServiceToken> {
        let token = Arc::new(CachedServiceToken {
            caller: stored.token.caller(),
            stored,
            last_recorded_use: AtomicU64::new(0),
        });
        let mut state = self.write();
        if state.invalidations == lease.0 {
            if state.known.len() >= MAX_TOKENS {
                state.known.clear();
            }
            state.known.insert(token.stored.token.id, token.clone());
        }
        token
    }

    /// Removes a token that has changed.
    pub(super) fn invalidate(&self, id: ServiceTokenId) {
        let mut state = self.write();
        state.invalidations += 1;
        state.known.remove(&id);
    }

    /// Removes everything.
    pub(super) fn flush(&self) {
        let mut state = self.write();
        state.invalidations += 1;
        state.known.clear();
    }

    /// The number of cached tokens.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.read().known.len()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
