//! When a request is repeated, and after which delay.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::operation::Repetition;

/// The first delay without `Retry-After`. Each further one is twice as long.
const MIN_DELAY: Duration = Duration::from_millis(50);
/// The maximum delay without `Retry-After`.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection was made, so nothing was sent.
    NotSent,
    /// The connection ended, or the time was over, before the response was complete.
    ResponseLost,
    /// The response to the request cannot be read: it is too large, or a success with unexpected content.
    Unreadable,
    /// The service reported a problem with this status.
    Problem(u16),
    /// A gateway, or another server, responded with this status.
    Gateway(u16),
}

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Assessment {
    /// Whether the request may be sent again.
    pub(crate) may_repeat: bool,
    /// Whether the write may have been done, by this or an earlier attempt.
    pub(crate) may_be_done: bool,
}

/// Assesses a failed attempt. `earlier_may_be_done` is the result of the attempts before it.
pub(crate) fn assess(
    repetition: Repetition,
    failure: Failure,
    earlier_may_be_done: bool,
) -> Assessment {
    let is_unknown = match failure {
        Failure::NotSent => false,
        Failure::ResponseLost | Failure::Unreadable | Failure::Gateway(_) => true,
        // With a 503, the service promises that it has done nothing.
        Failure::Problem(status) => status >= 500 && status != 503,
    };
    let is_transient = match failure {
        Failure::NotSent | Failure::ResponseLost => true,
        Failure::Unreadable => false,
        Failure::Problem(status) | Failure::Gateway(status) => {
            matches!(status, 408 | 429 | 502 | 503 | 504)
        }
    };
    let is_write = repetition != Repetition::Read;
    let may_repeat = is_transient && (!is_unknown || repetition != Repetition::Never);
    // Under its key, a write that was done is replayed instead of refused.
    let is_conclusive = repetition == Repetition::Keyed
        && matches!(failure, Failure::Problem(404 | 409 | 412 | 422 | 428));
    Assessment {
        may_repeat,
        may_be_done: is_write && (is_unknown || (earlier_may_be_done && !is_conclusive)),
    }
}

/// Returns the delays between the attempts of one call, with jitter and without end.
pub(crate) fn delays() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(MIN_DELAY)
        .with_max_delay(MAX_DELAY)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITES: [Repetition; 3] = [Repetition::Keyed, Repetition::Idempotent, Repetition::Never];

    #[test]
    fn what_was_certainly_not_done_is_repeated_always() {
        for repetition in [Repetition::Read].into_iter().chain(WRITES) {
            for failure in [
                Failure::NotSent,
                Failure::Problem(503),
                Failure::Problem(429),
            ] {
                let expected = Assessment {
                    may_repeat: true,
                    may_be_done: false,
                };
                assert_eq!(
                    assess(repetition, failure, false),
                    expected,
                    "{repetition:?} {failure:?}"
                );
            }
        }
    }

    #[test]
    fn a_write_with_an_unknown_outcome_is_repeated_only_if_that_is_safe() {
        for failure in [
            Failure::ResponseLost,
            Failure::Problem(504),
            Failure::Gateway(502),
        ] {
            for repetition in WRITES {
                let found = assess(repetition, failure, false);
                assert_eq!(
                    found.may_repeat,
                    repetition != Repetition::Never,
                    "{failure:?}"
                );
                assert!(found.may_be_done, "{repetition:?} {failure:?}");
            }
            let read = assess(Repetition::Read, failure, false);
            assert!(read.may_repeat && !read.may_be_done, "{failure:?}");
        }
    }

    #[test]
    fn an_unreadable_response_is_not_repeated_and_its_write_may_be_done() {
        for repetition in [Repetition::Read].into_iter().chain(WRITES) {
            let expected = Assessment {
                may_repeat: false,
                may_be_done: repetition != Repetition::Read,
            };
            assert_eq!(
                assess(repetition, Failure::Unreadable, false),
                expected,
                "{repetition:?}"
            );
        }
    }

    #[test]
    fn a_refusal_is_not_repeated() {
        for status in [400, 401, 403, 404, 409, 412, 422, 500] {
            assert!(
                !assess(Repetition::Read, Failure::Problem(status), false).may_repeat,
                "{status}"
            );
        }
        assert!(!assess(Repetition::Read, Failure::Gateway(404), false).may_repeat);
    }

    #[test]
    fn an_earlier_unknown_outcome_stays_unknown_until_the_key_decides() {
        let after = |failure| assess(Repetition::Keyed, failure, true).may_be_done;
        assert!(after(Failure::Problem(503)));
        assert!(after(Failure::Problem(401)));
        assert!(after(Failure::NotSent));
        assert!(!after(Failure::Problem(409)));
        assert!(assess(Repetition::Idempotent, Failure::Problem(404), true).may_be_done);
    }

    #[test]
    fn two_calls_have_different_delays() {
        let first: Vec<Duration> = delays().take(8).collect();
        assert_ne!(first, delays().take(8).collect::<Vec<_>>());
    }

    #[test]
    fn delays_grow_to_a_limit_and_have_no_end() {
        let delays: Vec<Duration> = delays().take(100).collect();
        assert_eq!(delays.len(), 100);
        assert!(delays[0] >= MIN_DELAY && delays[0] <= 2 * MIN_DELAY);
        assert!(delays.iter().all(|delay| *delay <= 2 * MAX_DELAY));
        assert!(delays[99] >= MAX_DELAY);
    }
}
