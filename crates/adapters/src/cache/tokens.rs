//! The cache of service tokens, under the same freshness rule as the users.

use std::sync::Arc;
use std::time::Instant;

use user_domain::ports::StoredServiceToken;
use user_domain::values::ServiceTokenId;

use super::freshness::FreshnessTracker;
use super::invalidation::InvalidationTarget as _;
use super::memory::MemoryTier;
use super::redis::RedisTier;
use super::token_tier::{CachedServiceToken, TokenLease};

/// The cache of service tokens, for the code that verifies and revokes tokens.
#[derive(Clone)]
pub struct ServiceTokenCache {
    pub(super) memory: Arc<MemoryTier>,
    pub(super) redis: Option<Arc<RedisTier>>,
    pub(super) freshness: Arc<FreshnessTracker>,
}

impl ServiceTokenCache {
    /// Returns a token if it is cached and the cache is fresh.
    pub(crate) fn find(&self, id: ServiceTokenId) -> Option<Arc<CachedServiceToken>> {
        // Taken first: a snapshot proves the freshness only of entries that are read after it.
        let snapshot = self.freshness.snapshot();
        let known = self.memory.service_tokens().get(id)?;
        snapshot.memory_source(Instant::now()).map(|_| known)
    }

    /// Takes a lease before the store is queried.
    pub(crate) fn lease(&self) -> TokenLease {
        self.memory.service_tokens().lease()
    }

    /// Stores what the store returned after the lease was taken, unless there was an invalidation since.
    pub(crate) fn fill(
        &self,
        lease: TokenLease,
        stored: StoredServiceToken,
    ) -> Arc<CachedServiceToken> {
        self.memory.service_tokens().fill(lease, stored)
    }

    /// Removes a token that was or may have been revoked, and notifies the other replicas.
    pub(crate) async fn invalidate(&self, id: ServiceTokenId) {
        self.memory.invalidate_token(id);
        if let Some(redis) = &self.redis {
            redis.publish_token(id).await;
        }
    }
}

#[cfg(test)]
impl ServiceTokenCache {
    /// Returns an empty cache that stays fresh for a minute.
    pub(crate) fn always_fresh() -> Self {
        use super::meters::Meters;
        use crate::guards::Guards;

        let memory = MemoryTier::new(0, Guards::default(), &Arc::new(Meters::default()));
        let freshness = FreshnessTracker::new(Guards::default());
        freshness.record_poll(Instant::now() + std::time::Duration::from_mins(1));
        Self {
            memory: Arc::new(memory),
            redis: None,
            freshness: Arc::new(freshness),
        }
    }

    /// The number of cached tokens.
    pub(crate) fn token_count(&self) -> usize {
        self.memory.service_tokens().len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use user_domain::test_support::samples::{context, issued_token, seconds, start};

    use super::*;
    use crate::cache::meters::Meters;
    use crate::cache::token_tier::MAX_TOKENS;
    use crate::guards::Guards;

    fn stored(name: &str) -> StoredServiceToken {
        let (issued, digest) = issued_token(name, &context());
        StoredServiceToken {
            token: issued.token,
            digest,
        }
    }

    fn cache() -> ServiceTokenCache {
        let memory = MemoryTier::new(0, Guards::default(), &Arc::new(Meters::default()));
        ServiceTokenCache {
            memory: Arc::new(memory),
            redis: None,
            freshness: Arc::new(FreshnessTracker::new(Guards::default())),
        }
    }

    fn knows(cache: &ServiceTokenCache, id: ServiceTokenId) -> bool {
        cache.freshness.record_poll(Instant::now());
        cache.find(id).is_some()
    }

    #[test]
    fn a_token_is_found_only_while_the_cache_is_fresh() {
        let (cache, stored) = (cache(), stored("posts"));
        let id = stored.token.id;
        cache.fill(cache.lease(), stored);
        assert!(cache.find(id).is_none(), "no poll has completed yet");
        assert!(knows(&cache, id));
        std::thread::sleep(Duration::from_millis(1100));
        assert!(cache.find(id).is_none(), "the last poll is too old");
    }

    #[test]
    fn a_token_read_before_an_invalidation_is_not_stored_after_it() {
        let cache = cache();
        let late = stored("posts");
        let id = late.token.id;
        let lease = cache.lease();
        cache.memory.invalidate_token(id);
        cache.fill(lease, late.clone());
        assert!(!knows(&cache, id));
        cache.fill(cache.lease(), late.clone());
        assert!(knows(&cache, id));
        let lease = cache.lease();
        cache.memory.flush();
        assert!(!knows(&cache, id));
        cache.fill(lease, late);
        assert!(!knows(&cache, id));
    }

    #[test]
    fn an_invalidation_of_one_token_keeps_the_others() {
        let cache = cache();
        let [one, other] = ["posts", "auth"].map(|name| {
            let stored = stored(name);
            let id = stored.token.id;
            cache.fill(cache.lease(), stored);
            id
        });
        cache.memory.invalidate_token(one);
        assert!(!knows(&cache, one));
        assert!(knows(&cache, other));
    }

    #[test]
    fn the_number_of_cached_tokens_is_limited() {
        let cache = cache();
        for _ in 0..=MAX_TOKENS {
            cache.fill(cache.lease(), stored("posts"));
        }
        assert!(cache.memory.service_tokens().len() <= MAX_TOKENS);
    }

    #[test]
    fn one_use_is_recorded_in_each_interval() {
        let cache = cache();
        let known = cache.fill(cache.lease(), stored("posts"));
        let every = Duration::from_secs(10);
        assert!(known.is_use_due(start(), every));
        assert!(!known.is_use_due(seconds(9), every));
        assert!(known.is_use_due(seconds(10), every));
        assert!(!known.is_use_due(seconds(11), every));
    }
}
