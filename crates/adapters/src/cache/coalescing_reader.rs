//! Coalesces concurrent reads of single users into batch queries.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::Instrument;
use user_domain::StoreError;
use user_domain::ports::{UserKey, UserKeys, UserReader};
use user_domain::user::User;

/// The maximum number of concurrent queries for coalesced reads. Further reads wait and are batched.
const MAX_CONCURRENT_QUERIES: usize = 4;
/// The maximum number of keys in one query.
const MAX_KEYS_PER_QUERY: usize = 500;
/// Reads of at most this many keys are batched with the reads of other callers. Larger ones are queried directly.
const MAX_COALESCED_KEYS: usize = 2;
/// The time limit of a query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(2);

type Answer = Result<Option<Arc<User>>, StoreError>;
type Waiter = oneshot::Sender<Answer>;

/// A reader that queries a single user immediately while fewer than four queries run, and batches reads otherwise.
///
/// A read never joins a query that has already been sent: the result could be older than the read.
#[derive(Clone)]
pub struct CoalescingReader {
    reader: Arc<dyn UserReader>,
    waiting: Arc<Mutex<WaitingReads>>,
}

#[derive(Default)]
struct WaitingReads {
    running_queries: usize,
    waiters: HashMap<UserKey, Vec<Waiter>>,
    /// The keys with waiters, in the order of their first waiter.
    queue: VecDeque<UserKey>,
}

impl CoalescingReader {
    /// Creates a reader that coalesces the reads of another reader.
    pub fn new(reader: Arc<dyn UserReader>) -> Self {
        Self {
            reader,
            waiting: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, WaitingReads> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs queries until no read waits.
    async fn run_queries(self, mut permit: QueryPermit) {
        while let Some(waiters) = permit.next() {
            self.query_batch(waiters).await;
        }
    }

    async fn query_batch(&self, mut waiters: HashMap<UserKey, Vec<Waiter>>) {
        // A caller that has given up needs no result.
        waiters.retain(|_, waiters| {
            waiters.retain(|waiter| !waiter.is_closed());
            !waiters.is_empty()
        });
        if waiters.len() == 1 {
            return self.query_one_by_one(waiters).await;
        }
        let Some(keys) = keys_of(&waiters) else {
            return;
        };
        let each = keys.each();
        match with_query_timeout(self.reader.find_many(&keys)).await {
            Ok(found) => {
                for (key, user) in each.into_iter().zip(found) {
                    answer(waiters.remove(&key), &Ok(user));
                }
            }
            // The stored data of one user is invalid; it must not fail the reads of the others.
            Err(StoreError::Internal(_)) => self.query_one_by_one(waiters).await,
            Err(error) => fail(waiters, &error),
        }
    }

    async fn query_one_by_one(&self, waiters: HashMap<UserKey, Vec<Waiter>>) {
        let mut waiting = waiters.into_iter();
        while let Some((key, waiters)) = waiting.next() {
            // The callers may have given up meanwhile.
            if waiters.iter().all(Waiter::is_closed) {
                continue;
            }
            if let Err(error @ StoreError::Unavailable(_)) = self.query_one(&key, waiters).await {
                // Otherwise each read would wait until every read before it has timed out.
                return fail(waiting, &error);
            }
        }
    }

    async fn query_one(&self, key: &UserKey, waiters: Vec<Waiter>) -> Answer {
        let found = with_query_timeout(self.reader.find(key)).await;
        answer(Some(waiters), &found);
        found
    }
}

#[async_trait]
impl UserReader for CoalescingReader {
    async fn find(&self, key: &UserKey) -> Answer {
        let (waiter, answer) = oneshot::channel();
        let starts_query = {
            let mut waiting = self.lock();
            waiting.add(key, waiter);
            let starts_query = waiting.running_queries < MAX_CONCURRENT_QUERIES;
            if starts_query {
                waiting.running_queries += 1;
            }
            starts_query
        };
        if starts_query {
            let permit = QueryPermit {
                waiting: self.waiting.clone(),
                is_released: false,
            };
            tokio::spawn(self.clone().run_queries(permit).in_current_span());
        }
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(
                "the query was abandoned".to_owned(),
            ))
        })
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        let each = keys.each();
        if each.len() > MAX_COALESCED_KEYS {
            return self.reader.find_many(keys).await;
        }
        try_join_all(each.iter().map(|key| self.find(key))).await
    }
}

impl WaitingReads {
    fn add(&mut self, key: &UserKey, waiter: Waiter) {
        let waiters = self.waiters.entry(key.clone()).or_default();
        if waiters.is_empty() {
            self.queue.push_back(key.clone());
        }
        waiters.push(waiter);
    }

    /// Takes the reads that have waited longest and have the same kind of key.
    fn take(&mut self) -> Option<HashMap<UserKey, Vec<Waiter>>> {
        let Self { waiters, queue, .. } = self;
        let kind = std::mem::discriminant(queue.front()?);
        let mut taken = HashMap::new();
        queue.retain(|key| {
            let is_next = taken.len() < MAX_KEYS_PER_QUERY && std::mem::discriminant(key) == kind;
            if is_next && let Some(waiters) = waiters.remove(key) {
                taken.insert(key.clone(), waiters);
            }
            !is_next
        });
        Some(taken)
    }
}

/// A permit to run queries. It is released when this value is dropped, even after a panic.
struct QueryPermit {
    waiting: Arc<Mutex<WaitingReads>>,
    is_released: bool,
}

impl QueryPermit {
    /// Takes the reads of the next query, or releases the permit if no read waits.
    fn next(&mut self) -> Option<HashMap<UserKey, Vec<Waiter>>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = waiting.take();
        if taken.is_none() {
            // Under the lock, so that the next read starts a query of its own.
            waiting.running_queries -= 1;
            self.is_released = true;
        }
        taken
    }
}

impl Drop for QueryPermit {
    fn drop(&mut self) {
        if self.is_released {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.running_queries -= 1;
        if waiting.running_queries == 0 {
            // No task is left to run queries for the waiting reads, so they fail now.
            waiting.queue.clear();
            waiting.waiters.clear();
        }
    }
}

async fn with_query_timeout<T>(
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(QUERY_TIMEOUT, answer).await.unwrap_or_else(|_| {
        Err(StoreError::Unavailable(
            "no response from the store in time".to_owned(),
        ))
    })
}

fn answer(waiters: Option<Vec<Waiter>>, found: &Answer) {
    for waiter in waiters.into_iter().flatten() {
        // The caller may have given up.
        let _ = waiter.send(found.clone());
    }
}

fn fail(waiters: impl IntoIterator<Item = (UserKey, Vec<Waiter>)>, error: &StoreError) {
    for (_, waiters) in waiters {
        answer(Some(waiters), &Err(error.clone()));
    }
}

/// Returns the keys of one batch query, which are all of one kind; `None` without keys.
fn keys_of(waiters: &HashMap<UserKey, Vec<Waiter>>) -> Option<UserKeys> {
    let mut keys = match waiters.keys().next()? {
        UserKey::Id(_) => UserKeys::Ids(Vec::with_capacity(waiters.len())),
        UserKey::Username(_) => UserKeys::Usernames(Vec::new()),
        UserKey::Email(_) => UserKeys::Emails(Vec::new()),
        UserKey::ExternalId(_) => UserKeys::ExternalIds(Vec::new()),
    };
    for key in waiters.keys() {
        match (&mut keys, key) {
            (UserKeys::Ids(ids), UserKey::Id(id)) => ids.push(*id),
            (UserKeys::Usernames(names), UserKey::Username(name)) => names.push(name.clone()),
            (UserKeys::Emails(emails), UserKey::Email(email)) => emails.push(email.clone()),
            (UserKeys::ExternalIds(ids), UserKey::ExternalId(id)) => ids.push(id.clone()),
            _ => {}
        }
    }
    Some(keys)
}

#[cfg(test)]
mod tests;
