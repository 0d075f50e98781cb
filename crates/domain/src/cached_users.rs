//! The read-through policy: the one place that decides when the cache is believed, filled and voided.

mod relationships;
mod retention;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::StoreError;
use crate::ports::{
    Arrival, Hit, Lease, Lookup, Missed, Tier, UserCache, UserKey, UserKeys, UserReader,
    UserWriter, Voucher,
};
use crate::user::{Applied, Change, User};
use crate::values::UserId;
use crate::write::{Erased, WriteContext, WriteError, Written};
pub use relationships::CachedRelationships;
pub use retention::CachedRetention;

/// How often a reader waits for another one that gives up, before it asks the store itself.
const ARRIVALS_AWAITED: usize = 3;

/// How young a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Freshness {
    /// As young as the cache promises.
    #[default]
    Bounded,
    /// As the store has it now.
    Current,
}

/// What was read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The user; none if there is none.
    pub user: Option<Arc<User>>,
    /// Where the answer comes from.
    pub source: Source,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// A tier of the cache, on somebody's word that it still holds.
    Cache(Tier, Voucher),
    /// The store, which another reader was asking already.
    Joined,
    /// The store, because the cache could not tell.
    Store(Missed),
    /// The store, because the reader wanted it so.
    Asked,
}

/// Users read through a cache, and written past it.
///
/// Reads and writes keep the promises of the ports around which this stands, except that a read may be as old as the
/// cache's bound allows. Emails are not looked for in the cache; names and older ids are hints that lead to an id, and
/// are believed only while the cached user still bears them.
#[derive(Clone)]
pub struct CachedUsers {
    reader: Arc<dyn UserReader>,
    writer: Arc<dyn UserWriter>,
    cache: Arc<dyn UserCache>,
}

impl CachedUsers {
    /// Puts a cache before a store.
    pub fn new(
        reader: Arc<dyn UserReader>,
        writer: Arc<dyn UserWriter>,
        cache: Arc<dyn UserCache>,
    ) -> Self {
        Self {
            reader,
            writer,
            cache,
        }
    }

    /// Reads one user.
    ///
    /// # Errors
    /// The store's; the cache has none.
    pub async fn read(&self, key: &UserKey, freshness: Freshness) -> Result<Reading, StoreError> {
        if freshness == Freshness::Current {
            return self.ask(key, None, Source::Asked).await;
        }
        for _ in 0..ARRIVALS_AWAITED {
            let Some(id) = self.id_of(key) else {
                break;
            };
            match self.cache.look_up(&[id]).await.pop() {
                Some(Lookup::Hit(hit)) => match believed(key, hit) {
                    Some(reading) => return Ok(reading),
                    None => break,
                },
                Some(Lookup::Miss(lease, missed)) => {
                    return self.ask(key, Some(lease), Source::Store(missed)).await;
                }
                Some(Lookup::Coming(arrival)) => {
                    let Some(user) = arrival.await else {
                        continue;
                    };
                    match joined(key, user) {
                        Some(reading) => return Ok(reading),
                        None => break,
                    }
                }
                None => break,
            }
        }
        self.ask(key, None, Source::Store(Missed::Unknown)).await
    }

    /// Reads many users by one look into the cache and, for what it cannot tell, one question to the store: an answer
    /// for each key, in the keys' order, repeated keys included.
    ///
    /// # Errors
    /// The store's; the cache has none.
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
        let unvouched = batch.unvouched;
        let source = |freshness| match freshness {
            Freshness::Current => Source::Asked,
            Freshness::Bounded if unvouched => Source::Store(Missed::Unvouched),
            Freshness::Bounded => Source::Store(Missed::Unknown),
        };
        let missing = keys.only(|key| !known.contains_key(key) && !batch.coming.contains_key(key));
        let leases = std::mem::take(&mut batch.leases);
        self.ask_many(&missing, leases, source(freshness), &mut known)
            .await?;
        // Only now, with no lease in hand: two batches that waited for each other's would wait for ever.
        for (key, arrival) in batch.coming {
            if let Some(reading) = arrival.await.and_then(|user| joined(&key, user)) {
                known.insert(key, reading);
            }
        }
        let late = keys.only(|key| !known.contains_key(key));
        self.ask_many(&late, HashMap::new(), source(freshness), &mut known)
            .await?;
        let nobody = || Reading {
            user: None,
            source: Source::Store(Missed::Unknown),
        };
        Ok(each
            .iter()
            .map(|key| known.get(key).cloned().unwrap_or_else(nobody))
            .collect())
    }

    /// Asks the cache for whom the keys may name, and sorts its answers.
    async fn look_up_many(&self, keys: &[UserKey], known: &mut HashMap<UserKey, Reading>) -> Batch {
        let mut sought: Vec<(UserId, &UserKey)> = Vec::with_capacity(keys.len());
        let mut seen = HashMap::with_capacity(keys.len());
        for key in keys {
            if let Some(id) = self.id_of(key)
                && seen.insert(id, key).is_none()
            {
                sought.push((id, key));
            }
        }
        let ids: Vec<UserId> = sought.iter().map(|(id, _)| *id).collect();
        let mut batch = Batch::default();
        if ids.is_empty() {
            return batch;
        }
        let answers = self.cache.look_up(&ids).await;
        for ((id, key), answer) in sought.into_iter().zip(answers) {
            match answer {
                Lookup::Hit(hit) => {
                    if let Some(reading) = believed(key, hit) {
                        known.insert(key.clone(), reading);
                    }
                }
                Lookup::Miss(lease, missed) => {
                    batch.unvouched |= missed == Missed::Unvouched;
                    batch.leases.insert(id, lease);
                }
                Lookup::Coming(arrival) => {
                    batch.coming.insert(key.clone(), arrival);
                }
            }
        }
        batch
    }

    /// Asks the store for one user, and tells the cache.
    async fn ask(
        &self,
        key: &UserKey,
        lease: Option<Lease>,
        source: Source,
    ) -> Result<Reading, StoreError> {
        let user = self.reader.find(key).await?;
        self.tell(key, lease, user.as_ref());
        Ok(Reading { user, source })
    }

    /// Asks the store for many users at once, and tells the cache.
    async fn ask_many(
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
        let found = self.reader.find_many(keys).await?;
        for (key, user) in each.into_iter().zip(found) {
            if known.contains_key(&key) {
                continue;
            }
            let id = user.as_ref().map(|user| user.id).or(match key {
                UserKey::Id(id) => Some(id),
                _ => None,
            });
            self.tell(&key, id.and_then(|id| leases.remove(&id)), user.as_ref());
            known.insert(key, Reading { user, source });
        }
        Ok(())
    }

    /// Tells the cache what the store told. A lease covers what was found only if it is of the same user.
    fn tell(&self, key: &UserKey, lease: Option<Lease>, found: Option<&Arc<User>>) {
        match (lease, found) {
            (Some(lease), Some(user)) if lease.id() == user.id => {
                self.cache.fill(lease, Some(user.clone()));
            }
            (Some(lease), None) if UserKey::Id(lease.id()) == *key => self.cache.fill(lease, None),
            (_, Some(user)) => self.cache.notice(user),
            (_, None) => {
                if let UserKey::Id(id) = key {
                    self.cache.notice_absence(*id);
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

    /// Tells the cache what a write came to, before anybody else is told.
    async fn settle(&self, lease: Lease, written: &Result<Written, WriteError>) {
        let id = lease.id();
        match written {
            Ok(Written::Applied(user)) => self.cache.put(lease, Arc::new(user.clone())).await,
            // Read in the write's own transaction, so after the lease was taken.
            Ok(Written::Unchanged(user) | Written::Replayed(user)) if user.id == id => {
                self.cache.fill(lease, Some(Arc::new(user.clone())));
            }
            Ok(Written::Unchanged(user) | Written::Replayed(user)) => self.cache.notice(user),
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

/// What the cache could not tell at once of a batch.
#[derive(Default)]
struct Batch {
    leases: HashMap<UserId, Lease>,
    coming: HashMap<UserKey, Arrival>,
    unvouched: bool,
}

/// Takes what the cache tells, if it answers the question: an absence answers for the id only, a user only for a key
/// that it still bears.
fn believed(key: &UserKey, hit: Hit) -> Option<Reading> {
    let source = Source::Cache(hit.tier, hit.vouched_by);
    answering(key, hit.user, source)
}

/// Takes what another reader found, under the same conditions.
fn joined(key: &UserKey, user: Option<Arc<User>>) -> Option<Reading> {
    answering(key, user, Source::Joined)
}

fn answering(key: &UserKey, user: Option<Arc<User>>, source: Source) -> Option<Reading> {
    let answers = match &user {
        Some(user) => key.names(user),
        None => matches!(key, UserKey::Id(_)),
    };
    answers.then_some(Reading { user, source })
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
        self.settle(lease, &written).await;
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
        self.settle(lease, &written).await;
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
