//! The in-process tier: the entries, and the leases of the readers and writers of each user.
//!
//! Every change of an entry or a lease happens under the lock of the user's shard. A slow reader's fill and the
//! invalidation that it missed are therefore ordered. A flush voids the leases under the locks, and then starts a new
//! generation of entries. Reading an entry takes no lock.

mod leases;
mod minimum_revisions;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use moka::notification::RemovalCause;
use moka::sync::Cache;
use user_domain::ports::UserKey;
use user_domain::user::User;
use user_domain::values::{ServiceTokenId, UserId, UsernameKey};

use leases::{ActiveLease, Leases};
pub(super) use leases::{Flight, MemoryLease};
use minimum_revisions::MinimumRevisions;

use super::invalidation::{InvalidationTarget, revision_of};
use super::meters::Meters;
use super::token_tier::TokenTier;
use crate::guards::{Guard, Guards};

const SHARDS: usize = 64;
/// The lifetime of an entry. Correctness does not depend on it; it bounds the effect of a defect.
const ENTRY_TTL: Duration = Duration::from_mins(10);
/// The approximate size of an entry without its texts: map nodes and the fixed part of the user.
const ENTRY_BYTES: usize = 2048;
/// The approximate size of a hint.
const HINT_BYTES: u32 = 256;
/// The lifetime of a hint. Each fill of its user renews it, so the hints of users that are read do not expire.
const HINT_TTL: Duration = Duration::from_mins(20);

/// The cached state of one id.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The user, or `None` if the id belongs to no user.
    pub(super) user: Option<Arc<User>>,
    generation: u64,
}

impl Entry {
    fn revision(&self) -> i64 {
        revision_of(self.user.as_ref())
    }
}

/// The result of a lookup of one user.
pub(super) enum MemoryLookup {
    /// The entry is cached.
    Known(Entry),
    /// Another reader is reading the user; its result can be awaited.
    Joined(Flight),
    /// No other reader is; this reader leads.
    Leading(MemoryLease),
}

/// The in-process tier. Each lease holds a reference to it, because it releases itself when it is dropped.
pub(super) struct MemoryTier {
    entries: Cache<UserId, Entry, RandomState>,
    keeps_entries: bool,
    hints: Cache<UserKey, UserId>,
    service_tokens: TokenTier,
    shards: Vec<Mutex<HashMap<UserId, Leases>>>,
    /// `Some` only with Redis, which may return older state.
    minimum_revisions: Option<MinimumRevisions>,
    /// Entries of an older generation are ignored.
    generation: AtomicU64,
    next_lease_token: AtomicU64,
    guards: Guards,
}

impl MemoryTier {
    /// Creates a tier of approximately this size. A tier of 0 bytes stores no user, but still coalesces readers.
    pub(super) fn new(bytes: u64, guards: Guards, meters: &Arc<Meters>) -> Self {
        let counted = meters.clone();
        let entries = Cache::builder()
            .max_capacity(bytes)
            .weigher(|_, entry: &Entry| weight(entry))
            .time_to_live(ENTRY_TTL)
            .eviction_listener(move |_, _, cause| match cause {
                RemovalCause::Size => counted.evicted_by_size.increment(1),
                RemovalCause::Expired => counted.evicted_by_age.increment(1),
                RemovalCause::Explicit | RemovalCause::Replaced => {}
            })
            .build_with_hasher(RandomState::default());
        let hints = Cache::builder()
            .max_capacity(bytes / 4)
            .weigher(|_, _| HINT_BYTES)
            .time_to_live(HINT_TTL)
            .build();
        Self {
            entries,
            keeps_entries: bytes > 0,
            hints,
            service_tokens: TokenTier::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            minimum_revisions: None,
            generation: AtomicU64::new(0),
            next_lease_token: AtomicU64::new(0),
            guards,
        }
    }

    /// Makes the tier store each revision that is known to exist, until Redis has confirmed its invalidation.
    pub(super) fn with_minimum_revisions(mut self) -> Self {
        self.minimum_revisions = Some(MinimumRevisions::default());
        self
    }

    /// Looks a user up. A miss either joins the read in flight or leads a new one.
    pub(super) fn look_up(self: &Arc<Self>, id: UserId) -> MemoryLookup {
        if let Some(entry) = self.get(id) {
            return MemoryLookup::Known(entry);
        }
        let mut shard = self.shard(id);
        // Another reader may have filled it while this one waited for the lock.
        if let Some(entry) = self.get(id) {
            return MemoryLookup::Known(entry);
        }
        let leases = shard.entry(id).or_default();
        if let Some(flight) = leases.flight()
            && self.guards.is_active(Guard::ReadCoalescing)
        {
            return MemoryLookup::Joined(flight);
        }
        let (token, minimum) = (self.new_lease_token(), self.minimum_revision(id));
        MemoryLookup::Leading(leases.lead(self, id, token, minimum))
    }

    /// Takes a lease that no reader can join.
    pub(super) fn lease(self: &Arc<Self>, id: UserId) -> MemoryLease {
        let mut shard = self.shard(id);
        let (token, minimum) = (self.new_lease_token(), self.minimum_revision(id));
        shard.entry(id).or_default().hold(self, id, token, minimum)
    }

    /// Stores what was read or written under a lease, and completes the read for the readers that joined it. Returns
    /// whether the tier accepted it.
    pub(super) fn fill(&self, mut lease: MemoryLease, found: Option<&Arc<User>>) -> bool {
        let mut shard = self.shard(lease.id());
        let active: Option<ActiveLease> = shard
            .get_mut(&lease.id())
            .and_then(|leases| leases.release(lease.token()));
        let revision = revision_of(found);
        let is_leased = active
            .as_ref()
            .is_some_and(|active| revision >= active.minimum);
        let is_outdated = active.is_none_or(|active| revision < active.initial_minimum);
        let is_newest = self
            .get(lease.id())
            .is_none_or(|known| known.revision() <= revision)
            && self.minimum_revision(lease.id()) <= revision;
        let is_accepted = (is_leased || !self.guards.is_active(Guard::Lease))
            && (is_newest || !self.guards.is_active(Guard::VersionCheck));
        if is_accepted && self.keeps_entries {
            let entry = Entry {
                user: found.cloned(),
                generation: self.generation.load(Ordering::Acquire),
            };
            self.entries.insert(lease.id(), entry);
        }
        Self::remove_if_empty(&mut shard, lease.id());
        drop(shard);
        if let Some(user) = found {
            self.renew_hints(user);
        }
        if !is_outdated {
            lease.complete(found.cloned());
        }
        is_accepted
    }

    /// Records that a revision exists that Redis may not have confirmed yet.
    pub(super) fn invalidate_ahead_of_redis(&self, id: UserId, revision: i64) {
        if let Some(minimum_revisions) = &self.minimum_revisions {
            minimum_revisions.raise(id, revision, Instant::now());
        }
        self.invalidate(id, revision);
    }

    /// Records what the store returned. Redis and concurrent readers may still be behind.
    pub(super) fn observe(&self, id: UserId, found: Option<&Arc<User>>) {
        if self.guards.is_active(Guard::VersionCheck) {
            self.invalidate_ahead_of_redis(id, revision_of(found));
        }
    }

    fn minimum_revision(&self, id: UserId) -> i64 {
        self.minimum_revisions
            .as_ref()
            .map_or(i64::MIN, |minimum_revisions| minimum_revisions.of(id))
    }

    /// The cached service tokens.
    pub(super) fn service_tokens(&self) -> &TokenTier {
        &self.service_tokens
    }

    /// Returns the user that had a username or an external id when it was last seen.
    pub(super) fn hint(&self, key: &UserKey) -> Option<UserId> {
        self.hints.get(key)
    }

    /// Stores the keys that lead to a user.
    pub(super) fn add_hints(&self, user: &User) {
        for key in hint_keys(user) {
            if self.hints.get(&key) != Some(user.id) {
                self.hints.insert(key, user.id);
            }
        }
    }

    fn renew_hints(&self, user: &User) {
        for key in hint_keys(user) {
            self.hints.insert(key, user.id);
        }
    }

    /// Removes the keys that lead to a user, if the user is cached.
    pub(super) fn remove_hints(&self, id: UserId) {
        let user = self.entries.get(&id).and_then(|entry| entry.user);
        for key in user.iter().flat_map(|user| hint_keys(user)) {
            if self.hints.get(&key) == Some(id) {
                self.hints.invalidate(&key);
            }
        }
    }

    /// Frees the memory of expired and removed entries, which otherwise waits for the next reads.
    pub(super) fn sweep(&self) {
        self.entries.run_pending_tasks();
        self.hints.run_pending_tasks();
    }

    /// The approximate number of entries.
    pub(super) fn len(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Ends a lease that was dropped without a fill.
    fn release(&self, id: UserId, token: u64) {
        let mut shard = self.shard(id);
        if let Some(leases) = shard.get_mut(&id) {
            leases.release(token);
        }
        Self::remove_if_empty(&mut shard, id);
    }

    fn remove_if_empty(shard: &mut HashMap<UserId, Leases>, id: UserId) {
        if shard.get(&id).is_some_and(Leases::is_empty) {
            shard.remove(&id);
        }
    }

    /// Returns the entry of a user, if there is one.
    pub(super) fn get(&self, id: UserId) -> Option<Entry> {
        self.entries
            .get(&id)
            .filter(|entry| entry.generation == self.generation.load(Ordering::Acquire))
    }

    fn new_lease_token(&self) -> u64 {
        self.next_lease_token.fetch_add(1, Ordering::Relaxed)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a remainder of SHARDS is one of the shards"
    )]
    fn shard(&self, id: UserId) -> MutexGuard<'_, HashMap<UserId, Leases>> {
        // The last bytes of an id are random, even if the id is time-ordered.
        let place = usize::from(id.as_uuid().as_bytes()[15]) % SHARDS;
        self.shards[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl InvalidationTarget for MemoryTier {
    fn invalidate(&self, id: UserId, revision: i64) {
        let mut shard = self.shard(id);
        if let Some(leases) = shard.get_mut(&id) {
            leases.invalidate(revision);
        }
        let is_older = self.entries.get(&id).is_none_or(|known| {
            let can_replace =
                known.user.is_some() || self.guards.is_active(Guard::AbsenceInvalidation);
            known.revision() < revision && can_replace
        });
        // Also without a visible entry: moka keeps an expired entry until its maintenance, and shows it for a moment
        // when it is replaced.
        if is_older {
            self.entries.invalidate(&id);
        }
    }

    fn invalidate_token(&self, id: ServiceTokenId) {
        self.service_tokens.invalidate(id);
    }

    fn flush(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for leases in shard.values_mut() {
                leases.invalidate(i64::MAX);
            }
        }
        // After the loop: a fill under an older lease during the loop belongs to the generation that ends here.
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
        self.service_tokens.flush();
    }

    fn drop_confirmed(&self, moment: Instant) {
        if let Some(minimum_revisions) = &self.minimum_revisions {
            minimum_revisions.drop_confirmed(moment);
        }
    }
}

/// Returns the keys of a user for which hints are stored.
fn hint_keys(user: &User) -> impl Iterator<Item = UserKey> {
    let username = UserKey::Username(UsernameKey::from(&user.username));
    let external_id = user.external_id.clone().map(UserKey::ExternalId);
    std::iter::once(username).chain(external_id)
}

fn weight(entry: &Entry) -> u32 {
    let texts = entry.user.as_ref().map_or(0, |user| {
        let metadata = &user.metadata;
        let sections = [&metadata.public, &metadata.user, &metadata.private];
        // Parsed JSON takes several times the size of its text.
        let metadata: usize = sections
            .into_iter()
            .filter(|section| !section.is_empty())
            .map(|section| section.to_json().len() * 4)
            .sum();
        metadata
            + user
                .profile
                .bio
                .as_ref()
                .map_or(0, |bio| bio.as_str().len())
    });
    u32::try_from(texts + ENTRY_BYTES).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
