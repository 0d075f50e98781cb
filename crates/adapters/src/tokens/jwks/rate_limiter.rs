//! Limits how often unknown tokens can trigger a refresh of the keys.

use std::time::{Duration, Instant};

/// The time in which one permit is added.
const PERIOD: Duration = Duration::from_secs(10);
/// The maximum number of saved permits. With two, a key rotation right after a forged token is still seen at once.
pub(super) const BURST: u32 = 2;

/// A token bucket, stored as the time at which it is full again (generic cell rate algorithm).
#[derive(Default)]
pub(super) struct RateLimiter {
    full_at: Option<Instant>,
}

impl RateLimiter {
    /// Takes a permit, if one is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |known| known.max(now)) + PERIOD;
        let is_granted = full_at <= now + PERIOD * BURST;
        if is_granted {
            self.full_at = Some(full_at);
        }
        is_granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_the_saved_permits_and_then_one_a_period() {
        let start = Instant::now();
        let mut limiter = RateLimiter::default();
        let mut granted = |from: Duration, to: Duration| {
            let mut granted = 0;
            let mut at = from;
            while at < to {
                granted += u32::from(limiter.take(start + at));
                at += Duration::from_millis(7);
            }
            granted
        };
        assert_eq!(granted(Duration::ZERO, PERIOD), BURST);
        assert_eq!(granted(PERIOD, PERIOD * 6), 5);
        let later = PERIOD * 600;
        assert_eq!(
            granted(later, later + PERIOD / 2),
            BURST,
            "no more than the burst is saved"
        );
    }
}
