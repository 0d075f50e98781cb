//! Gathers questions for single users into questions for many.

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

/// How many questions are under way before others wait to be asked together.
const AT_ONCE: usize = 4;
/// The most keys of one question.
const MOST: usize = 500;
/// So few keys are asked for together with everybody else's.
const FEW: usize = 2;
/// How long a question may take. Nobody waits longer for its answer.
const PATIENCE: Duration = Duration::from_secs(2);

type Answer = Result<Option<Arc<User>>, StoreError>;
type Asker = oneshot::Sender<Answer>;

/// A reader that asks for one user at once while the store is idle, and otherwise for all that have been waiting.
///
/// A question that has been sent is not joined any more: its answer may be older than who would join.
#[derive(Clone)]
pub struct GatheredReader {
    reader: Arc<dyn UserReader>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    under_way: usize,
    askers: HashMap<UserKey, Vec<Asker>>,
    /// The keys of the askers, by the time of the first of each.
    queue: VecDeque<UserKey>,
}

impl GatheredReader {
    /// Gathers before a reader.
    pub fn new(reader: Arc<dyn UserReader>) -> Self {
        Self {
            reader,
            waiting: Arc::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks until nobody waits.
    async fn ask(self, mut turn: Turn) {
        while let Some(askers) = turn.next() {
            self.ask_once(askers).await;
        }
    }

    async fn ask_once(&self, mut askers: HashMap<UserKey, Vec<Asker>>) {
        // Whoever has gone away needs no answer.
        askers.retain(|_, askers| {
            askers.retain(|asker| !asker.is_closed());
            !askers.is_empty()
        });
        if askers.len() == 1 {
            return self.ask_one_by_one(askers).await;
        }
        let Some(keys) = keys_of(&askers) else {
            return;
        };
        let each = keys.each();
        match in_time(self.reader.find_many(&keys)).await {
            Ok(found) => {
                for (key, user) in each.into_iter().zip(found) {
                    answer(askers.remove(&key), &Ok(user));
                }
            }
            // One of them is broken in the store; the others are not to suffer for it.
            Err(StoreError::Internal(_)) => self.ask_one_by_one(askers).await,
            Err(error) => fail(askers, &error),
        }
    }

    async fn ask_one_by_one(&self, askers: HashMap<UserKey, Vec<Asker>>) {
        let mut waiting = askers.into_iter();
        while let Some((key, askers)) = waiting.next() {
            // It may have gone away meanwhile.
            if askers.iter().all(Asker::is_closed) {
                continue;
            }
            if let Err(error @ StoreError::Unavailable(_)) = self.ask_for_one(&key, askers).await {
                // Else each would wait for all before it to be given up.
                return fail(waiting, &error);
            }
        }
    }

    async fn ask_for_one(&self, key: &UserKey, askers: Vec<Asker>) -> Answer {
        let found = in_time(self.reader.find(key)).await;
        answer(Some(askers), &found);
        found
    }
}

#[async_trait]
impl UserReader for GatheredReader {
    async fn find(&self, key: &UserKey) -> Answer {
        let (asker, answer) = oneshot::channel();
        let begins = {
            let mut waiting = self.waiting();
            waiting.add(key, asker);
            let begins = waiting.under_way < AT_ONCE;
            if begins {
                waiting.under_way += 1;
            }
            begins
        };
        if begins {
            let turn = Turn {
                waiting: self.waiting.clone(),
                has_ended: false,
            };
            tokio::spawn(self.clone().ask(turn).in_current_span());
        }
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("nobody asked".to_owned())))
    }

    async fn find_many(&self, keys: &UserKeys) -> Result<Vec<Option<Arc<User>>>, StoreError> {
        let each = keys.each();
        if each.len() > FEW {
            return self.reader.find_many(keys).await;
        }
        try_join_all(each.iter().map(|key| self.find(key))).await
    }
}

impl Waiting {
    fn add(&mut self, key: &UserKey, asker: Asker) {
        let askers = self.askers.entry(key.clone()).or_default();
        if askers.is_empty() {
            self.queue.push_back(key.clone());
        }
        askers.push(asker);
    }

    /// Takes whoever has waited longest, and those behind it who ask by the same kind of key.
    fn take(&mut self) -> Option<HashMap<UserKey, Vec<Asker>>> {
        let Self { askers, queue, .. } = self;
        let kind = std::mem::discriminant(queue.front()?);
        let mut taken = HashMap::new();
        queue.retain(|key| {
            let is_next = taken.len() < MOST && std::mem::discriminant(key) == kind;
            if is_next && let Some(askers) = askers.remove(key) {
                taken.insert(key.clone(), askers);
            }
            !is_next
        });
        Some(taken)
    }
}

/// The right to ask; it ends with this value, also when a question fails badly.
struct Turn {
    waiting: Arc<Mutex<Waiting>>,
    has_ended: bool,
}

impl Turn {
    /// Takes those to be asked for next, or ends when nobody waits.
    fn next(&mut self) -> Option<HashMap<UserKey, Vec<Asker>>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = waiting.take();
        if taken.is_none() {
            // Under the lock: whoever comes next has to see that nobody asks for it.
            waiting.under_way -= 1;
            self.has_ended = true;
        }
        taken
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.under_way -= 1;
        if waiting.under_way == 0 {
            // Nobody is left to ask for those who wait: they are told so.
            waiting.queue.clear();
            waiting.askers.clear();
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(PATIENCE, answer)
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".to_owned())))
}

fn answer(askers: Option<Vec<Asker>>, found: &Answer) {
    for asker in askers.into_iter().flatten() {
        // It may have gone away.
        let _ = asker.send(found.clone());
    }
}

fn fail(askers: impl IntoIterator<Item = (UserKey, Vec<Asker>)>, error: &StoreError) {
    for (_, askers) in askers {
        answer(Some(askers), &Err(error.clone()));
    }
}

/// Gives keys, all of one kind, as one question.
fn keys_of(askers: &HashMap<UserKey, Vec<Asker>>) -> Option<UserKeys> {
    let mut keys = match askers.keys().next()? {
        UserKey::Id(_) => UserKeys::Ids(Vec::with_capacity(askers.len())),
        UserKey::Username(_) => UserKeys::Usernames(Vec::new()),
        UserKey::Email(_) => UserKeys::Emails(Vec::new()),
        UserKey::ExternalId(_) => UserKeys::ExternalIds(Vec::new()),
    };
    for key in askers.keys() {
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
