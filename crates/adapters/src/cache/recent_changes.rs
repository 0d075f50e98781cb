//! Records which users changed recently, to decide which values are accepted from Redis.
//!
//! A client that can write into Redis can write an old sealed value again. A value therefore contains the time at which
//! its reader started, and is a miss after the lifetime of an entry. Within that lifetime, this process knows the
//! minimum revision of every user that changed. Its sources are the outbox poller, the messages of the other replicas
//! and, for changes before its start, a backward scan of the outbox.

mod backward_scan;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use user_domain::ports::{Changed, Clock, PastChanges};
use user_domain::user::EventKind;
use user_domain::values::{Timestamp, UserId};

use super::invalidation::ABSENT;
use crate::guards::{Guard, Guards};
pub(super) use backward_scan::BackwardScan;

/// The lifetime of a user in Redis.
pub(super) const USER_TTL: Duration = Duration::from_hours(1);
/// The lifetime of an absence in Redis. It is short, because a client can ask for arbitrary ids.
pub(super) const ABSENCE_TTL: Duration = Duration::from_mins(1);
const SHARDS: usize = 64;
/// The maximum number of users in one shard. All shards together take at most some 5 MiB.
const SHARD_CAPACITY: usize = 100_000 / SHARDS;
/// The minimum revision of a user that was created: only its absence is older.
const CREATED: i64 = 1;
/// The minimum revision of a user whose message does not name the new revision: the result of the write is unknown.
const UNKNOWN: i64 = i64::MAX - 1;
/// The minimum revision of a user that was erased: only its absence is valid.
const ERASED: i64 = i64::MAX;

/// The users that changed within the lifetime of an entry in Redis.
///
/// Times are microseconds since 1970 by the clock of the store. The clocks of all replicas follow it to within
/// [`Timestamp::CLOCK_TOLERANCE`], which includes the time that a write takes to commit.
pub(super) struct RecentChanges {
    shards: Vec<Mutex<Shard>>,
    /// All changes after this time are known: the outbox has been read back to it.
    complete_since: AtomicI64,
    clock: Arc<dyn Clock>,
    guards: Guards,
}

/// The changed users of one shard.
struct Shard {
    minimums: HashMap<UserId, Minimum>,
    /// Changes up to these times may have been dropped: changes of users, and creations, which only end an absence.
    dropped: i64,
    dropped_creations: i64,
}

/// The minimum revision of a user that changed.
struct Minimum {
    /// Nothing older is valid.
    revision: i64,
    /// When the change was observed, or happened.
    at: i64,
}

/// The sealed header of a value in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SealedHeader {
    /// The revision of the user, or [`ABSENT`].
    pub(super) revision: i64,
    /// When its reader started, before the database query, in microseconds since 1970.
    pub(super) started: i64,
}

impl RecentChanges {
    /// Creates an empty record, with which no value is accepted.
    pub(super) fn new(clock: Arc<dyn Clock>, guards: Guards) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            complete_since: AtomicI64::new(i64::MAX),
            clock,
            guards,
        }
    }

    /// Returns the time by the clock with which values are sealed.
    pub(super) fn now(&self) -> i64 {
        micros(self.clock.now())
    }

    /// Whether a value of a user is accepted from Redis at this time.
    pub(super) fn accepts(&self, id: UserId, header: SealedHeader, now: i64) -> bool {
        let is_within_ttl = is_within_ttl(header, now) || !self.guards.is_active(Guard::SealAge);
        is_within_ttl
            && (self.is_newest(id, header) || !self.guards.is_active(Guard::RecentChanges))
    }

    fn is_newest(&self, id: UserId, header: SealedHeader) -> bool {
        let shard = self.shard(id);
        let dropped = if header.revision == ABSENT {
            shard.dropped.max(shard.dropped_creations)
        } else {
            shard.dropped
        };
        let complete_since = self.complete_since.load(Ordering::Acquire).max(dropped);
        if header.started <= complete_since.saturating_add(TOLERANCE) {
            return false;
        }
        match shard.minimums.get(&id) {
            None => true,
            Some(minimum) if header.revision == ABSENT => minimum.revision == ERASED,
            Some(minimum) => minimum.revision <= header.revision,
        }
    }

    /// Records a change that the outbox poller has just read.
    pub(super) fn record_change(&self, change: &Changed) {
        self.raise(change.id, minimum_of(change), self.now());
    }

    /// Records the revision in a message of another replica. The message is not authenticated.
    pub(super) fn record_message(&self, id: UserId, revision: i64) {
        self.raise(id, revision.min(UNKNOWN), self.now());
    }

    /// Records a page of a backward scan. All newer pages have been recorded.
    ///
    /// Events are numbered before they are committed, so the order of the log is only nearly chronological. The changes
    /// later than every event of the page are known, whatever the order within the page.
    fn record_page(&self, page: &PastChanges) {
        for change in &page.changed {
            self.raise(change.id, minimum_of(change), micros(change.at));
        }
        let complete_since = match (page.next, page.latest) {
            (Some(_), Some(latest)) => micros(latest),
            (None, _) | (_, None) => i64::MIN,
        };
        self.complete_since
            .fetch_min(complete_since, Ordering::AcqRel);
    }

    /// Drops everything. The outbox has to be scanned again.
    pub(super) fn reset(&self) {
        self.complete_since.store(i64::MAX, Ordering::Release);
        for shard in &self.shards {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Shard::default();
        }
    }

    /// Drops the changes that are older than every value that can be accepted from Redis.
    ///
    /// Returns whether changes up to a time in the future may have been dropped, because the clock was ahead and went
    /// back. Values are then refused until that time, unless [`reset`](Self::reset) drops everything.
    pub(super) fn sweep(&self) -> bool {
        let now = self.now();
        let mut has_dropped_future = false;
        let before = |ttl| now - span(ttl) - 2 * TOLERANCE;
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.drop_until(before(USER_TTL));
            shard.drop_creations_until(before(ABSENCE_TTL));
            shard.shrink();
            let dropped = shard.dropped.max(shard.dropped_creations);
            has_dropped_future |= dropped > now + TOLERANCE;
        }
        has_dropped_future
    }

    fn raise(&self, id: UserId, revision: i64, at: i64) {
        self.shard(id).raise(id, revision, at);
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a remainder of SHARDS is one of the shards"
    )]
    fn shard(&self, id: UserId) -> MutexGuard<'_, Shard> {
        // The last bytes of an id are random, even if the id is time-ordered.
        let place = usize::from(id.as_uuid().as_bytes()[15]) % SHARDS;
        self.shards[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            minimums: HashMap::new(),
            dropped: i64::MIN,
            dropped_creations: i64::MIN,
        }
    }
}

impl Shard {
    fn raise(&mut self, id: UserId, revision: i64, at: i64) {
        // Values up to that time are refused already.
        if at <= self.dropped {
            return;
        }
        match self.minimums.entry(id) {
            Entry::Occupied(known) => {
                let known = known.into_mut();
                known.revision = known.revision.max(revision);
                known.at = known.at.max(at);
            }
            Entry::Vacant(unknown) => {
                unknown.insert(Minimum { revision, at });
            }
        }
        if self.minimums.len() > SHARD_CAPACITY {
            self.drop_oldest();
        }
    }

    /// Drops the creations, of which an import makes many. If that is not enough, drops the older half of all changes.
    fn drop_oldest(&mut self) {
        self.drop_creations_until(i64::MAX);
        if self.minimums.len() <= SHARD_CAPACITY / 2 {
            return;
        }
        let mut times: Vec<i64> = self.minimums.values().map(|known| known.at).collect();
        let half = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(half);
        self.drop_until(*median);
    }

    fn drop_until(&mut self, time: i64) {
        self.dropped = self.dropped.max(time);
        self.minimums.retain(|_, known| known.at > time);
    }

    fn drop_creations_until(&mut self, time: i64) {
        let mut latest = i64::MIN;
        self.minimums.retain(|_, known| {
            let is_over = known.revision == CREATED && known.at <= time;
            if is_over {
                latest = latest.max(known.at);
            }
            !is_over
        });
        self.dropped_creations = self.dropped_creations.max(latest);
    }

    fn shrink(&mut self) {
        if self.minimums.capacity() > 4 * self.minimums.len() {
            self.minimums.shrink_to(2 * self.minimums.len());
        }
    }
}

/// Whether a value was sealed within the lifetime of its entry, and not in the future.
fn is_within_ttl(header: SealedHeader, now: i64) -> bool {
    let ttl = if header.revision == ABSENT {
        ABSENCE_TTL
    } else {
        USER_TTL
    };
    let age = now.saturating_sub(header.started);
    (-TOLERANCE..=span(ttl) + TOLERANCE).contains(&age)
}

/// Returns the minimum valid revision after a change.
fn minimum_of(change: &Changed) -> i64 {
    match change.kind {
        EventKind::Created => CREATED,
        EventKind::Erased => ERASED,
        EventKind::Updated
        | EventKind::Suspended
        | EventKind::Activated
        | EventKind::Deleted
        | EventKind::Restored => change.revision.get(),
    }
}

fn micros(time: Timestamp) -> i64 {
    time.as_utc().timestamp_micros()
}

/// Returns a duration of whole seconds in microseconds.
const fn span(time: Duration) -> i64 {
    time.as_secs().cast_signed() * 1_000_000
}

const TOLERANCE: i64 = span(Timestamp::CLOCK_TOLERANCE);

#[cfg(test)]
mod tests;
