//! The rules that slow down password guessing, as pure functions that every store uses.
//!
//! Failed logins are counted for the account and, if the caller sends a source, for the account and source. From the
//! sixth failure on, each failure is followed by a delay that doubles, up to 15 minutes. Every attempt during a delay
//! is refused, is not counted, and does not extend the delay.
//!
//! An attacker that knows a username can cause failures and so lock the account. A caller that sends sources protects
//! the owner from that: each source has its own delay. The account's delay then starts much later, and does not apply
//! to sources that have logged in before.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::Violation;
use crate::secret::Secret;
use crate::values::{Timestamp, UserId};

/// The source of a login attempt, chosen by the caller: for example an IP address or a known device.
///
/// Two sources are the same if their bytes are equal. A source may be personal data, and is never printed.
#[derive(Clone)]
pub struct LoginSource(SecretString);

/// The account whose failures are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// The account of a user.
    User(UserId),
    /// An identifier without a user. Its failures are counted too, so that the response time does not differ.
    Unknown,
}

/// A login attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginAttempt {
    /// The normalised login identifier.
    pub identifier: Secret,
    /// The account that the identifier belongs to.
    pub account: Account,
    /// The source, if the caller sent one.
    pub source: Option<LoginSource>,
}

/// The counter of login attempts of one account, or of one account and source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AttemptCounter {
    /// The number of consecutive failures.
    pub failures: u32,
    /// The time of the last failure.
    pub failed_at: Option<Timestamp>,
    /// The time until which every attempt is refused.
    pub blocked_until: Option<Timestamp>,
    /// The time of the last success; recorded for sources only.
    pub succeeded_at: Option<Timestamp>,
}

/// The counters of a user's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountAttempts {
    /// The counter of the account, over all sources.
    pub account: AttemptCounter,
    /// The number of recorded sources.
    pub sources: u64,
    /// The number of sources that are blocked.
    pub blocked_sources: u64,
    /// The time of the last success of any source.
    pub succeeded_at: Option<Timestamp>,
}

/// The counters that decide a login attempt: those of the account and of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lockout {
    /// The counter of the account, over all sources.
    pub account: AttemptCounter,
    /// The counter of the attempt's source, if it has one.
    pub source: Option<AttemptCounter>,
}

impl LoginSource {
    /// The maximum length in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Parses a source. Violations: `blank`, `too_long`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(Violation::new("blank", "Must not be empty."));
        }
        if text.len() > Self::MAX_BYTES {
            return Err(Violation::new("too_long", "Must have at most 255 bytes."));
        }
        Ok(Self(text.into()))
    }

    /// The text, which may be personal data.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for LoginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginSource(…)")
    }
}

impl PartialEq for LoginSource {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for LoginSource {}

impl AttemptCounter {
    /// The number of failures without a delay, because users mistype.
    pub const FREE_FAILURES: u32 = 5;
    /// The number of failures of an account without a delay, if the caller sends sources. It is much higher because
    /// each source has its own limit.
    pub const FREE_ACCOUNT_FAILURES: u32 = 100;
    /// The first delay; each failure doubles it.
    pub const FIRST_DELAY: Duration = Duration::from_secs(5);
    /// The maximum delay.
    pub const MAX_DELAY: Duration = Duration::from_mins(15);
    /// How long failures are kept after the last one.
    pub const FAILURE_RETENTION: Duration = Duration::from_hours(24);
    /// How long a source counts as known after a successful login.
    pub const KNOWN_SOURCE_RETENTION: Duration = Duration::from_hours(30 * 24);

    /// Whether every attempt is refused at a time.
    pub fn blocks(&self, at: Timestamp) -> bool {
        self.blocked_until.is_some_and(|until| at < until)
    }

    /// The time from which the counter has no effect and can be removed; none if it is empty.
    pub fn forgotten_at(&self) -> Option<Timestamp> {
        let failures = self.failed_at.map(|at| at.plus(Self::FAILURE_RETENTION));
        let success = self
            .succeeded_at
            .map(|at| at.plus(Self::KNOWN_SOURCE_RETENTION));
        failures.max(success)
    }

    fn is_known(&self, at: Timestamp) -> bool {
        self.succeeded_at
            .is_some_and(|succeeded| at < succeeded.plus(Self::KNOWN_SOURCE_RETENTION))
    }

    fn failed(self, at: Timestamp, free: u32) -> Self {
        if self.blocks(at) {
            return self;
        }
        let forgotten = self
            .failed_at
            .is_none_or(|failed| at >= failed.plus(Self::FAILURE_RETENTION));
        let failures = if forgotten { 0 } else { self.failures };
        let failures = failures.saturating_add(1);
        Self {
            failures,
            failed_at: Some(at),
            blocked_until: delay(failures, free).map(|delay| at.plus(delay)),
            succeeded_at: self.succeeded_at,
        }
    }
}

/// The delay after a number of failures, if there is one.
fn delay(failures: u32, free: u32) -> Option<Duration> {
    let doublings = failures.checked_sub(free.saturating_add(1))?;
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    Some(
        AttemptCounter::FIRST_DELAY
            .saturating_mul(factor)
            .min(AttemptCounter::MAX_DELAY),
    )
}

impl Lockout {
    /// Whether a login with the right password succeeds at a time.
    pub fn admits(&self, at: Timestamp) -> bool {
        match &self.source {
            None => !self.account.blocks(at),
            Some(source) => !source.blocks(at) && (source.is_known(at) || !self.account.blocks(at)),
        }
    }

    /// Returns the counters after a failure. An attempt that was refused because of a delay is not counted.
    #[must_use]
    pub fn failed(self, at: Timestamp) -> Self {
        if !self.admits(at) {
            return self;
        }
        let free = match self.source {
            None => AttemptCounter::FREE_FAILURES,
            Some(_) => AttemptCounter::FREE_ACCOUNT_FAILURES,
        };
        Self {
            account: self.account.failed(at, free),
            source: self
                .source
                .map(|source| source.failed(at, AttemptCounter::FREE_FAILURES)),
        }
    }

    /// Returns the counters after a success, without failures.
    #[must_use]
    pub fn succeeded(self, at: Timestamp) -> Self {
        Self {
            account: AttemptCounter::default(),
            source: self.source.map(|_| AttemptCounter {
                succeeded_at: Some(at),
                ..AttemptCounter::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::samples::{seconds, start};

    fn with_source() -> Lockout {
        Lockout {
            source: Some(AttemptCounter::default()),
            ..Lockout::default()
        }
    }

    /// Adds failures, each as soon as the delay of the one before has ended.
    fn fail(mut lockout: Lockout, times: u32, mut at: Timestamp) -> (Lockout, Timestamp) {
        for _ in 0..times {
            let blocked = [
                lockout.account.blocked_until,
                lockout.source.and_then(|source| source.blocked_until),
            ];
            at = blocked.into_iter().flatten().fold(at, Timestamp::max);
            lockout = lockout.failed(at);
        }
        (lockout, at)
    }

    #[test]
    fn delays_start_at_the_sixth_failure_and_double_up_to_15_minutes() {
        let mut delays = Vec::new();
        for failures in 1..=16 {
            let (lockout, at) = fail(Lockout::default(), failures, start());
            let delay = lockout.account.blocked_until.map(|until| until.since(at));
            delays.push(delay.map_or(0, |delay| delay.as_secs()));
        }
        assert_eq!(
            delays,
            [
                0, 0, 0, 0, 0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900
            ]
        );
        let (locked, at) = fail(Lockout::default(), 100, start());
        let until = locked.account.blocked_until.unwrap();
        assert_eq!(until.since(at), AttemptCounter::MAX_DELAY);
    }

    #[test]
    fn an_attempt_during_a_delay_does_not_extend_it() {
        let (locked, at) = fail(Lockout::default(), 6, start());
        assert!(!locked.admits(at));
        assert_eq!(locked.failed(at.plus(Duration::from_secs(4))), locked);
        assert!(locked.admits(at.plus(AttemptCounter::FIRST_DELAY)));
    }

    #[test]
    fn a_success_or_24_hours_reset_the_failures() {
        let (locked, at) = fail(Lockout::default(), 9, start());
        assert_eq!(locked.succeeded(at), Lockout::default());
        let later = at.plus(AttemptCounter::FAILURE_RETENTION);
        assert_eq!(locked.failed(later).account.failures, 1);
        assert!(locked.failed(later).admits(later));
        let just_before = later.minus(Duration::from_secs(1));
        assert_eq!(locked.failed(just_before).account.failures, 10);
    }

    #[test]
    fn a_source_is_delayed_by_its_own_failures_first() {
        let (attacker, at) = fail(with_source(), 6, start());
        assert!(!attacker.admits(at));
        let owner = Lockout {
            account: attacker.account,
            source: Some(AttemptCounter::default()),
        };
        assert!(owner.admits(at), "{owner:?}");
    }

    #[test]
    fn failures_from_many_sources_delay_new_sources_but_not_known_ones() {
        let mut account = AttemptCounter::default();
        let mut at = start();
        for _ in 0..=AttemptCounter::FREE_ACCOUNT_FAILURES {
            at = at.plus(Duration::from_secs(1));
            account = Lockout {
                account,
                ..with_source()
            }
            .failed(at)
            .account;
        }
        assert!(account.blocks(at));
        let new_source = Lockout {
            account,
            ..with_source()
        };
        assert!(!new_source.admits(at));
        let known = Lockout {
            account,
            source: with_source().succeeded(start()).source,
        };
        assert!(known.admits(at));
        let (failing, at) = fail(known, 6, at);
        assert!(!failing.admits(at), "a known source has its own delay");
        let long_ago = Lockout {
            account,
            source: Some(AttemptCounter {
                succeeded_at: Some(seconds(0)),
                ..AttemptCounter::default()
            }),
        };
        let after = start().plus(AttemptCounter::KNOWN_SOURCE_RETENTION);
        let expired = Lockout {
            account: AttemptCounter {
                blocked_until: Some(after.plus(Duration::from_secs(1))),
                ..account
            },
            ..long_ago
        };
        assert!(!expired.admits(after));
    }
}
