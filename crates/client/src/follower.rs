//! Follows the event feed from a stored position.

mod newest;

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error as ThisError;
use tokio::time::{Instant, sleep};

use crate::call::Read;
use crate::client::Client;
use crate::error::Error;
use crate::events::{EventKind, EventPage};
use crate::problem::Code;
use crate::retry::delays;

pub use newest::NewestOnly;

/// The maximum wait of the service.
const MAX_WAIT: Duration = Duration::from_secs(25);
/// The pause after an empty page that came before its time, because too many requests wait or the service shuts down.
const PAUSE: Duration = Duration::from_secs(1);
/// A list may be a second old, so a walk begins this long after its position was read.
const BEFORE_WALK: Duration = Duration::from_secs(2);

/// Keeps the position of a [`Follower`].
///
/// The best place is the database of the copy that the events are applied to: if one transaction stores both, an
/// interruption at any moment repeats at most one page.
pub trait CursorStore: Send + Sync {
    /// Why the position cannot be read or written.
    type Error: StdError + Send + Sync + 'static;

    /// Returns the stored position; `None` before the first start.
    ///
    /// # Errors
    /// If it cannot be read.
    fn load(&self) -> impl Future<Output = Result<Option<String>, Self::Error>> + Send;

    /// Replaces the position.
    ///
    /// # Errors
    /// If it cannot be written.
    fn store(&self, cursor: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Keeps the position in memory, for tests and for copies that live in memory too.
#[derive(Debug, Default)]
pub struct MemoryCursor(Mutex<Option<String>>);

impl CursorStore for MemoryCursor {
    type Error = Infallible;

    async fn load(&self) -> Result<Option<String>, Infallible> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone())
    }

    async fn store(&self, cursor: &str) -> Result<(), Infallible> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor.to_owned());
        Ok(())
    }
}

/// Follows the event feed, across restarts and failures of the service and of the follower.
///
/// Each event is delivered at least once. [`Follower::next`] waits for events as long as it takes, and may be cancelled.
/// Apply what it returns, then call [`Follower::confirm`].
///
/// ```no_run
/// # use user_client::{Client, EventKind, FeedUpdate, MemoryCursor, Status, User, UserFilter, UserId};
/// # struct Copy;
/// # impl Copy { fn clear(&mut self) {} fn put(&mut self, _: &User) {} fn remove(&mut self, _: UserId) {} }
/// # async fn example(client: Client, mut copy: Copy) -> Result<(), Box<dyn std::error::Error>> {
/// let mut follower = client.follow(MemoryCursor::default()).include_user();
/// loop {
///     let update = follower.next().await?;
///     match &update {
///         FeedUpdate::Events(page) => {
///             for event in page.events.iter().filter(|event| event.data.revision.is_some()) {
///                 match &event.data.user {
///                     // Unless the copy has a greater version.
///                     Some(user) if user.status != Status::Deleted => copy.put(user),
///                     // It is deleted or erased.
///                     Some(_) | None => copy.remove(event.subject),
///                 }
///             }
///         }
///         FeedUpdate::Resync(_) => {
///             copy.clear();
///             let mut users = client.users(UserFilter::new());
///             while let Some(user) = users.next().await {
///                 copy.put(&user?);
///             }
///         }
///     }
///     follower.confirm(&update).await?;
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Follower<S> {
    client: Client,
    store: S,
    kinds: Vec<EventKind>,
    includes_user: bool,
    limit: u32,
    newest: NewestOnly,
}

/// What a [`Follower`] received.
#[derive(Clone, Debug)]
pub enum FeedUpdate {
    /// Events, at least one unless all were repetitions. Apply those that are newer than what you have.
    Events(EventPage),
    /// Events are missing, or there is no position yet: read all users again, with [`Client::users`], and keep the
    /// greater version of each. The changes during the walk follow.
    Resync(Resync),
}

impl FeedUpdate {
    /// The position after what was received. Store it in the transaction that applies it, or call
    /// [`Follower::confirm`].
    pub fn cursor(&self) -> &str {
        match self {
            Self::Events(page) => &page.cursor,
            Self::Resync(resync) => &resync.cursor,
        }
    }
}

/// Why all users have to be read again, and where the feed continues then.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resync {
    /// The reason.
    pub reason: ResyncReason,
    /// The position before the walk.
    pub cursor: String,
}

/// Why all users have to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResyncReason {
    /// There was no position.
    FirstStart,
    /// The follower was away for longer than events are kept (30 days).
    Expired,
    /// The database is another one, or lost its last commits.
    Lost,
    /// The position is not one of this service, or its key has changed.
    Invalid,
}

/// Why a follower cannot continue.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum FollowError<E: StdError + 'static> {
    /// The service refused the request, for example because the token lacks the scope `events:read`.
    #[error("the event feed cannot be read")]
    Feed(#[source] Error),
    /// The position cannot be read or written.
    #[error("the position in the event feed cannot be kept")]
    Store(#[source] E),
}

impl Client {
    /// Creates a follower of the event feed. Requires the scope `events:read`.
    pub fn follow<S: CursorStore>(&self, store: S) -> Follower<S> {
        Follower {
            client: self.clone(),
            store,
            kinds: Vec::new(),
            includes_user: false,
            limit: 200,
            newest: NewestOnly::default(),
        }
    }
}

impl<S: CursorStore> Follower<S> {
    /// Follows events of these types only.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = EventKind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Includes each user, as it is when its event is read. Requires the scope `users:read`.
    #[must_use]
    pub fn include_user(mut self) -> Self {
        self.includes_user = true;
        self
    }

    /// Limits the events of a page, 1 to 1,000; 200 by default, which is the maximum with users.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// The store of the position.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Waits for events after the stored position. Events that are not newer than confirmed ones are left out.
    ///
    /// While the service does not respond, or responds with a 408, a 429 or a 5xx, it tries again after growing
    /// delays. It can be cancelled at any time without losing an event.
    ///
    /// # Errors
    /// Another refusal of the service (4xx), a response that cannot be read, or a failure of the store.
    pub async fn next(&mut self) -> Result<FeedUpdate, FollowError<S::Error>> {
        loop {
            let cursor = self.store.load().await.map_err(FollowError::Store)?;
            let Some(cursor) = cursor else {
                return self.resync(ResyncReason::FirstStart).await;
            };
            let started = Instant::now();
            let mut page = match self.read(|client| self.page_after(client, &cursor)).await {
                Ok(page) => page,
                Err(error) => match resync_reason(&error) {
                    Some(reason) => return self.resync(reason).await,
                    None => return Err(FollowError::Feed(error)),
                },
            };
            let came_early =
                page.events.is_empty() && !page.has_more && started.elapsed() < MAX_WAIT;
            page.events.retain(|event| self.newest.is_newer(event));
            if !page.events.is_empty() {
                return Ok(FeedUpdate::Events(page));
            }
            if page.cursor != cursor {
                self.confirm(&FeedUpdate::Events(page)).await?;
            }
            if came_early {
                sleep(PAUSE).await;
            }
        }
    }

    /// Stores the position after what was received, so that it is not delivered again.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn confirm(&mut self, update: &FeedUpdate) -> Result<(), FollowError<S::Error>> {
        let stored = self.store.store(update.cursor()).await;
        stored.map_err(FollowError::Store)?;
        match update {
            FeedUpdate::Events(page) => page
                .events
                .iter()
                .for_each(|event| self.newest.record(event)),
            // The store may be another one, with other revisions.
            FeedUpdate::Resync(_) => self.newest = NewestOnly::default(),
        }
        Ok(())
    }

    fn page_after(&self, client: &Client, cursor: &str) -> Read<EventPage> {
        let mut read = client
            .list_events()
            .from(cursor)
            .limit(self.limit)
            .wait(MAX_WAIT);
        for kind in &self.kinds {
            read = read.kind(kind);
        }
        if self.includes_user {
            read = read.include_user();
        }
        read
    }

    async fn resync(&self, reason: ResyncReason) -> Result<FeedUpdate, FollowError<S::Error>> {
        let now = self.read(|client| client.list_events().now()).await;
        let cursor = now.map_err(FollowError::Feed)?.cursor;
        sleep(BEFORE_WALK).await;
        Ok(FeedUpdate::Resync(Resync { reason, cursor }))
    }

    /// Reads a page, and tries again while the service fails or is unavailable.
    async fn read(&self, page: impl Fn(&Client) -> Read<EventPage>) -> Result<EventPage, Error> {
        let mut delays = delays();
        loop {
            match page(&self.client).await {
                Err(error) if may_pass(&error) => {
                    let delay = error.retry_after().max(delays.next());
                    sleep(delay.unwrap_or(PAUSE)).await;
                }
                result => return result,
            }
        }
    }
}

/// Whether the same request may succeed later: unlike a call, a follower also outlasts a failure of the service (500).
fn may_pass(error: &Error) -> bool {
    error.is_transient() || error.status().is_some_and(|status| status >= 500)
}

fn resync_reason(error: &Error) -> Option<ResyncReason> {
    match error.code()? {
        Code::CursorExpired => Some(ResyncReason::Expired),
        Code::CursorLost => Some(ResyncReason::Lost),
        Code::InvalidCursor => Some(ResyncReason::Invalid),
        _ => None,
    }
}
