//! The read-through cache policy: the only code that decides when cached values are used, filled and invalidated.

mod readings;
mod relationships;
mod retention;
mod suspensions;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::StoreError;
use crate::ports::{
    InFlight, Lease, Lookup, MissReason, UserCache, UserKey, UserKeys, UserReader, UserWriter,
};
use crate::user::{Applied, Change, User};
use crate::values::UserId;
use crate::write::{Erased, WriteContext, WriteError, Written};
pub use readings::{Freshness, Reading, Source};
use readings::{reading_from_hit, reading_from_in_flight, reading_from_standby};
pub use relationships::CachedRelationships;
pub use retention::CachedRetention;
pub use suspensions::CachedSuspensions;

/// How many abandoned reads of other readers a reader waits for before it reads the store itself.
const MAX_IN_FLIGHT_WAITS: usize = 3;

/// Reads users through a cache and writes them to the store.
///
/// It keeps the contracts of the wrapped ports, except that a read may be as stale as the cache's bound allows. Emails
/// are not looked up in the cache. Usernames and external ids resolve to an id by a hint, which is used only if the
/// cached user still has that username or external id.
#[derive(Clone)]
pub struct CachedUsers {
    reader: Arc<dyn UserReader>,
    writer: Arc<dyn UserWriter>,
    cache: Arc<dyn UserCache>,
    standby: Option<Arc<dyn UserReader>>,
}

impl CachedUsers {
    /// Creates a cached reader and writer.
    pub fn new(
        reader: Arc<dyn UserReader>,
        writer: Arc<dyn UserWriter>,
        cache: Arc<dyn UserCache>,
    ) -> Self {
        Self {
            reader,
            writer,
            cache,
            standby: None,
        }
    }

    /// Adds a reader for what is not cached while the store is unavailable. Its answers may be older than the staleness
    /// bound, so they are not cached, and must not decide about a caller.
    #[must_use]
    pub fn with_standby(&self, standby: Option<Arc<dyn UserReader>>) -> Self {
        Self {
            standby,
            ..self.clone()
        }
    }

    /// Returns the reader to use after a failure of the store.
    fn standby_after(&self, error: &StoreError, source: Source) -> Option<&dyn UserReader> {
        let may_be_old = matches!(source, Source::Store(_));
        let is_unavailable = matches!(error, StoreError::Unavailable(_));
        self.standby
            .as_deref()
            .filter(|_| may_be_old && is_unavailable)
    }

    /// Returns the answer of the in-process cache for a key, without waiting.
    pub(crate) fn peek(&self, key: &UserKey) -> Option<Reading> {
        self.peek_id(key, self.id_of(key)?)
    }

    fn peek_id(&self, key: &UserKey, id: UserId) -> Option<Reading> {
        reading_from_hit(key, self.cache.peek(id)?)
    }

    /// Reads one user.
    ///
    /// # Errors
    /// The error of the store; the cache never fails.
    pub async fn read(&self, key: &UserKey, freshness: Freshness) -> Result<Reading, StoreError> {
        if freshness == Freshness::Current {
            return self.read_store(key, None, Source::Bypassed).await;
        }
        for _ in 0..MAX_IN_FLIGHT_WAITS {
            let Some(id) = self.id_of(key) else {
                break;
            };
            if let Some(reading) = self.peek_id(key, id) {
                return Ok(reading);
            }
            match self.cache.look_up(&[id]).await.pop() {
                Some(Lookup::Hit(hit)) => match reading_from_hit(key, hit) {
                    Some(reading) => return Ok(reading),
                    None => break,
                },
                Some(Lookup::Miss(lease, reason)) => {
                    return self
                        .read_store(key, Some(lease), Source::Store(reason))
                        .await;
                }
                Some(Lookup::InFlight(read)) => {
                    let Some(user) = read.await else {
                        continue;
                    };
                    match reading_from_in_flight(key, user) {
                        Some(reading) => return Ok(reading),
                        None => break,
                    }
                }
                None => break,
            }
        }
        self.read_store(key, None, Source::Store(MissReason::Unknown))
            .await
    }

    /// Reads many users by one cache lookup and, for the misses, one query; returns an answer for each key in order,
    /// including repeated keys.
    ///
    /// # Errors
    /// The error of the store; the cache never fails.
    pub async fn read_many(
        &self,
        keys: &UserKeys,
        freshness: Freshness,
    ) -> Result<Vec<Reading>, StoreError> {
        let each = keys.each();
        let mut known = HashMap::with_capacity(each.len());
        let mut batch = Batch::default();
        if freshness == Freshness::Bounded {
            batch = self.look_up_many(&each, &mut known).await;
        }
        let is_stale = batch.is_stale;
        let source = |freshness| match freshness {
            Freshness::Current => Source::Bypassed,
            Freshness::Bounded if is_stale => Source::Store(MissReason::Stale),
            Freshness::Bounded => Source::Store(MissReason::Unknown),
        };
        let missing =
            keys.only(|key| !known.contains_key(key) && !batch.in_flight.contains_key(key));
        let leases = std::mem::take(&mut batch.leases);
        self.read_many_from_store(&missing, leases, source(freshness), &mut known)
            .await?;
        // Wait only after all leases are returned: two batches that wait for each other's leases would deadlock.
        for (key, read) in batch.in_flight {
            if let Some(reading) = read
                .await
                .and_then(|user| reading_from_in_flight(&key, user))
            {
                known.insert(key, reading);
            }
        }
        let remaining = keys.only(|key| !known.contains_key(key));
        self.read_many_from_store(&remaining, HashMap::new(), source(freshness), &mut known)
            .await?;
        let absent = || Reading {
            user: None,
            source: Source::Store(MissReason::Unknown),
        };
        Ok(each
            .iter()
            .map(|key| known.get(key).cloned().unwrap_or_else(absent))
            .collect())
    }

    /// Looks up the users of all keys in the cache, and groups the answers.
    async fn look_up_many(&self, keys: &[UserKey], known: &mut HashMap<UserKey, Reading>) -> Batch {
        let mut candidates: Vec<(UserId, &UserKey)> = Vec::with_capacity(keys.len());
        let mut seen = HashMap::with_capacity(keys.len());
        for key in keys {
            if let Some(id) = self.id_of(key)
                && seen.insert(id, key).is_none()
            {
                candidates.push((id, key));
            }
        }
        let ids: Vec<UserId> = candidates.iter().map(|(id, _)| *id).collect();
        let mut batch = Batch::default();
        if ids.is_empty() {
            return batch;
        }
        let answers = self.cache.look_up(&ids).await;
        for ((id, key), answer) in candidates.into_iter().zip(answers) {
            match answer {
                Lookup::Hit(hit) => {
                    if let Some(reading) = reading_from_hit(key, hit) {
                        known.insert(key.clone(), reading);
                    }
                }
                Lookup::Miss(lease, reason) => {
                    batch.is_stale |= reason == MissReason::Stale;
                    batch.leases.insert(id, lease);
                }
                Lookup::InFlight(read) => {
                    batch.in_flight.insert(key.clone(), read);
                }
            }
        }
        batch
    }

    /// Reads one user from the store and updates the cache.
    async fn read_store(
        &self,
        key: &UserKey,
        lease: Option<Lease>,
        source: Source,
    ) -> Result<Reading, StoreError> {
        let user = match self.reader.find(key).await {
            Ok(user) => user,
            Err(error) => {
                let Some(standby) = self.standby_after(&error, source) else {
                    return Err(error);
                };
                return Ok(reading_from_standby(standby.find(key).await?));
            }
        };
        self.update_cache(key, lease, user.as_ref());
        Ok(Reading { user, source })
    }

    /// Reads many users from the store in one query and updates the cache.
    async fn read_many_from_store(
        &self,
        keys: &UserKeys,
        mut leases: HashMap<UserId, Lease>,
        source: Source,
        known: &mut HashMap<UserKey, Reading>,
    ) -> Result<(), StoreError> {
        let each = keys.each();
        if each.is_empty() {
            return Ok(());
        }
        let found = match self.reader.find_many(keys).await {
            Ok(found) => found,
            Err(error) => {
                let Some(standby) = self.standby_after(&error, source) else {
                    return Err(error);
                };
                let found = standby.find_many(keys).await?;
                let readings = found.into_iter().map(reading_from_standby);
                known.extend(each.into_iter().zip(readings));
                return Ok(());
            }
        };
        for (key, user) in each.into_iter().zip(found) {
            if known.contains_key(&key) {
                continue;
            }
            let id = user.as_ref().map(|user| user.id).or(match key {
                UserKey::Id(id) => Some(id),
                _ => None,
            });
            self.update_cache(&key, id.and_then(|id| leases.remove(&id)), user.as_ref());
            known.insert(key, Reading { user, source });
        }
        Ok(())
    }

    /// Passes the result of a store read to the cache. A lease is used only if it is for the user that was found.
    fn update_cache(&self, key: &UserKey, lease: Option<Lease>, found: Option<&Arc<User>>) {
        match (lease, found) {
            (Some(lease), Some(user)) if lease.id() == user.id => {
                self.cache.fill(lease, Some(user.clone()));
            }
            (Some(lease), None) if UserKey::Id(lease.id()) == *key => self.cache.fill(lease, None),
            (_, Some(user)) => self.cache.observe(user),
            (_, None) => {
                if let UserKey::Id(id) = key {
                    self.cache.observe_absence(*id);
                }
            }
        }
    }

    fn id_of(&self, key: &UserKey) -> Option<UserId> {
        match key {
            UserKey::Id(id) => Some(*id),
            UserKey::Username(_) | UserKey::ExternalId(_) => self.cache.hint(key),
            UserKey::Email(_) => None,
        }
    }

    /// Updates the cache after a write, before the write is acknowledged.
    async fn update_cache_after_write(&self, lease: Lease, written: &Result<Written, WriteError>) {
        let id = lease.id();
        match written {
            Ok(Written::Applied(user)) => self.cache.put(lease, Arc::new(user.clone())).await,
            // The user was read in the write's own transaction, so after the lease was taken.
            Ok(Written::Unchanged(user) | Written::Replayed(user)) if user.id == id => {
                self.cache.fill(lease, Some(Arc::new(user.clone())));
            }
            Ok(Written::Unchanged(user) | Written::Replayed(user)) => self.cache.observe(user),
            Err(WriteError::Store(StoreError::OutcomeUnknown(_))) => self.cache.forget(id).await,
            Err(
                WriteError::NotFound
                | WriteError::Taken(_)
                | WriteError::KeyReused
                | WriteError::Refused(_)
                | WriteError::Store(StoreError::Unavailable(_) | StoreError::Internal(_)),
            ) => {}
        }
    }
}

/// The lookups of a batch that were not hits: misses with their leases, and reads in flight.
#[derive(Default)]
struct Batch {
    leases: HashMap<UserId, Lease>,
    in_flight: HashMap<UserKey, InFlight>,
    is_stale: bool,
}

#[async_trait]
impl UserReader for CachedUsers {
    async fn find(&self, key: &UserKey) -> Result<Option<Arc<User>>, StoreError> {
        Ok(self.read(key, Freshness::Bounded).await?.user)
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        let readings = self.read_many(keys, Freshness::Bounded).await?;
        Ok(readings.into_iter().map(|reading| reading.user).collect())
    }
}

#[async_trait]
impl UserWriter for CachedUsers {
    async fn add(&self, user: &Applied, context: &WriteContext) -> Result<Written, WriteError> {
        let lease = self.cache.lease(user.user.id);
        let written = self.writer.add(user, context).await;
        self.update_cache_after_write(lease, &written).await;
        written
    }

    async fn change(
        &self,
        id: UserId,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Written, WriteError> {
        let lease = self.cache.lease(id);
        let written = self.writer.change(id, change, context).await;
        self.update_cache_after_write(lease, &written).await;
        written
    }

    async fn erase(&self, id: UserId, context: &WriteContext) -> Result<Erased, WriteError> {
        let erased = self.writer.erase(id, context).await;
        if matches!(
            erased,
            Ok(_) | Err(WriteError::Store(StoreError::OutcomeUnknown(_)))
        ) {
            self.cache.forget(id).await;
        }
        erased
    }
}

#[cfg(test)]
mod tests;
