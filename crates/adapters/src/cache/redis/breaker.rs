use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The number of consecutive failures that opens the circuit breaker.
const MAX_FAILURES: u32 = 3;
/// The number of consecutive fast heartbeats that closes it.
const FAST_HEARTBEATS: u32 = 2;

/// The circuit breaker of Redis. Heartbeats probe the recovery, so that no request has to.
#[derive(Debug, Default)]
pub(super) struct CircuitBreaker {
    failures: AtomicU32,
    fast_heartbeats: AtomicU32,
    open: AtomicBool,
}

impl CircuitBreaker {
    /// Whether requests may use Redis.
    pub(super) fn is_closed(&self) -> bool {
        !self.open.load(Ordering::Acquire)
    }

    /// Records a call with a reply in time.
    pub(super) fn record_success(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Records a call without a usable reply in time.
    pub(super) fn record_failure(&self) {
        if self.failures.fetch_add(1, Ordering::AcqRel) + 1 >= MAX_FAILURES
            && !self.open.swap(true, Ordering::AcqRel)
        {
            self.fast_heartbeats.store(0, Ordering::Release);
            tracing::warn!("Redis circuit breaker opened");
        }
    }

    /// Records the duration of a heartbeat.
    pub(super) fn record_heartbeat(&self, took: Duration, max_latency: Duration) {
        if self.is_closed() {
            return;
        }
        if took > max_latency {
            self.fast_heartbeats.store(0, Ordering::Release);
        } else if self.fast_heartbeats.fetch_add(1, Ordering::AcqRel) + 1 >= FAST_HEARTBEATS {
            self.failures.store(0, Ordering::Release);
            self.open.store(false, Ordering::Release);
            tracing::info!("Redis circuit breaker closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_millis(5);

    #[test]
    fn it_opens_at_the_third_failure_in_a_row() {
        let breaker = CircuitBreaker::default();
        breaker.record_failure();
        breaker.record_failure();
        breaker.record_success();
        breaker.record_failure();
        breaker.record_failure();
        assert!(breaker.is_closed());
        breaker.record_failure();
        assert!(!breaker.is_closed());
    }

    #[test]
    fn two_fast_heartbeats_in_a_row_close_it() {
        let breaker = CircuitBreaker::default();
        for _ in 0..3 {
            breaker.record_failure();
        }
        breaker.record_success();
        breaker.record_heartbeat(FAST, FAST);
        breaker.record_heartbeat(FAST * 2, FAST);
        breaker.record_heartbeat(FAST, FAST);
        assert!(!breaker.is_closed());
        breaker.record_heartbeat(FAST, FAST);
        assert!(breaker.is_closed());
        breaker.record_failure();
        assert!(breaker.is_closed(), "earlier failures do not count");
    }
}
