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
    batches: Semaphore,
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
            batches: Semaphore::new(MAX_CONCURRENT_BATCHES),
        }))
    }
}

impl UserLoader {
    /// Reads a user, in one request with other concurrent reads. `None` if it is unknown, deleted or hidden.
    ///
    /// It must be called within a tokio runtime.
    ///
    /// # Errors
    /// That of the batch.
    pub async fn get(&self, id: UserId) -> Result<Option<User>, Error> {
        let (sender, receiver) = oneshot::channel();
        let needs_task = {
            let mut waiting = self.0.waiting();
            waiting.callers.entry(id).or_default().push(sender);
            !std::mem::replace(&mut waiting.has_task, true)
        };
        if needs_task {
            tokio::spawn(self.0.clone().read_all());
        }
        receiver.await.unwrap_or_else(|_| {
            Err(Error::invalid_request(
                "the runtime of the loader has ended",
            ))
        })
    }
}

impl Shared {
    /// Starts batches until no reads are waiting.
    async fn read_all(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WINDOW).await;
            // The semaphore is never closed.
            let Ok(permit) = self.batches.acquire().await else {
                return;
            };
            let batch = {
                let mut waiting = self.waiting();
                let batch = take(&mut waiting.callers);
                waiting.has_task = !batch.is_empty();
                batch
            };
            if batch.is_empty() {
                return;
            }
            permit.forget();
            let shared = self.clone();
            tokio::spawn(async move {
                // Returned also if the task is cancelled.
                let _permit = Returned(&shared.batches);
                shared.read(batch).await;
            });
        }
    }

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

struct Returned<'a>(&'a Semaphore);

impl Drop for Returned<'_> {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
