//! Reads the event feed.

use std::collections::HashMap;
use std::sync::Arc;

use super::{MAX_BATCH, Ports};
use crate::caller::Caller;
use crate::permissions::{Access, Action, Denied, access, permit};
use crate::ports::{
    EventFeed, EventFrontier, EventPosition, FeedError, FeedEvent, FeedEventKind, FeedPage,
    FeedPosition, FeedRequest, FeedStart, Frontier, UserEvent, UserKeys,
};
use crate::relationship::RelationshipEventKind;
use crate::values::UserId;
use crate::view::{UserView, view};
use crate::{CachedUsers, Freshness, StoreError, Violation};

/// A request for a page of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsQuery {
    /// Where the page starts.
    pub start: FeedStart,
    /// The types of events to return.
    pub types: EventTypes,
    /// Returns only events about this user.
    pub subject: Option<UserId>,
    /// Whether each event has the view of its user.
    pub includes_users: bool,
    /// The maximum number of events, 1 to [`EventsQuery::MAX_LIMIT`].
    pub limit: u16,
}

/// The types of events that a caller requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventTypes {
    /// The types that are named; none if all types are requested that the caller may read.
    named: Option<Vec<FeedEventKind>>,
}

/// One page of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsPage {
    /// The events, in the order of the feed.
    pub events: Vec<ReadEvent>,
    /// The position after the page.
    pub end: FeedPosition,
    /// Whether the next page can be read at once.
    pub has_more: bool,
    /// The frontier up to which the page was read.
    pub frontier: Frontier,
}

/// An event as one caller may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadEvent {
    /// Its position.
    pub at: EventPosition,
    /// The event.
    pub event: UserEvent,
    /// Whether the caller may see the actor.
    pub shows_actor: bool,
    /// The user at the time of the reading; none if it was not requested, or if the user is erased.
    pub user: Option<UserView>,
}

/// Why no events were returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadEventsError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The position is not valid any more, or the store failed.
    #[error(transparent)]
    Feed(#[from] FeedError),
}

/// Reads the event feed.
#[derive(Clone)]
pub struct ReadEvents {
    feed: Arc<dyn EventFeed>,
    frontier: Arc<dyn EventFrontier>,
    users: Arc<CachedUsers>,
}

impl EventsQuery {
    /// The maximum number of events on a page.
    pub const MAX_LIMIT: u16 = 1000;
    /// The number of events on a page, unless the caller requests another one.
    pub const DEFAULT_LIMIT: u16 = 100;
    /// The maximum number of events on a page with views of users, which may be large.
    const MAX_LIMIT_WITH_USERS: u16 = 200;

    fn page_limit(&self) -> u16 {
        if self.includes_users {
            self.limit.min(Self::MAX_LIMIT_WITH_USERS)
        } else {
            self.limit
        }
    }
}

impl EventTypes {
    /// Parses a list of types; `user.*` is every type that the caller may read.
    ///
    /// # Errors
    /// The rule, if a type is unknown.
    pub fn parse(texts: &[String]) -> Result<Self, Violation> {
        let mut named = Vec::with_capacity(texts.len().min(FeedEventKind::all().count()));
        let mut is_every = false;
        for text in texts {
            if text == "user.*" {
                is_every = true;
            } else if let Some(kind) = FeedEventKind::from_name(text) {
                if !named.contains(&kind) {
                    named.push(kind);
                }
            } else {
                return Err(Violation::new(
                    "unknown",
                    "Must be types of events, such as user.created, or user.*.",
                ));
            }
        }
        Ok(Self {
            named: (!is_every).then_some(named),
        })
    }

    /// Returns the kinds of events that the caller receives.
    fn permitted(&self, caller: &Caller) -> Result<Vec<FeedEventKind>, Denied> {
        let about_blocks = permit(caller, Action::ReadBlockEvents);
        let Some(named) = &self.named else {
            let all = FeedEventKind::all();
            return Ok(all
                .filter(|kind| about_blocks.is_ok() || !kind.is_about_blocks())
                .collect());
        };
        if named.iter().any(|kind| kind.is_about_blocks()) {
            about_blocks?;
        }
        Ok(named.clone())
    }
}

impl ReadEvents {
    pub(super) fn new(ports: &Ports) -> Self {
        Self {
            feed: ports.event_feed.clone(),
            frontier: ports.event_frontier.clone(),
            users: ports.users(),
        }
    }

    /// Checks the caller's permission before its query is parsed.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn permit(caller: &Caller) -> Result<(), Denied> {
        permit(caller, Action::ReadEvents)
    }

    /// Returns a page of the events that are settled. The views of users are read after the events, from the store: a
    /// user that was erased before is not shown.
    pub async fn run(
        &self,
        caller: &Caller,
        query: &EventsQuery,
    ) -> Result<EventsPage, ReadEventsError> {
        Self::permit(caller)?;
        let kinds = query.types.permitted(caller)?;
        if query.includes_users {
            permit(caller, Action::Read)?;
        }
        let frontier = self.frontier.settled().await;
        let request = FeedRequest {
            start: query.start,
            until: frontier.clone(),
            kinds,
            subject: query.subject,
            limit: query.page_limit(),
        };
        let FeedPage {
            events,
            end,
            has_more,
        } = self.feed.page(&request).await?;
        let mut users = HashMap::new();
        if query.includes_users {
            let ids = events.iter().map(|event| event.event.subject());
            users = self.find(ids).await.map_err(FeedError::from)?;
        }
        let views_of = |id| users.get(&id).map(|user| view(Arc::clone(user), caller));
        let shows_blocks = permit(caller, Action::ReadBlockEvents).is_ok();
        let is_shown = |found: &FeedEvent| match &found.event {
            UserEvent::User(event) => shows_blocks || !event.is_only_about_blocks(),
            UserEvent::Relationship(_) => true,
        };
        let events = events.into_iter().filter(is_shown).map(|found| ReadEvent {
            at: found.at,
            shows_actor: shows_actor(caller, &found.event),
            user: views_of(found.event.subject()),
            event: found.event,
        });
        Ok(EventsPage {
            events: events.collect(),
            end,
            has_more,
            frontier,
        })
    }

    /// Waits until there may be events that a page did not contain.
    pub async fn wait_for_more(&self, page: &EventsPage) {
        self.frontier.moved_from(&page.frontier).await;
    }

    async fn find(
        &self,
        ids: impl Iterator<Item = UserId>,
    ) -> Result<HashMap<UserId, Arc<crate::user::User>>, StoreError> {
        let mut ids: Vec<UserId> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let mut users = HashMap::with_capacity(ids.len());
        for batch in ids.chunks(MAX_BATCH) {
            let keys = UserKeys::Ids(batch.to_vec());
            let found = self.users.read_many(&keys, Freshness::Current).await?;
            let found = found.into_iter().filter_map(|reading| reading.user);
            users.extend(found.map(|user| (user.id, user)));
        }
        Ok(users)
    }
}

/// Whether a caller sees the actor of an event. The end of a follow never has one for such a caller: the actor could be
/// another user, who has ended it by a block.
fn shows_actor(caller: &Caller, event: &UserEvent) -> bool {
    match event {
        UserEvent::User(_) => true,
        UserEvent::Relationship(event) => {
            access(caller, event.edge.from()) == Access::Full
                || event.kind != RelationshipEventKind::Unfollowed
        }
    }
}
