//! The task that refreshes the keys.

use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use user_domain::ports::Clock;

use super::document::{self, Document};
use super::rate_limiter::RateLimiter;
use super::source::KeySource;
use crate::tokens::keys::{KeySet, PublicKey};

/// The wait after the first failure. It doubles with each further one.
const MIN_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait after a failure, so that a recovered source is used soon.
const MAX_RETRY_INTERVAL: Duration = Duration::from_mins(1);

/// The refreshes, by outcome.
const REFRESHES: &str = "jwks_refreshes_total";
/// The number of accepted keys.
const KEYS: &str = "jwks_keys";
/// The time at which all sources were last read.
const LAST_SUCCESS: &str = "jwks_last_success_timestamp_seconds";

/// The keys and the progress of their refresh, which the task shares with the verifiers. By default, the first refresh
/// is requested.
#[derive(Default)]
pub(super) struct RefreshState {
    pub(super) keys: Arc<KeySet>,
    /// Whether no refresh is running or requested.
    pub(super) is_idle: bool,
    /// The number of finished refreshes.
    pub(super) finished: u64,
    /// Whether every source has been read at least once.
    pub(super) all_sources_read: bool,
    /// Limits the refreshes that tokens request.
    pub(super) limiter: RateLimiter,
}

/// Reads the keys from their sources and publishes them to the verifiers.
pub(super) struct Refresher {
    sources: Vec<SourceState>,
    every: Duration,
    state: watch::Sender<RefreshState>,
    clock: Arc<dyn Clock>,
}

/// A source with its last valid document.
struct SourceState {
    source: KeySource,
    last: Option<(Vec<u8>, Document)>,
}

impl Refresher {
    pub(super) fn new(
        sources: Vec<KeySource>,
        every: Duration,
        state: watch::Sender<RefreshState>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // Registered at the start, so that an alert can distinguish zero from a missing metric.
        for outcome in ["ok", "error"] {
            counter!(REFRESHES, "outcome" => outcome).increment(0);
        }
        gauge!(KEYS).set(0.0);
        gauge!(LAST_SUCCESS).set(0.0);
        let unread = |source| SourceState { source, last: None };
        Self {
            sources: sources.into_iter().map(unread).collect(),
            every,
            state,
            clock,
        }
    }

    /// Refreshes the keys now, periodically and when a token requests it, for as long as the future is polled.
    pub(super) async fn run(mut self) {
        let mut failures = 0_u32;
        let mut requests = self.state.subscribe();
        loop {
            self.state.send_modify(|state| state.is_idle = false);
            failures = if self.refresh().await {
                0
            } else {
                failures.saturating_add(1)
            };
            let requested = requests.wait_for(|state| !state.is_idle);
            let _ = timeout(pause(self.every, failures), requested).await;
        }
    }

    /// Runs one refresh. Returns whether every source was valid. An invalid source keeps its previous keys.
    pub(super) async fn refresh(&mut self) -> bool {
        let (mut all_valid, mut any_changed) = (true, false);
        for state in &mut self.sources {
            match state.read().await {
                Ok(has_changed) => any_changed |= has_changed,
                Err(cause) => {
                    all_valid = false;
                    let source = state.source.kind();
                    tracing::warn!(source, %cause, "JWKS refresh failed; the known keys stay valid");
                }
            }
        }
        let outcome = if all_valid { "ok" } else { "error" };
        counter!(REFRESHES, "outcome" => outcome).increment(1);
        if all_valid {
            let now = self.clock.now().as_utc().timestamp();
            gauge!(LAST_SUCCESS).set(Duration::from_secs(now.unsigned_abs()));
        }
        let keys = any_changed.then(|| Arc::new(self.keys()));
        let all_read = self.sources.iter().all(|state| state.last.is_some());
        // At once: a request after this change asks for the next refresh.
        self.state.send_modify(|state| {
            state.keys = keys.unwrap_or_else(|| state.keys.clone());
            state.all_sources_read |= all_read;
            state.is_idle = true;
            state.finished += 1;
        });
        all_valid
    }

    /// Returns the keys of all sources, which have changed.
    fn keys(&self) -> KeySet {
        let documents = self.sources.iter().filter_map(|state| state.last.as_ref());
        let keys: Vec<PublicKey> = documents
            .flat_map(|(_, document)| document.keys.clone())
            .collect();
        gauge!(KEYS).set(u16::try_from(keys.len()).unwrap_or(u16::MAX));
        tracing::info!(keys = keys.len(), "JWKS keys changed");
        KeySet(keys)
    }
}

impl SourceState {
    /// Reads the source. Returns whether its document has changed.
    async fn read(&mut self) -> Result<bool, Box<dyn Error + Send + Sync>> {
        let (text, document) = load_on_thread(self.source.clone()).await?;
        if self.last.as_ref().is_some_and(|(last, _)| *last == text) {
            return Ok(false);
        }
        for key in &document.ignored {
            let source = self.source.kind();
            tracing::warn!(
                source,
                place = key.place,
                cause = key.reason,
                "JWKS key ignored"
            );
        }
        self.last = Some((text, document));
        Ok(true)
    }
}

/// Reads and parses a document on a thread of its own.
///
/// A thread of the runtime would keep the process from exiting while a source hangs. A thread that cannot be started and
/// a panic are failures like any other: if they ended the refresh, withdrawn keys would be accepted for ever.
async fn load_on_thread(
    source: KeySource,
) -> Result<(Vec<u8>, Document), Box<dyn Error + Send + Sync>> {
    let (sender, loaded) = oneshot::channel();
    let read = move || {
        // No receiver is left if the refresh has been stopped.
        let _ = sender.send(load(&source));
    };
    thread::Builder::new().name("jwks".to_owned()).spawn(read)?;
    loaded
        .await
        .unwrap_or_else(|_| Err("its reader panicked".into()))
}

/// Reads and parses a document.
fn load(source: &KeySource) -> Result<(Vec<u8>, Document), Box<dyn Error + Send + Sync>> {
    let text = source.read()?;
    let document = document::read(&text)?;
    Ok((text, document))
}

/// Returns the wait after this number of consecutive failures. It is randomly shortened by up to 10 %, so that the
/// replicas do not refresh at the same time.
fn pause(every: Duration, failures: u32) -> Duration {
    let longest = match failures.checked_sub(1) {
        None => every,
        Some(doublings) => MIN_RETRY_INTERVAL
            .saturating_mul(2_u32.saturating_pow(doublings))
            .min(MAX_RETRY_INTERVAL)
            .min(every),
    };
    let draw = u16::try_from(RandomState::new().hash_one(failures) % 1000).unwrap_or_default();
    longest.mul_f64(1.0 - f64::from(draw) / 10_000.0)
}

/// Registers the descriptions of the metrics.
pub fn describe_metrics() {
    describe_counter!(
        REFRESHES,
        Unit::Count,
        "Refreshes of the token verification keys, by outcome"
    );
    describe_gauge!(KEYS, Unit::Count, "Accepted token verification keys");
    describe_gauge!(
        LAST_SUCCESS,
        Unit::Seconds,
        "Unix time of the last read of the token verification keys from all sources; 0 before the first"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_back_off_up_to_the_refresh_interval() {
        let every = Duration::from_mins(5);
        for (failures, whole) in [(0, 300), (1, 1), (2, 2), (3, 4), (7, 60), (u32::MAX, 60)] {
            let whole = Duration::from_secs(whole);
            let pause = pause(every, failures);
            assert!(
                pause <= whole && pause >= whole.mul_f64(0.9),
                "{failures}: {pause:?}"
            );
        }
        assert!(pause(Duration::from_secs(10), 30) <= Duration::from_secs(10));
    }

    #[test]
    fn the_wait_is_random() {
        let every = Duration::from_mins(5);
        let pauses: std::collections::BTreeSet<_> = (0..20).map(|_| pause(every, 0)).collect();
        assert!(pauses.len() > 1);
    }
}
