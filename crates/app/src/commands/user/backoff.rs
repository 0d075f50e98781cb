//! Exponential backoff of commands while the database is unavailable.

use std::time::Duration;

use backon::ExponentialBuilder;
use user_domain::StoreError;

/// The pauses after consecutive failures. A command gives up after about half a minute.
pub(super) const BACKOFF: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(5))
    .with_max_times(12);

/// Whether a retry may succeed.
pub(super) fn is_transient(error: &StoreError) -> bool {
    match error {
        StoreError::Internal(_) => false,
        StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use backon::BackoffBuilder as _;

    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds_and_are_limited_in_number() {
        let pauses: Vec<Duration> = BACKOFF.build().collect();
        assert_eq!(pauses.len(), 12);
        assert!(pauses.is_sorted());
        assert_eq!(pauses.first(), Some(&Duration::from_millis(100)));
        assert_eq!(pauses.last(), Some(&Duration::from_secs(5)));
    }

    #[test]
    fn permanent_errors_are_not_retried() {
        assert!(!is_transient(&StoreError::Internal("broken".to_owned())));
        let unavailable = "unavailable".to_owned();
        assert!(is_transient(&StoreError::Unavailable(unavailable.clone())));
        assert!(is_transient(&StoreError::OutcomeUnknown(unavailable)));
    }
}
