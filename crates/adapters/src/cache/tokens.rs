//! The tokens of services that this process has met, trusted exactly as long as its users are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use user_domain::caller::ServiceCaller;
use user_domain::ports::KeptToken;
use user_domain::values::{ServiceTokenId, Timestamp};

use super::first_tier::FirstTier;
use super::freshness::Freshness;
use super::redis::SecondTier;

/// The most tokens that are remembered. Only tokens that exist are, so that nobody fills this by asking.
const MOST: usize = 10_000;

/// A token that was met.
pub(crate) struct KnownToken {
    /// The token, whatever has become of it.
    pub(crate) kept: KeptToken,
    /// The service that shows it.
    pub(crate) caller: ServiceCaller,
    /// When its use was last taken note of, in microseconds since the year 1970; 0 is never.
    noted: AtomicU64,
}

/// What is known of tokens.
#[derive(Default)]
pub(super) struct TokenTier {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<ServiceTokenId, Arc<KnownToken>>,
    /// Grows with each piece of news: what was read before it is not taken in after it.
    news: u64,
}

/// Leave to take in a token that is read from now on, until there is news of any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenLease(u64);

/// The tokens that were met, as those see them who check tokens and revoke them.
#[derive(Clone)]
pub struct TokenCache {
    pub(super) first: Arc<FirstTier>,
    pub(super) second: Option<Arc<SecondTier>>,
    pub(super) freshness: Arc<Freshness>,
}

impl TokenCache {
    /// Gives a token, if it is known and somebody vouches that it is as it was.
    pub(crate) fn find(&self, id: ServiceTokenId) -> Option<Arc<KnownToken>> {
        // Taken down before the look: they vouch for nothing that is read before them.
        let stamps = self.freshness.stamps();
        let known = self.first.service_tokens().get(id)?;
        stamps.voucher(Instant::now()).map(|_| known)
    }

    /// Takes a lease, before the store is asked.
    pub(crate) fn lease(&self) -> TokenLease {
        self.first.service_tokens().lease()
    }

    /// Takes in what the store told after the lease was taken, unless there was news since.
    pub(crate) fn fill(&self, lease: TokenLease, kept: KeptToken) -> Arc<KnownToken> {
        let known = Arc::new(KnownToken {
            caller: kept.token.caller(),
            kept,
            noted: AtomicU64::new(0),
        });
        self.first.service_tokens().fill(lease, &known);
        known
    }

    /// Forgets a token that was revoked, or of which it is not known, and tells the other replicas.
    pub(crate) async fn forget(&self, id: ServiceTokenId) {
        self.first.service_tokens().raise(id);
        if let Some(second) = &self.second {
            second.tell_of_token(id).await;
        }
    }
}

#[cfg(test)]
impl TokenCache {
    /// An empty one, for which the store vouches for a minute to come.
    pub(crate) fn vouched_for() -> Self {
        use super::meters::Meters;
        use crate::guards::Guards;

        let first = FirstTier::new(0, Guards::default(), &Arc::new(Meters::default()));
        let freshness = Freshness::new(Guards::default());
        freshness.polled(Instant::now() + std::time::Duration::from_mins(1));
        Self {
            first: Arc::new(first),
            second: None,
            freshness: Arc::new(freshness),
        }
    }

    /// How many tokens are remembered.
    pub(crate) fn remembered(&self) -> usize {
        self.first.service_tokens().read().known.len()
    }
}

impl KnownToken {
    /// Tells whether the use at a moment is to be taken note of, as only one in a while is.
    pub(crate) fn is_use_due(&self, at: Timestamp, every: std::time::Duration) -> bool {
        let micros = u64::try_from(at.as_utc().timestamp_micros()).unwrap_or_default();
        let last = self.noted.load(Ordering::Relaxed);
        let every = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
        if last > 0 && micros < last.saturating_add(every) {
            return false;
        }
        self.noted.store(micros, Ordering::Relaxed);
        true
    }
}

impl TokenTier {
    fn get(&self, id: ServiceTokenId) -> Option<Arc<KnownToken>> {
        self.read().known.get(&id).cloned()
    }

    fn lease(&self) -> TokenLease {
        TokenLease(self.read().news)
    }

    fn fill(&self, lease: TokenLease, known: &Arc<KnownToken>) {
        let mut state = self.write();
        if state.news != lease.0 {
            return;
        }
        if state.known.len() >= MOST {
            state.known.clear();
        }
        state.known.insert(known.kept.token.id, known.clone());
    }

    /// Takes in the news that a token has changed.
    pub(super) fn raise(&self, id: ServiceTokenId) {
        let mut state = self.write();
        state.news += 1;
        state.known.remove(&id);
    }

    /// Forgets everything.
    pub(super) fn flush(&self) {
        let mut state = self.write();
        state.news += 1;
        state.known.clear();
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use user_domain::test_support::samples::{context, issued_token, seconds, start};

    use super::*;
    use crate::cache::meters::Meters;
    use crate::guards::Guards;

    fn kept(name: &str) -> KeptToken {
        let (issued, digest) = issued_token(name, &context());
        KeptToken {
            token: issued.token,
            digest,
        }
    }

    fn cache() -> TokenCache {
        let first = FirstTier::new(0, Guards::default(), &Arc::new(Meters::default()));
        TokenCache {
            first: Arc::new(first),
            second: None,
            freshness: Arc::new(Freshness::new(Guards::default())),
        }
    }

    fn knows(cache: &TokenCache, id: ServiceTokenId) -> bool {
        cache.freshness.polled(Instant::now());
        cache.find(id).is_some()
    }

    #[test]
    fn a_token_is_given_only_while_somebody_vouches_for_it() {
        let (cache, kept) = (cache(), kept("posts"));
        let id = kept.token.id;
        cache.fill(cache.lease(), kept);
        assert!(cache.find(id).is_none(), "nobody has looked yet");
        assert!(knows(&cache, id));
        std::thread::sleep(Duration::from_millis(1100));
        assert!(cache.find(id).is_none(), "nobody has looked for long");
    }

    #[test]
    fn what_was_read_before_news_is_not_taken_in_after_it() {
        let cache = cache();
        let late = kept("posts");
        let id = late.token.id;
        let lease = cache.lease();
        cache.first.service_tokens().raise(id);
        cache.fill(lease, late.clone());
        assert!(!knows(&cache, id));
        cache.fill(cache.lease(), late.clone());
        assert!(knows(&cache, id));
        let lease = cache.lease();
        cache.first.flush();
        assert!(!knows(&cache, id));
        cache.fill(lease, late);
        assert!(!knows(&cache, id));
    }

    #[test]
    fn news_of_one_token_leaves_the_others_known() {
        let cache = cache();
        let [one, other] = ["posts", "auth"].map(|name| {
            let kept = kept(name);
            let id = kept.token.id;
            cache.fill(cache.lease(), kept);
            id
        });
        cache.first.service_tokens().raise(one);
        assert!(!knows(&cache, one));
        assert!(knows(&cache, other));
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let cache = cache();
        for _ in 0..=MOST {
            cache.fill(cache.lease(), kept("posts"));
        }
        assert!(cache.first.service_tokens().read().known.len() <= MOST);
    }

    #[test]
    fn a_use_is_due_once_in_a_while() {
        let cache = cache();
        let known = cache.fill(cache.lease(), kept("posts"));
        let every = Duration::from_secs(10);
        assert!(known.is_use_due(start(), every));
        assert!(!known.is_use_due(seconds(9), every));
        assert!(known.is_use_due(seconds(10), every));
        assert!(!known.is_use_due(seconds(11), every));
    }
}
