//! How guessing is slowed down: pure, for every store.
//!
//! Failures are counted for the account and, where the caller tells from where somebody tries, for that source of it.
//! From the sixth failure on each is followed by a delay that doubles, up to 15 minutes. What is tried meanwhile is
//! refused whatever it is, counts for nothing and makes no delay longer.
//!
//! Whoever knows an account's name can make it fail. A caller that tells sources keeps that from its owner: a source
//! has delays of its own, the account's begin much later, and they do not hold a source that was let in before.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::Violation;
use crate::secret::Secret;
use crate::values::{Timestamp, UserId};

/// From where somebody tries to be let in, as the caller knows it: an address, or a device that it has seen before.
///
/// Two texts are the same source when they are the same bytes. It may be personal, and is never shown.
#[derive(Clone)]
pub struct LoginSource(SecretString);

/// Whose failures are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// A user's.
    User(UserId),
    /// Those of an identifier that nobody has, so that it takes the work that a user's would.
    Nobody,
}

/// One try to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginAttempt {
    /// As whom, in the one spelling of all that mean the same.
    pub identifier: Secret,
    /// Who that is.
    pub account: Account,
    /// From where, if the caller tells.
    pub source: Option<LoginSource>,
}

/// What is remembered of the tries at one account, or at one account from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tries {
    /// The failures in a row.
    pub failures: u32,
    /// The last of them.
    pub failed_at: Option<Timestamp>,
    /// Until when all is refused.
    pub blocked_until: Option<Timestamp>,
    /// The last success; remembered of sources.
    pub succeeded_at: Option<Timestamp>,
}

/// What is remembered of an account, and of it from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lockout {
    /// From anywhere.
    pub account: Tries,
    /// From the source of the attempt, if it has one.
    pub source: Option<Tries>,
}

impl LoginSource {
    /// The most bytes.
    pub const MAX_BYTES: usize = 255;

    /// Takes a source. Violations: `blank`, `too_long`.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if text.is_empty() {
            return Err(Violation::new("blank", "Must not be empty."));
        }
        if text.len() > Self::MAX_BYTES {
            return Err(Violation::new("too_long", "Must have at most 255 bytes."));
        }
        Ok(Self(text.into()))
    }

    /// The text. It may be personal.
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

impl Tries {
    /// How many failures are followed by no delay: people mistype.
    pub const FREE: u32 = 5;
    /// How many of an account whose sources are told: far more, since each source has its own.
    pub const FREE_ALTOGETHER: u32 = 100;
    /// The first delay; each failure doubles it.
    pub const FIRST_DELAY: Duration = Duration::from_secs(5);
    /// The longest delay.
    pub const LONGEST_DELAY: Duration = Duration::from_mins(15);
    /// How long after the last of them failures are forgotten.
    pub const REMEMBERED: Duration = Duration::from_hours(24);
    /// How long a source that was let in stays known.
    pub const KNOWN: Duration = Duration::from_hours(30 * 24);

    /// Tells whether all is refused at a moment.
    pub fn blocks(&self, at: Timestamp) -> bool {
        self.blocked_until.is_some_and(|until| at < until)
    }

    /// Tells when nothing of this matters any more.
    pub fn forgotten_at(&self) -> Option<Timestamp> {
        let failures = self.failed_at.map(|at| at.plus(Self::REMEMBERED));
        let success = self.succeeded_at.map(|at| at.plus(Self::KNOWN));
        failures.max(success)
    }

    fn knows(&self, at: Timestamp) -> bool {
        self.succeeded_at
            .is_some_and(|succeeded| at < succeeded.plus(Self::KNOWN))
    }

    fn failed(self, at: Timestamp, free: u32) -> Self {
        if self.blocks(at) {
            return self;
        }
        let forgotten = self
            .failed_at
            .is_none_or(|failed| at >= failed.plus(Self::REMEMBERED));
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

/// Gives the delay after so many failures, if there is one.
fn delay(failures: u32, free: u32) -> Option<Duration> {
    let doublings = failures.checked_sub(free.saturating_add(1))?;
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    Some(
        Tries::FIRST_DELAY
            .saturating_mul(factor)
            .min(Tries::LONGEST_DELAY),
    )
}

impl Lockout {
    /// Tells whether the right password lets somebody in at a moment.
    pub fn admits(&self, at: Timestamp) -> bool {
        match &self.source {
            None => !self.account.blocks(at),
            Some(source) => !source.blocks(at) && (source.knows(at) || !self.account.blocks(at)),
        }
    }

    /// Gives what is remembered after a failure. One that was refused unseen counts for nothing.
    #[must_use]
    pub fn failed(self, at: Timestamp) -> Self {
        if !self.admits(at) {
            return self;
        }
        let free = match self.source {
            None => Tries::FREE,
            Some(_) => Tries::FREE_ALTOGETHER,
        };
        Self {
            account: self.account.failed(at, free),
            source: self.source.map(|source| source.failed(at, Tries::FREE)),
        }
    }

    /// Gives what is remembered after a success: no failure.
    #[must_use]
    pub fn succeeded(self, at: Timestamp) -> Self {
        Self {
            account: Tries::default(),
            source: self.source.map(|_| Tries {
                succeeded_at: Some(at),
                ..Tries::default()
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::samples::{seconds, start};

    fn told() -> Lockout {
        Lockout {
            source: Some(Tries::default()),
            ..Lockout::default()
        }
    }

    /// Fails so often, each time as soon as it is looked at again.
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
    fn delays_begin_at_the_sixth_failure_and_double_up_to_a_quarter_of_an_hour() {
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
        let (endless, at) = fail(Lockout::default(), 100, start());
        let until = endless.account.blocked_until.unwrap();
        assert_eq!(until.since(at), Tries::LONGEST_DELAY);
    }

    #[test]
    fn what_is_tried_during_a_delay_makes_it_no_longer() {
        let (locked, at) = fail(Lockout::default(), 6, start());
        assert!(!locked.admits(at));
        assert_eq!(locked.failed(at.plus(Duration::from_secs(4))), locked);
        assert!(locked.admits(at.plus(Tries::FIRST_DELAY)));
    }

    #[test]
    fn a_success_clears_and_a_day_forgets() {
        let (locked, at) = fail(Lockout::default(), 9, start());
        assert_eq!(locked.succeeded(at), Lockout::default());
        let later = at.plus(Tries::REMEMBERED);
        assert_eq!(locked.failed(later).account.failures, 1);
        assert!(locked.failed(later).admits(later));
        let just_before = later.minus(Duration::from_secs(1));
        assert_eq!(locked.failed(just_before).account.failures, 10);
    }

    #[test]
    fn a_source_is_held_by_its_own_failures_first() {
        let (attacker, at) = fail(told(), 6, start());
        assert!(!attacker.admits(at));
        let owner = Lockout {
            account: attacker.account,
            source: Some(Tries::default()),
        };
        assert!(owner.admits(at), "{owner:?}");
    }

    #[test]
    fn many_sources_hold_new_ones_but_none_that_is_known() {
        let mut account = Tries::default();
        let mut at = start();
        for _ in 0..=Tries::FREE_ALTOGETHER {
            at = at.plus(Duration::from_secs(1));
            account = Lockout { account, ..told() }.failed(at).account;
        }
        assert!(account.blocks(at));
        let stranger = Lockout { account, ..told() };
        assert!(!stranger.admits(at));
        let known = Lockout {
            account,
            source: told().succeeded(start()).source,
        };
        assert!(known.admits(at));
        let (failing, at) = fail(known, 6, at);
        assert!(!failing.admits(at), "a known source is held by its own");
        let long_ago = Lockout {
            account,
            source: Some(Tries {
                succeeded_at: Some(seconds(0)),
                ..Tries::default()
            }),
        };
        let after = start().plus(Tries::KNOWN);
        let still = Lockout {
            account: Tries {
                blocked_until: Some(after.plus(Duration::from_secs(1))),
                ..account
            },
            ..long_ago
        };
        assert!(!still.admits(after));
    }
}
