//! When a cached user may be given: while somebody vouches for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use user_domain::ports::Voucher;

use crate::guards::{Guard, Guards};

/// How long ago the outbox, or the link to the other replicas, may have been looked at.
pub(super) const BOUND: Duration = Duration::from_secs(1);
/// How long the other replicas vouch, while the database is away.
const WITHOUT_STORE: Duration = Duration::from_mins(1);

/// What this replica has looked at, and when. Times are those at which a look that came to its end began: it saw all
/// that was there before.
pub(super) struct Freshness {
    origin: Instant,
    /// Microseconds since the origin; 0 is never.
    polled: AtomicU64,
    corrected: AtomicU64,
    beaten: AtomicU64,
    linked: AtomicU64,
    failing: AtomicBool,
    guards: Guards,
}

impl Freshness {
    pub(super) fn new(guards: Guards) -> Self {
        Self {
            origin: Instant::now(),
            polled: AtomicU64::new(0),
            corrected: AtomicU64::new(0),
            beaten: AtomicU64::new(0),
            linked: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            guards,
        }
    }

    /// The outbox was looked at, and what it told is applied to the first tier.
    pub(super) fn polled(&self, begun: Instant) {
        self.failing.store(false, Ordering::Release);
        self.polled.store(self.micros(begun), Ordering::Release);
    }

    /// The outbox could not be looked at.
    pub(super) fn failed(&self) {
        self.failing.store(true, Ordering::Release);
    }

    /// What a look at the outbox told is applied to the second tier as well.
    pub(super) fn corrected(&self, begun: Instant) {
        self.corrected.store(self.micros(begun), Ordering::Release);
    }

    /// A link to Redis, and to the other replicas' news, is up.
    pub(super) fn linked(&self, now: Instant) {
        self.linked.store(self.micros(now), Ordering::Release);
    }

    /// The link is down.
    pub(super) fn unlinked(&self) {
        self.beaten.store(0, Ordering::Release);
    }

    /// The link has answered, and all news that came before its answer is applied.
    pub(super) fn beaten(&self, begun: Instant) {
        self.beaten.store(self.micros(begun), Ordering::Release);
    }

    /// Takes down what has been looked at until now.
    pub(super) fn stamps(&self) -> Stamps {
        Stamps {
            origin: self.origin,
            polled: self.polled.load(Ordering::Acquire),
            corrected: self.corrected.load(Ordering::Acquire),
            beaten: self.beaten.load(Ordering::Acquire),
            linked: self.linked.load(Ordering::Acquire),
            failing: self.failing.load(Ordering::Acquire),
            guards: self.guards,
        }
    }

    /// The age of the newest look at the outbox.
    pub(super) fn tail_age(&self, now: Instant) -> Duration {
        let polled = self.polled.load(Ordering::Acquire);
        Duration::from_micros(self.micros(now).saturating_sub(polled))
    }

    fn micros(&self, moment: Instant) -> u64 {
        micros(self.origin, moment)
    }
}

/// What had been looked at when something cached was read. It vouches for that and for nothing that is read later or was
/// dropped before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamps {
    origin: Instant,
    polled: u64,
    corrected: u64,
    beaten: u64,
    linked: u64,
    failing: bool,
    guards: Guards,
}

impl Stamps {
    /// Who vouches for the first tier now.
    pub(super) fn voucher(&self, now: Instant) -> Option<Voucher> {
        self.vouching(self.polled, now)
    }

    /// Who vouches for the second tier now.
    pub(super) fn second_voucher(&self, now: Instant) -> Option<Voucher> {
        self.vouching(self.corrected, now)
    }

    fn vouching(&self, looked: u64, now: Instant) -> Option<Voucher> {
        let now = micros(self.origin, now);
        if is_within(looked, now, BOUND) || !self.guards.stands(Guard::PollAge) {
            return Some(Voucher::Store);
        }
        self.replicas_vouch(now).then_some(Voucher::Replicas)
    }

    /// The other replicas vouch while the database is known to be away and their news has come without a gap since it
    /// was last looked at.
    fn replicas_vouch(&self, now: u64) -> bool {
        let without_gap = self.linked <= self.polled || !self.guards.stands(Guard::Reconnect);
        self.failing
            && is_within(self.beaten, now, BOUND)
            && is_within(self.polled, now, WITHOUT_STORE)
            && without_gap
    }
}

fn micros(origin: Instant, moment: Instant) -> u64 {
    let since = moment.saturating_duration_since(origin);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX).max(1)
}

fn is_within(moment: u64, now: u64, bound: Duration) -> bool {
    moment > 0 && u128::from(now.saturating_sub(moment)) <= bound.as_micros()
}

#[cfg(test)]
mod tests;
