//! Decides whether a cached user is fresh enough to be served.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use user_domain::ports::FreshnessSource;

use crate::guards::{Guard, Guards};

/// The maximum age of the last outbox poll, or of the last heartbeat of the Redis connection.
pub(super) const MAX_AGE: Duration = Duration::from_secs(1);
/// How long the messages of the other replicas replace outbox polls while the database is unavailable.
const MAX_AGE_WITHOUT_STORE: Duration = Duration::from_mins(1);

/// The times of the last polls, corrections and heartbeats.
///
/// Each is the time at which a completed operation started: the operation saw everything from before that time.
pub(super) struct FreshnessTracker {
    origin: Instant,
    /// Microseconds since the origin; 0 means never. The same holds for the other times.
    last_poll: AtomicU64,
    last_correction: AtomicU64,
    last_heartbeat: AtomicU64,
    connected_since: AtomicU64,
    poll_fails: AtomicBool,
    guards: Guards,
}

impl FreshnessTracker {
    pub(super) fn new(guards: Guards) -> Self {
        Self {
            origin: Instant::now(),
            last_poll: AtomicU64::new(0),
            last_correction: AtomicU64::new(0),
            last_heartbeat: AtomicU64::new(0),
            connected_since: AtomicU64::new(0),
            poll_fails: AtomicBool::new(false),
            guards,
        }
    }

    /// Records a completed poll. Its changes have been applied to the in-process tier.
    pub(super) fn record_poll(&self, started: Instant) {
        self.poll_fails.store(false, Ordering::Release);
        self.last_poll
            .store(self.micros(started), Ordering::Release);
    }

    /// Records that a poll of the outbox failed.
    pub(super) fn record_poll_failure(&self) {
        self.poll_fails.store(true, Ordering::Release);
    }

    /// Records that the changes of a poll have been applied to the Redis tier as well.
    pub(super) fn record_correction(&self, started: Instant) {
        self.last_correction
            .store(self.micros(started), Ordering::Release);
    }

    /// Records that a connection to Redis, and to the messages of the other replicas, is up.
    pub(super) fn record_connection(&self, now: Instant) {
        self.connected_since
            .store(self.micros(now), Ordering::Release);
    }

    /// Records that the connection is down.
    pub(super) fn record_disconnection(&self) {
        self.last_heartbeat.store(0, Ordering::Release);
    }

    /// Records a heartbeat. All messages that arrived before its reply have been applied.
    pub(super) fn record_heartbeat(&self, started: Instant) {
        self.last_heartbeat
            .store(self.micros(started), Ordering::Release);
    }

    /// Returns the times recorded so far.
    pub(super) fn snapshot(&self) -> FreshnessSnapshot {
        FreshnessSnapshot {
            origin: self.origin,
            last_poll: self.last_poll.load(Ordering::Acquire),
            last_correction: self.last_correction.load(Ordering::Acquire),
            last_heartbeat: self.last_heartbeat.load(Ordering::Acquire),
            connected_since: self.connected_since.load(Ordering::Acquire),
            poll_fails: self.poll_fails.load(Ordering::Acquire),
            guards: self.guards,
        }
    }

    /// Returns the age of the last completed poll of the outbox.
    pub(super) fn poll_age(&self, now: Instant) -> Duration {
        let last_poll = self.last_poll.load(Ordering::Acquire);
        Duration::from_micros(self.micros(now).saturating_sub(last_poll))
    }

    fn micros(&self, moment: Instant) -> u64 {
        micros(self.origin, moment)
    }
}

/// The times that were recorded at one moment.
///
/// A snapshot proves the freshness of entries that are read after it was taken. It proves nothing about earlier reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct FreshnessSnapshot {
    origin: Instant,
    last_poll: u64,
    last_correction: u64,
    last_heartbeat: u64,
    connected_since: u64,
    poll_fails: bool,
    guards: Guards,
}

impl FreshnessSnapshot {
    /// Returns what proves that the in-process tier is fresh now, if anything does.
    pub(super) fn memory_source(&self, now: Instant) -> Option<FreshnessSource> {
        self.source_since(self.last_poll, now)
    }

    /// Returns what proves that the Redis tier is fresh now, if anything does.
    pub(super) fn redis_source(&self, now: Instant) -> Option<FreshnessSource> {
        self.source_since(self.last_correction, now)
    }

    fn source_since(&self, since: u64, now: Instant) -> Option<FreshnessSource> {
        let now = micros(self.origin, now);
        if is_within(since, now, MAX_AGE) || !self.guards.is_active(Guard::PollAge) {
            return Some(FreshnessSource::Store);
        }
        self.replicas_are_fresh(now)
            .then_some(FreshnessSource::Replicas)
    }

    /// Whether the messages of the other replicas prove freshness. They do while the database is known to be
    /// unavailable, if no message can have been lost since the last poll.
    fn replicas_are_fresh(&self, now: u64) -> bool {
        let without_gap =
            self.connected_since <= self.last_poll || !self.guards.is_active(Guard::Reconnect);
        self.poll_fails
            && is_within(self.last_heartbeat, now, MAX_AGE)
            && is_within(self.last_poll, now, MAX_AGE_WITHOUT_STORE)
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
