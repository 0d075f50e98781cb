//! Collects concurrent reads of users into batches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use user_domain::values::UserId;

use crate::batch::{BatchGetRequest, MAX_BATCH};
use crate::client::Client;
use crate::error::Error;
use crate::user::User;

/// How long the first read of a batch waits for others.
const WINDOW: Duration = Duration::from_millis(2);
/// How many batches are on the way at once. While they are, further reads collect into the next one.
const MAX_CONCURRENT_BATCHES: usize = 2;

/// Reads users one by one, and sends concurrent reads together as `POST /v1/users/batch`.
///
/// Any number of concurrent calls of [`UserLoader::get`] cause one request for each 500 different users. At most two
/// requests are on the way at once. It keeps no result: a later call reads again. It is cheap to clone, and its clones
/// collect into the same batches.
///
/// A caller that is cancelled does not affect the others. If a batch fails, each of its callers receives the error.
///
/// ```no_run
/// # async fn example(client: user_client::Client, ids: Vec<user_client::UserId>) -> Result<(), user_client::Error> {
/// let loader = client.loader();
/// for id in ids {
///     let loader = loader.clone();
///     tokio::spawn(async move {
///         if let Ok(Some(author)) = loader.get(id).await {
///             println!("{}", author.username);
///         }
///     });
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct UserLoader(Arc<Shared>);

struct Shared {
    client: Client,
    waiting: Mutex<Waiting>,
    batches: Arc<Semaphore>,
}

/// The users to read, each with its callers.
type Callers = HashMap<UserId, Vec<oneshot::Sender<Result<Option<User>, Error>>>>;

#[derive(Default)]
struct Waiting {
    callers: Callers,
    /// Whether a task will read them.
    has_task: bool,
}

impl Client {
    /// Creates a loader, which collects concurrent reads of users into batches.
    pub fn loader(&self) -> UserLoader {
        UserLoader(Arc::new(Shared {
            client: self.clone(),
            waiting: Mutex::default(),
            batches: Arc::new(Semaphore::new(MAX_CONCURRENT_BATCHES)),
        }))
    }
}

impl UserLoader {
    /// Reads a user, in one request with other concurrent reads. `None` if it is unknown, deleted or hidden.
    ///
    /// It must be called within a tokio runtime.
    ///
    /// # Errors
    /// That of the batch; an invalid request if the runtime of the batch ends before it.
    pub async fn get(&self, id: UserId) -> Result<Option<User>, Error> {
        let (sender, receiver) = oneshot::channel();
        let needs_task = {
            let mut waiting = self.0.waiting();
            waiting.callers.entry(id).or_default().push(sender);
            !std::mem::replace(&mut waiting.has_task, true)
        };
        if needs_task {
            tokio::spawn(Collector::new(self.0.clone()).run());
        }
        receiver.await.unwrap_or_else(|_| {
            Err(Error::invalid_request(
                "the task that reads the batch has ended",
            ))
        })
    }
}

/// The task that starts batches until no reads are waiting.
///
/// If it ends earlier, because it panics or its runtime ends, the waiting callers receive an error, and the next read
/// starts another task.
struct Collector {
    shared: Arc<Shared>,
    is_done: bool,
}

impl Collector {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            is_done: false,
        }
    }

    async fn run(mut self) {
        loop {
            tokio::time::sleep(WINDOW).await;
            // The semaphore is never closed.
            let Ok(permit) = self.shared.batches.clone().acquire_owned().await else {
                return;
            };
            let Some(batch) = self.next_batch() else {
                return;
            };
            let shared = self.shared.clone();
            tokio::spawn(async move {
                let _permit = permit;
                shared.read(batch).await;
            });
        }
    }

    /// Takes the next batch. If there is none, the next read starts another task.
    fn next_batch(&mut self) -> Option<Callers> {
        let mut waiting = self.shared.waiting();
        let batch = take(&mut waiting.callers);
        if batch.is_empty() {
            waiting.has_task = false;
            self.is_done = true;
            return None;
        }
        Some(batch)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let abandoned = {
            let mut waiting = self.shared.waiting();
            waiting.has_task = false;
            std::mem::take(&mut waiting.callers)
        };
        // Wakes the callers, after the lock is released.
        drop(abandoned);
    }
}

impl Shared {
    async fn read(&self, callers: Callers) {
        // A caller that is gone needs no result.
        let callers: Vec<_> = callers
            .into_iter()
            .filter(|(_, senders)| senders.iter().any(|sender| !sender.is_closed()))
            .collect();
        if callers.is_empty() {
            return;
        }
        let request = BatchGetRequest::ids(callers.iter().map(|(id, _)| *id));
        let users = match self.client.batch_get_users(&request).await {
            Ok(users) if users.len() == callers.len() => Ok(users),
            Ok(_) => Err(Error::invalid_response(
                "another number of users than of ids",
            )),
            Err(error) => Err(error),
        };
        let results: Vec<Result<Option<User>, Error>> = match users {
            Ok(users) => users.into_iter().map(Ok).collect(),
            Err(error) => callers.iter().map(|_| Err(error.clone())).collect(),
        };
        for ((_, senders), result) in callers.into_iter().zip(results) {
            for sender in senders {
                let _ = sender.send(result.clone());
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the users of one batch.
fn take(callers: &mut Callers) -> Callers {
    if callers.len() <= MAX_BATCH {
        return std::mem::take(callers);
    }
    let ids: Vec<UserId> = callers.keys().take(MAX_BATCH).copied().collect();
    ids.into_iter()
        .filter_map(|id| callers.remove_entry(&id))
        .collect()
}

#[cfg(test)]
mod tests {
    use futures_util::future::FutureExt;
    use tokio::runtime::{Builder, Runtime};
    use tokio::time::timeout;

    use super::*;
    use crate::error::ErrorKind;

    const ID: &str = "0199b8f2-7c1e-7000-8000-000000000000";
    const LONG: Duration = Duration::from_mins(1);

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// A loader whose reads fail at once: nothing listens on port 1.
    fn unreachable_loader() -> UserLoader {
        let client = Client::builder("http://127.0.0.1:1").deadline(Duration::ZERO);
        client.build().unwrap().loader()
    }

    fn read(runtime: &Runtime, read: impl Future<Output = Result<Option<User>, Error>>) -> Error {
        let result = runtime.block_on(async { timeout(LONG, read).await });
        result.unwrap().unwrap_err()
    }

    #[test]
    fn a_loader_continues_after_its_runtime_has_ended() {
        let loader = unreachable_loader();
        let id = UserId::parse(ID).unwrap();
        let first = runtime();
        let mut waiting = Box::pin(loader.get(id));
        let at_once = first.block_on(async { waiting.as_mut().now_or_never() });
        assert!(at_once.is_none());
        drop(first);
        let second = runtime();
        let ended = read(&second, waiting).to_string();
        assert!(ended.contains("has ended"), "{ended}");
        // The next read starts a task of the second runtime.
        let error = read(&second, loader.get(id));
        assert!(matches!(error.kind(), ErrorKind::NoResponse(_)), "{error}");
    }

    #[test]
    fn an_ended_batch_returns_its_permit() {
        let loader = unreachable_loader();
        let id = UserId::parse(ID).unwrap();
        for _ in 0..=MAX_CONCURRENT_BATCHES {
            read(&runtime(), loader.get(id));
        }
        let permits = loader.0.batches.available_permits();
        assert_eq!(permits, MAX_CONCURRENT_BATCHES);
    }

    #[test]
    fn a_batch_takes_at_most_500_users() {
        let ids = (0..501).map(|number: u128| {
            UserId::parse(&format!("0199b8f2-7c1e-7000-8000-{number:012x}")).unwrap()
        });
        let mut callers: Callers = ids.map(|id| (id, Vec::new())).collect();
        assert_eq!(take(&mut callers).len(), MAX_BATCH);
        assert_eq!(take(&mut callers).len(), 1);
        assert!(take(&mut callers).is_empty());
    }
}
