//! How long a command waits for a database that is away.

use std::time::Duration;

use user_domain::StoreError;

/// How often in a row a store may fail before a command gives up, half a minute later.
const TRIES: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failures: u32,
}

impl Patience {
    /// Takes note that the store has answered.
    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    /// Tells how long to wait before the same is tried again; nothing if it will not help.
    pub(super) fn pause(&mut self, error: &StoreError) -> Option<Duration> {
        match error {
            StoreError::Internal(_) => None,
            StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_) => {
                self.failures += 1;
                let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.failures - 1);
                (self.failures <= TRIES).then(|| pause.min(LONGEST_PAUSE))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> StoreError {
        StoreError::Unavailable("away".to_owned())
    }

    #[test]
    fn pauses_grow_to_five_seconds_and_end() {
        let mut patience = Patience::default();
        let pauses: Vec<Duration> = std::iter::from_fn(|| patience.pause(&away())).collect();
        assert_eq!(pauses.len(), 12);
        assert!(pauses.is_sorted());
        assert_eq!(pauses.first(), Some(&FIRST_PAUSE));
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
    }

    #[test]
    fn an_answer_brings_the_patience_back() {
        let mut patience = Patience::default();
        for _ in 0..100 {
            assert!(patience.pause(&away()).is_some());
            patience.answered();
        }
    }

    #[test]
    fn what_will_not_pass_is_not_waited_for() {
        let broken = StoreError::Internal("broken".to_owned());
        assert_eq!(Patience::default().pause(&broken), None);
        let unknown = StoreError::OutcomeUnknown("away".to_owned());
        assert!(Patience::default().pause(&unknown).is_some());
    }
}
