//! How often anybody may make the service ask for keys.

use std::time::{Duration, Instant};

/// One attempt is granted in so long.
pub(super) const PERIOD: Duration = Duration::from_secs(10);
/// So many are saved up while nobody asks: a rotation that comes right after a stranger's token is still seen at once.
pub(super) const SAVED: u32 = 2;

/// A ration of attempts.
#[derive(Debug)]
pub(super) struct Ration {
    left: u32,
    counted: Instant,
}

impl Ration {
    /// Begins with as many as can be saved up.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            left: SAVED,
            counted: now,
        }
    }

    /// Takes one attempt, if one is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        while self.left < SAVED && now.saturating_duration_since(self.counted) >= PERIOD {
            self.left += 1;
            self.counted += PERIOD;
        }
        if self.left == SAVED {
            self.counted = now;
        }
        let is_granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_granted_what_was_saved_and_then_one_a_period() {
        let start = Instant::now();
        let mut ration = Ration::new(start);
        let mut granted = |from: Duration, to: Duration| {
            let mut granted = 0;
            let mut at = from;
            while at < to {
                granted += u32::from(ration.take(start + at));
                at += Duration::from_millis(7);
            }
            granted
        };
        assert_eq!(granted(Duration::ZERO, PERIOD), SAVED);
        assert_eq!(granted(PERIOD, PERIOD * 6), 5);
        let later = PERIOD * 600;
        assert_eq!(
            granted(later, later + PERIOD / 2),
            SAVED,
            "no more is saved up"
        );
    }
}
