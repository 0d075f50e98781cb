use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// How many calls in a row may fail before Redis is left alone.
const FAILURES: u32 = 3;
/// How many heartbeats in a row must be quick before it is asked again.
const QUICK_BEATS: u32 = 2;

/// Leaves a Redis alone that fails or is slow. Only heartbeats find out whether it has recovered: no request has to.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
    quick_beats: AtomicU32,
    open: AtomicBool,
}

impl Breaker {
    /// Tells whether requests may ask.
    pub(super) fn is_closed(&self) -> bool {
        !self.open.load(Ordering::Acquire)
    }

    /// A call was answered in time.
    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// A call was not.
    pub(super) fn failed(&self) {
        if self.failures.fetch_add(1, Ordering::AcqRel) + 1 >= FAILURES
            && !self.open.swap(true, Ordering::AcqRel)
        {
            self.quick_beats.store(0, Ordering::Release);
            tracing::warn!("Redis fails or is slow: it is left alone until it is quick again");
        }
    }

    /// A heartbeat took so long.
    pub(super) fn beaten(&self, took: Duration, quick: Duration) {
        if self.is_closed() {
            return;
        }
        if took > quick {
            self.quick_beats.store(0, Ordering::Release);
        } else if self.quick_beats.fetch_add(1, Ordering::AcqRel) + 1 >= QUICK_BEATS {
            self.failures.store(0, Ordering::Release);
            self.open.store(false, Ordering::Release);
            tracing::info!("Redis is quick again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(5);

    #[test]
    fn it_opens_at_the_third_failure_in_a_row() {
        let breaker = Breaker::default();
        breaker.failed();
        breaker.failed();
        breaker.succeeded();
        breaker.failed();
        breaker.failed();
        assert!(breaker.is_closed());
        breaker.failed();
        assert!(!breaker.is_closed());
    }

    #[test]
    fn only_quick_heartbeats_in_a_row_close_it() {
        let breaker = Breaker::default();
        for _ in 0..3 {
            breaker.failed();
        }
        breaker.succeeded();
        breaker.beaten(QUICK, QUICK);
        breaker.beaten(QUICK * 2, QUICK);
        breaker.beaten(QUICK, QUICK);
        assert!(!breaker.is_closed());
        breaker.beaten(QUICK, QUICK);
        assert!(breaker.is_closed());
        breaker.failed();
        assert!(breaker.is_closed(), "failures before are forgotten");
    }
}
