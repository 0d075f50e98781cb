//! The rate of the requests of each caller. Each process counts on its own.

use std::fmt;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use user_domain::caller::Caller;
use user_domain::values::UserId;

use crate::problem::{Code, Problem};
use crate::request_context::RequestContext;

/// The rate at which a caller may send requests to one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The number of requests per second in the long run.
    pub per_second: NonZeroU32,
    /// The number of requests that may arrive at once after a pause.
    pub burst: NonZeroU32,
}

/// The state of a caller's limit, for its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimitState {
    limit: u32,
    remaining: u32,
    /// The number of seconds until the whole burst is available again.
    reset: u32,
}

/// The limits of all callers.
#[derive(Clone, Default)]
pub(crate) struct RateLimits {
    users: Option<Arc<KeyedLimiter<UserId>>>,
    services: Option<Arc<KeyedLimiter<String>>>,
}

struct KeyedLimiter<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>,
    limit: RateLimit,
    checks: AtomicU32,
    /// The number of callers from which those with a full burst are forgotten.
    forget_from: AtomicUsize,
}

/// The number of checks after which the number of remembered callers is checked.
const CHECKS_PER_COUNT: u32 = 1024;

/// The number of callers that are remembered in any case.
const MIN_CALLERS: usize = 4096;

impl fmt::Debug for RateLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimits").finish_non_exhaustive()
    }
}

impl RateLimits {
    /// Creates the limits of users and of services; no limit if `None`.
    pub(crate) fn new(users: Option<RateLimit>, services: Option<RateLimit>) -> Self {
        Self {
            users: users.map(KeyedLimiter::new),
            services: services.map(KeyedLimiter::new),
        }
    }

    /// Whether there is a limit for any kind of caller.
    pub(crate) fn exist(&self) -> bool {
        self.users.is_some() || self.services.is_some()
    }

    /// Counts a request of a caller, and records the state of its limit for the response.
    ///
    /// # Errors
    ///
    /// `rate_limited` with `Retry-After` if the caller has sent too many requests.
    pub(crate) fn admit(&self, caller: &Caller, context: &RequestContext) -> Result<(), Problem> {
        let checked = match caller {
            Caller::User(user) => self.users.as_ref().map(|users| users.check(&user.id)),
            Caller::Service(service) => {
                let services = self.services.as_ref();
                services.map(|services| services.check(&service.name))
            }
            Caller::Operator => None,
        };
        let Some((state, wait)) = checked else {
            return Ok(());
        };
        context.rate_limit.set(Some(state));
        match wait {
            None => Ok(()),
            Some(wait) => Err(Problem::new(
                Code::RateLimited,
                "The caller sent too many requests.",
            )
            .with_header(RETRY_AFTER, HeaderValue::from(ceiling(wait).max(1)))),
        }
    }
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> KeyedLimiter<K> {
    fn new(limit: RateLimit) -> Arc<Self> {
        let quota = Quota::per_second(limit.per_second).allow_burst(limit.burst);
        Arc::new(Self {
            limiter: RateLimiter::keyed(quota).with_middleware(),
            limit,
            checks: AtomicU32::new(0),
            forget_from: AtomicUsize::new(MIN_CALLERS),
        })
    }

    /// Counts a request. Returns the state of the limit, and how long to wait if the request is refused.
    fn check(self: &Arc<Self>, key: &K) -> (RateLimitState, Option<Duration>) {
        self.forget_idle_callers_if_grown();
        match self.limiter.check_key(key) {
            Ok(snapshot) => (self.state(snapshot.remaining_burst_capacity()), None),
            Err(refused) => {
                let wait = refused.wait_time_from(self.limiter.clock().now());
                (self.state(0), Some(wait))
            }
        }
    }

    fn state(&self, remaining: u32) -> RateLimitState {
        let limit = self.limit.burst.get();
        let used = limit.saturating_sub(remaining);
        RateLimitState {
            limit,
            remaining,
            reset: used.div_ceil(self.limit.per_second.get()),
        }
    }

    /// Forgets callers whose burst is full again, each time that the number of callers has doubled.
    ///
    /// It runs on another thread: with a million callers it takes tens of milliseconds.
    fn forget_idle_callers_if_grown(self: &Arc<Self>) {
        let checks = self.checks.fetch_add(1, Ordering::Relaxed);
        if !checks.is_multiple_of(CHECKS_PER_COUNT)
            || self.limiter.len() < self.forget_from.load(Ordering::Relaxed)
        {
            return;
        }
        // Until it has run, no other check starts it again.
        self.forget_from.store(usize::MAX, Ordering::Relaxed);
        let this = self.clone();
        drop(tokio::task::spawn_blocking(move || this.forget_callers()));
    }

    fn forget_callers(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        let callers = self.limiter.len().saturating_mul(2).max(MIN_CALLERS);
        self.forget_from.store(callers, Ordering::Relaxed);
    }
}

impl RateLimitState {
    /// The names of the header fields.
    pub(crate) const HEADERS: [HeaderName; 3] = [
        HeaderName::from_static("ratelimit-limit"),
        HeaderName::from_static("ratelimit-remaining"),
        HeaderName::from_static("ratelimit-reset"),
    ];

    /// Adds the header fields of a response.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        let values = [self.limit, self.remaining, self.reset];
        for (name, value) in Self::HEADERS.into_iter().zip(values) {
            headers.insert(name, HeaderValue::from(value));
        }
    }
}

fn ceiling(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(per_second: u32, burst: u32) -> RateLimit {
        let number = |number| NonZeroU32::new(number).unwrap();
        RateLimit {
            per_second: number(per_second),
            burst: number(burst),
        }
    }

    #[tokio::test]
    async fn a_burst_is_admitted_and_each_key_has_its_own() {
        // One more each second: a slow test may be admitted a few more times.
        let limiter = KeyedLimiter::new(limit(1, 4000));
        for remaining in (0..4000).rev() {
            let (state, wait) = limiter.check(&"posts");
            assert!(wait.is_none() && state.remaining >= remaining);
        }
        let refused = loop {
            if let (state, Some(wait)) = limiter.check(&"posts") {
                break (state, wait);
            }
        };
        assert_eq!((refused.0.limit, refused.0.remaining), (4000, 0));
        assert_eq!(refused.0.reset, 4000);
        assert!(refused.1 <= Duration::from_secs(1));
        let (other, wait) = limiter.check(&"mail");
        assert_eq!((other.remaining, other.reset, wait), (3999, 1, None));
    }

    #[tokio::test]
    async fn callers_with_a_full_burst_are_forgotten() {
        let limiter = KeyedLimiter::new(limit(1_000_000, 1));
        for key in 0..u32::try_from(10 * MIN_CALLERS).unwrap() {
            limiter.check(&key);
        }
        // Each check may have started it on another thread.
        while limiter.forget_from.load(Ordering::Relaxed) == usize::MAX {
            tokio::task::yield_now().await;
        }
        assert!(
            limiter.limiter.len() < 10 * MIN_CALLERS,
            "{}",
            limiter.limiter.len()
        );
    }

    #[test]
    fn a_wait_is_rounded_up_to_seconds() {
        assert_eq!(ceiling(Duration::ZERO), 0);
        assert_eq!(ceiling(Duration::from_millis(1)), 1);
        assert_eq!(ceiling(Duration::from_secs(2)), 2);
        assert_eq!(ceiling(Duration::from_millis(2001)), 3);
    }
}
