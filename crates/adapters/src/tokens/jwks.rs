//! The keys that the Auth Service publishes (JSON Web Key Set, RFC 7517). They are read at the start, refreshed
//! periodically, and kept while their source fails.
//!
//! A background task reads them every few minutes. It also reads them when no known key has signed a token, because
//! the issuer may have published a new key or replaced one under its old `kid`. A rate limiter bounds these extra
//! reads, because forged tokens trigger them too. A key that is missing from a valid document is no longer accepted: an
//! issuer withdraws a key in this way.

mod document;
mod rate_limiter;
mod refresh;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use user_domain::ports::Clock;

use super::keys::{KeySet, KeyVerdict};
use super::token::Token;
pub use refresh::describe_metrics;
use refresh::{RefreshState, Refresher};
pub use source::KeySource;

/// The time that a token waits for a refresh: half of the time limit of a request.
const REFRESH_WAIT: Duration = Duration::from_secs(1);
/// The maximum number of tokens that wait for a refresh. Further tokens are rejected at once.
const MAX_WAITING_TOKENS: usize = 1024;

/// The published keys, with their refresh.
pub struct Jwks {
    sources: Vec<KeySource>,
    every: Duration,
    state: watch::Sender<RefreshState>,
    waiting: Semaphore,
    clock: Arc<dyn Clock>,
}

impl Jwks {
    /// Creates an empty key set. [`Jwks::keep_fresh`] reads the keys, and reads them again after each interval.
    pub fn new(sources: Vec<KeySource>, every: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            sources,
            every,
            state: watch::Sender::default(),
            waiting: Semaphore::new(MAX_WAITING_TOKENS),
            clock,
        }
    }

    /// Reads the keys now, periodically and when a token needs it, for as long as the future is polled. Must be called
    /// once.
    pub async fn keep_fresh(&self) {
        self.refresher().run().await;
    }

    fn refresher(&self) -> Refresher {
        let (sources, state) = (self.sources.clone(), self.state.clone());
        Refresher::new(sources, self.every, state, self.clock.clone())
    }

    /// Returns the current keys.
    pub(super) fn known(&self) -> Arc<KeySet> {
        self.state.borrow().keys.clone()
    }

    /// Verifies a token that no known key has signed, with keys that are read after this call. The key may be new, or
    /// may have replaced another under the same `kid`. Waits a limited time for the refresh. Returns `None` if the key
    /// may be in a source that has not been read yet.
    pub(super) async fn check_after_refresh(&self, token: &Token<'_>) -> Option<KeyVerdict> {
        if let Ok(_permit) = self.waiting.try_acquire()
            && let Ok(true) = timeout(REFRESH_WAIT, self.is_signed_by_new_key(token)).await
        {
            return Some(KeyVerdict::Valid);
        }
        let state = self.state.borrow();
        if token.key_id().is_some_and(|id| state.keys.has(id)) {
            return Some(KeyVerdict::Invalid);
        }
        state.all_sources_read.then_some(KeyVerdict::Unknown)
    }

    /// Waits for a refresh, and returns whether a key that it has read has signed the token.
    async fn is_signed_by_new_key(&self, token: &Token<'_>) -> bool {
        let mut refreshes = self.state.subscribe();
        let enough = {
            let state = self.state.borrow();
            // A refresh that started before this call may have missed the key.
            state.finished + 1 + u64::from(!state.is_idle)
        };
        while let Some(finished) = self.request_refresh() {
            // This value owns a sender, so the wait does not fail.
            let _ = refreshes.wait_for(|state| state.finished > finished).await;
            if self.known().check(token) == KeyVerdict::Valid {
                return true;
            }
            if finished + 1 >= enough {
                return false;
            }
        }
        false
    }

    /// Requests a refresh, or joins the running one. Returns the number of refreshes that finished before it; `None` if
    /// the rate limiter refuses.
    fn request_refresh(&self) -> Option<u64> {
        let mut finished = None;
        self.state.send_if_modified(|state| {
            let was_idle = state.is_idle;
            state.is_idle = was_idle && !state.limiter.take(Instant::now());
            finished = (!state.is_idle).then_some(state.finished);
            state.is_idle != was_idle
        });
        finished
    }
}
