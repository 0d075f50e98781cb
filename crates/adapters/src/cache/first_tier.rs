//! The tier in the process: entries, and the leases of those who are reading or writing a user.
//!
//! Whatever changes what is known of a user happens under the lock of the user's shard, so that the fill of a slow
//! reader and the news that it has missed are one after the other. Reading an entry takes no lock.

mod floors;
mod leases;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::notification::RemovalCause;
use moka::sync::Cache;
use user_domain::ports::UserKey;
use user_domain::user::User;
use user_domain::values::{UserId, UsernameKey};

use floors::Floors;
pub(super) use leases::{Flight, Held};
use leases::{Holder, Leases};

use super::meters::Meters;
use super::tokens::TokenTier;
use crate::guards::{Guard, Guards};

const SHARDS: usize = 64;
/// How long an entry is kept at most. Nothing needs it; it bounds what a defect could do.
const LIFE: Duration = Duration::from_mins(10);
/// What an entry takes besides its texts, roughly: the maps' nodes and the user's fixed part.
const ENTRY_BYTES: usize = 2048;
const HINT_BYTES: u32 = 256;

/// The version of somebody who does not exist.
pub(super) const ABSENT: i64 = 0;

/// What is known of one id.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The user; none if there is none.
    pub(super) user: Option<Arc<User>>,
    generation: u64,
}

impl Entry {
    fn version(&self) -> i64 {
        version_of(self.user.as_ref())
    }
}

/// How a look at one user begins.
pub(super) enum Begun {
    /// The user is known.
    Known(Entry),
    /// Somebody else is reading it.
    Joined(Flight),
    /// Nobody is; this reader leads.
    Leading(Held),
}

/// The tier; shared by its leases, which give themselves back.
pub(super) struct FirstTier {
    entries: Cache<UserId, Entry>,
    keeps_entries: bool,
    hints: Cache<UserKey, UserId>,
    service_tokens: TokenTier,
    shards: Vec<Mutex<HashMap<UserId, Leases>>>,
    /// Only where Redis may tell what is older.
    floors: Option<Floors>,
    /// Entries of an older one count for nothing.
    generation: AtomicU64,
    tokens: AtomicU64,
    guards: Guards,
}

impl FirstTier {
    /// Makes a tier of so many bytes, roughly; one of none keeps no user, and still lets readers join each other.
    pub(super) fn new(bytes: u64, guards: Guards, meters: &Arc<Meters>) -> Self {
        let counted = meters.clone();
        let entries = Cache::builder()
            .max_capacity(bytes)
            .weigher(|_, entry: &Entry| weight(entry))
            .time_to_live(LIFE)
            .eviction_listener(move |_, _, cause| match cause {
                RemovalCause::Size => counted.evicted_by_size.increment(1),
                RemovalCause::Expired => counted.evicted_by_age.increment(1),
                RemovalCause::Explicit | RemovalCause::Replaced => {}
            })
            .build();
        let hints = Cache::builder()
            .max_capacity(bytes / 4)
            .weigher(|_, _| HINT_BYTES)
            .build();
        Self {
            entries,
            keeps_entries: bytes > 0,
            hints,
            service_tokens: TokenTier::default(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            floors: None,
            generation: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
            guards,
        }
    }

    /// Remembers what is known to exist until Redis has been told.
    pub(super) fn before_redis(mut self) -> Self {
        self.floors = Some(Floors::default());
        self
    }

    /// Begins to look at a user.
    pub(super) fn begin(self: &Arc<Self>, id: UserId) -> Begun {
        if let Some(entry) = self.known(id) {
            return Begun::Known(entry);
        }
        let mut shard = self.shard(id);
        // Filled, perhaps, while this reader waited for the lock.
        if let Some(entry) = self.known(id) {
            return Begun::Known(entry);
        }
        let leases = shard.entry(id).or_default();
        if let Some(flight) = leases.flight()
            && self.guards.stands(Guard::SharedFlight)
        {
            return Begun::Joined(flight);
        }
        let (token, floor) = (self.token(), self.floor(id));
        Begun::Leading(leases.lead(self, id, token, floor))
    }

    /// Takes a lease that nobody joins.
    pub(super) fn lease(self: &Arc<Self>, id: UserId) -> Held {
        let mut shard = self.shard(id);
        let (token, floor) = (self.token(), self.floor(id));
        shard.entry(id).or_default().hold(self, id, token, floor)
    }

    /// Takes what was read or written under a lease, and tells those who have joined it. Gives whether it was taken.
    pub(super) fn fill(&self, mut held: Held, found: Option<&Arc<User>>) -> bool {
        let mut shard = self.shard(held.id());
        let holder: Option<Holder> = shard
            .get_mut(&held.id())
            .and_then(|leases| leases.release(held.token()));
        let version = version_of(found);
        let is_leased = holder
            .as_ref()
            .is_some_and(|holder| version >= holder.floor);
        let was_old = holder.is_none_or(|holder| version < holder.first_floor);
        let is_newest = self
            .known(held.id())
            .is_none_or(|known| known.version() <= version)
            && self.floor(held.id()) <= version;
        let taken = (is_leased || !self.guards.stands(Guard::Lease))
            && (is_newest || !self.guards.stands(Guard::VersionCheck));
        if taken && self.keeps_entries {
            let entry = Entry {
                user: found.cloned(),
                generation: self.generation.load(Ordering::Acquire),
            };
            self.entries.insert(held.id(), entry);
        }
        Self::tidy(&mut shard, held.id());
        drop(shard);
        if let Some(user) = found {
            self.remember_names(user);
        }
        if !was_old {
            held.arrive(found.cloned());
        }
        taken
    }

    /// Takes note that a version exists of which Redis may not have been told.
    pub(super) fn raise_ahead_of_redis(&self, id: UserId, version: i64) {
        if let Some(floors) = &self.floors {
            floors.raise(id, version, Instant::now());
        }
        self.raise(id, version);
    }

    /// Takes note of what the store told: Redis, and whoever reads beside, may still be behind.
    pub(super) fn learn(&self, id: UserId, found: Option<&Arc<User>>) {
        if self.guards.stands(Guard::VersionCheck) {
            self.raise_ahead_of_redis(id, version_of(found));
        }
    }

    /// Redis has been told of all that was known at a moment, or is not asked any more by whoever began before it.
    pub(super) fn settle(&self, moment: Instant) {
        if let Some(floors) = &self.floors {
            floors.settle(moment);
        }
    }

    fn floor(&self, id: UserId) -> i64 {
        self.floors
            .as_ref()
            .map_or(i64::MIN, |floors| floors.of(id))
    }

    /// Takes note that a version exists: what is older goes, and whoever is still reading may not fill it in.
    pub(super) fn raise(&self, id: UserId, version: i64) {
        let mut shard = self.shard(id);
        if let Some(leases) = shard.get_mut(&id) {
            leases.raise(version);
        }
        let is_older = self.entries.get(&id).is_none_or(|known| {
            let yields = known.user.is_some() || self.guards.stands(Guard::AbsenceYields);
            known.version() < version && yields
        });
        // Also when nothing is shown: moka keeps what has expired until it tidies up, and shows it for a moment when it
        // is replaced.
        if is_older {
            self.entries.invalidate(&id);
        }
    }

    /// Forgets everything.
    pub(super) fn flush(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for leases in shard.values_mut() {
                leases.raise(i64::MAX);
            }
        }
        // Only now: what is filled in meanwhile under a lease from before is of the generation that ends.
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
        self.service_tokens.flush();
    }

    /// What is known of the tokens of services.
    pub(super) fn service_tokens(&self) -> &TokenTier {
        &self.service_tokens
    }

    /// Tells who bore a name or an older id when it was last seen.
    pub(super) fn hint(&self, key: &UserKey) -> Option<UserId> {
        self.hints.get(key)
    }

    /// Remembers by which names a user may be sought.
    pub(super) fn remember_names(&self, user: &User) {
        let name = UserKey::Username(UsernameKey::from(&user.username));
        let older_id = user.external_id.clone().map(UserKey::ExternalId);
        for key in [Some(name), older_id].into_iter().flatten() {
            if self.hints.get(&key) != Some(user.id) {
                self.hints.insert(key, user.id);
            }
        }
    }

    /// The number of users known, roughly.
    pub(super) fn len(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Takes back a lease that came to nothing.
    fn give_back(&self, id: UserId, token: u64) {
        let mut shard = self.shard(id);
        if let Some(leases) = shard.get_mut(&id) {
            leases.release(token);
        }
        Self::tidy(&mut shard, id);
    }

    fn tidy(shard: &mut HashMap<UserId, Leases>, id: UserId) {
        if shard.get(&id).is_some_and(Leases::is_empty) {
            shard.remove(&id);
        }
    }

    /// Gives what is known of a user.
    pub(super) fn known(&self, id: UserId) -> Option<Entry> {
        self.entries
            .get(&id)
            .filter(|entry| entry.generation == self.generation.load(Ordering::Acquire))
    }

    fn token(&self) -> u64 {
        self.tokens.fetch_add(1, Ordering::Relaxed)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a remainder of SHARDS is one of the shards"
    )]
    fn shard(&self, id: UserId) -> MutexGuard<'_, HashMap<UserId, Leases>> {
        // The last bytes of an id are random, also in one that begins with a time.
        let place = usize::from(id.as_uuid().as_bytes()[15]) % SHARDS;
        self.shards[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn version_of(user: Option<&Arc<User>>) -> i64 {
    user.map_or(ABSENT, |user| user.version.get())
}

fn weight(entry: &Entry) -> u32 {
    let texts = entry.user.as_ref().map_or(0, |user| {
        let metadata = &user.metadata;
        let drawers = [&metadata.public, &metadata.user, &metadata.private];
        // Parsed JSON takes several times its text.
        let metadata: usize = drawers
            .into_iter()
            .filter(|drawer| !drawer.is_empty())
            .map(|drawer| drawer.to_json().len() * 4)
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
