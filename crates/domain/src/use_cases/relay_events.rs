//! Relays the event feed to a message broker.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{EventTypes, EventsPage, EventsQuery, Ports, ReadEvent, ReadEvents, ReadEventsError};
use crate::StoreError;
use crate::caller::{Caller, Scope, ServiceCaller};
use crate::permissions::{Action, Denied, permit};
use crate::ports::{
    EventFrontier, EventMessage, EventPublisher, EventRelays, FeedError, FeedStart, Frontier,
    PublishError,
};
use crate::values::Timestamp;

/// Returns an event of the store with this id as the body of a message.
///
/// # Errors
/// Why the event cannot be represented.
pub type EncodeEvent = fn(Uuid, &ReadEvent) -> Result<Vec<u8>, String>;

/// Why events were not relayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayEventsError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The next page could not be read. Nothing was published.
    #[error("the next events cannot be read: {0}")]
    Read(StoreError),
    /// Events after the stored position are missing. The next call continues at the oldest event that is kept.
    #[error("the relay cannot continue at its position: {0}")]
    Gap(FeedError),
    /// Another replica has taken the lease. Nothing was stored.
    #[error("another replica runs the relay")]
    LeaseLost,
    /// The broker failed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// An event cannot be represented as a message.
    #[error("an event cannot be encoded: {0}")]
    Encoding(String),
}

/// The answer to an attempt to run the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leadership {
    /// This replica runs the relay.
    Leader(RelayTerm),
    /// Another replica runs it. Its lease ends after this time, unless it is renewed.
    Follower(Duration),
}

/// The time in which a replica runs the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayTerm {
    epoch: i64,
    start: FeedStart,
}

/// How far the relay is behind the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RelayLag {
    /// The time of the oldest event that is not relayed; none if all are relayed.
    pub since: Option<Timestamp>,
    /// The difference between the positions of the feed and of the relay. Events that are not relayed count too, and
    /// so do gaps.
    pub positions: u64,
}

/// The result of relaying one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayedPage {
    /// The number of published events.
    pub published: usize,
    /// Whether the next page can be read at once.
    pub has_more: bool,
    frontier: Frontier,
}

/// Relays the event feed to a message broker.
///
/// One replica at a time runs the relay. It publishes a page, waits until the broker has confirmed every message, and
/// stores the position. After a failure, a page may therefore be published again. Consumers drop what is not newer than
/// what they have.
#[derive(Clone)]
pub struct RelayEvents {
    relays: Arc<dyn EventRelays>,
    publisher: Arc<dyn EventPublisher>,
    frontier: Arc<dyn EventFrontier>,
    read_events: ReadEvents,
    reader: Caller,
    encode: EncodeEvent,
    holder: Uuid,
}

impl RelayTerm {
    /// The epoch of the lease.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }
}

impl RelayEvents {
    /// How long a lease is valid.
    pub const LEASE: Duration = Duration::from_secs(10);
    /// The maximum number of events that are published before the position is stored.
    pub const MAX_UNCONFIRMED: u16 = 500;
    /// The name of the relay in the store.
    const NAME: &str = "amqp";

    /// Creates the relay of this replica. Without `shows_blocks`, it publishes what services without
    /// `users:read_private` may read.
    pub fn new(
        ports: &Ports,
        publisher: Arc<dyn EventPublisher>,
        encode: EncodeEvent,
        shows_blocks: bool,
    ) -> Self {
        let mut scopes = vec![Scope::EventsRead];
        if shows_blocks {
            scopes.push(Scope::UsersReadPrivate);
        }
        Self {
            relays: ports.event_relays.clone(),
            publisher,
            frontier: ports.event_frontier.clone(),
            read_events: ReadEvents::new(ports),
            reader: Caller::Service(ServiceCaller {
                name: "relay".to_owned(),
                scopes: scopes.into_iter().collect(),
            }),
            encode,
            holder: ports.ids.event_id(),
        }
    }

    /// Takes the lease, unless another replica holds it.
    ///
    /// # Errors
    /// [`RelayEventsError::Denied`] or [`RelayEventsError::Store`].
    pub async fn take(&self, caller: &Caller) -> Result<Leadership, RelayEventsError> {
        permit(caller, Action::RelayEvents)?;
        // Most of the time another replica is the leader. Finding that out must not write.
        let remaining = self.relays.lease_remaining(Self::NAME).await?;
        if !remaining.is_zero() {
            return Ok(Leadership::Follower(remaining));
        }
        let lease = self
            .relays
            .take(Self::NAME, self.holder, Self::LEASE)
            .await?;
        Ok(match lease {
            Some(lease) => Leadership::Leader(RelayTerm {
                epoch: lease.epoch,
                start: lease.position.map_or(FeedStart::Oldest, FeedStart::After),
            }),
            None => Leadership::Follower(Self::LEASE),
        })
    }

    /// Renews the lease.
    ///
    /// # Errors
    /// [`RelayEventsError::LeaseLost`] or [`RelayEventsError::Store`].
    pub async fn renew(&self, epoch: i64) -> Result<(), RelayEventsError> {
        if self.relays.renew(Self::NAME, epoch, Self::LEASE).await? {
            Ok(())
        } else {
            Err(RelayEventsError::LeaseLost)
        }
    }

    /// Publishes the next page of events and stores the position after it. Connects to the broker even if there is no
    /// event. Calls `on_lag` when the page is read and when it is published.
    ///
    /// # Errors
    /// [`RelayEventsError`], except `Denied`.
    pub async fn relay_page(
        &self,
        term: &mut RelayTerm,
        on_lag: impl Fn(RelayLag) + Send + Sync,
    ) -> Result<RelayedPage, RelayEventsError> {
        let page = self.read(term).await?;
        let mut lag = RelayLag {
            since: page.events.first().map(time_of),
            positions: positions_between(term.start, &page),
        };
        on_lag(lag);
        let messages = self.messages(&page)?;
        self.publisher.publish(&messages).await?;
        let end = FeedStart::After(page.end);
        if term.start != end {
            if !self
                .relays
                .advance(Self::NAME, term.epoch, &page.end)
                .await?
            {
                return Err(RelayEventsError::LeaseLost);
            }
            term.start = end;
        }
        lag.positions = positions_between(end, &page);
        if page.has_more {
            lag.since = page.events.last().map(time_of).or(lag.since);
        } else {
            lag.since = None;
        }
        on_lag(lag);
        Ok(RelayedPage {
            published: messages.len(),
            has_more: page.has_more,
            frontier: page.frontier,
        })
    }

    /// Waits until there may be events after a page.
    pub async fn wait_for_more(&self, page: &RelayedPage) {
        self.frontier.moved_from(&page.frontier).await;
    }

    /// Ends the term: closes the connection to the broker, and lets another replica take the lease at once.
    ///
    /// # Errors
    /// [`RelayEventsError::Store`]. The lease then ends by itself.
    pub async fn resign(&self, epoch: i64) -> Result<(), RelayEventsError> {
        self.publisher.close().await;
        Ok(self.relays.release(Self::NAME, epoch).await?)
    }

    async fn read(&self, term: &mut RelayTerm) -> Result<EventsPage, RelayEventsError> {
        let query = EventsQuery {
            start: term.start,
            types: EventTypes::default(),
            subject: None,
            includes_users: false,
            limit: Self::MAX_UNCONFIRMED,
        };
        match self.read_events.run(&self.reader, &query).await {
            Ok(page) => Ok(page),
            Err(ReadEventsError::Denied(denied)) => Err(denied.into()),
            Err(ReadEventsError::Feed(FeedError::Store(error))) => {
                Err(RelayEventsError::Read(error))
            }
            Err(ReadEventsError::Feed(gap @ (FeedError::Expired | FeedError::Lost))) => {
                term.start = FeedStart::Oldest;
                Err(RelayEventsError::Gap(gap))
            }
        }
    }

    fn messages(&self, page: &EventsPage) -> Result<Vec<EventMessage>, RelayEventsError> {
        let message = |read: &ReadEvent| {
            let body = (self.encode)(page.end.store, read).map_err(RelayEventsError::Encoding)?;
            Ok(EventMessage {
                id: read.event.id(),
                kind: read.event.kind(),
                subject: read.event.subject(),
                body,
            })
        };
        page.events.iter().map(message).collect()
    }
}

fn time_of(read: &ReadEvent) -> Timestamp {
    read.event.at()
}

/// Returns the number of positions from a start to the frontier of a page.
fn positions_between(start: FeedStart, page: &EventsPage) -> u64 {
    let start = match start {
        FeedStart::After(position) => position.at.get(),
        FeedStart::Oldest | FeedStart::Newest => page
            .events
            .first()
            .map_or(page.end.at.get(), |read| read.at.get() - 1),
    };
    u64::try_from(page.frontier.at.get() - start).unwrap_or_default()
}
