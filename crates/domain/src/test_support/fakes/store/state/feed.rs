use uuid::Uuid;

use super::{LogEntry, State};
use crate::ports::{
    EventPosition, FeedError, FeedEvent, FeedEventKind, FeedPage, FeedPosition, FeedRequest,
    FeedStart, Frontier, StoreError, UserEvent,
};
use crate::values::UserId;

/// The id of every fake store.
const STORE: Uuid = Uuid::from_u128(0x0199_b8f2_7c1e_7000_8000_0000_0000_5707);

impl State {
    /// Returns the last event. Positions are sequence numbers plus one.
    pub(in super::super) fn frontier(&self) -> Frontier {
        let at = to_position(self.next);
        Frontier {
            history: String::new(),
            at,
            event: self.event_at(at),
        }
    }

    fn event_at(&self, at: EventPosition) -> Option<Uuid> {
        let number = usize::try_from(at.get()).ok()?.checked_sub(1)?;
        self.events.get(&number).map(LogEntry::id)
    }

    pub(in super::super) fn feed_page(&self, request: &FeedRequest) -> Result<FeedPage, FeedError> {
        let purged = to_position(self.purged);
        let until = request.until.at;
        if until > purged && request.until.event != self.event_at(until) {
            let cause = "the frontier is of another history".to_owned();
            return Err(StoreError::Unavailable(cause).into());
        }
        let after = |at: EventPosition| FeedPosition::after(STORE, at, self.event_at(at));
        let start = match request.start {
            FeedStart::Oldest => purged,
            FeedStart::Newest => until.max(purged),
            FeedStart::After(position) => {
                position.check(STORE, purged, self.event_at(position.at))?;
                position.at
            }
        };
        let mut page = FeedPage {
            events: Vec::new(),
            end: after(start),
            has_more: false,
        };
        let later = self
            .events
            .iter()
            .map(|(number, entry)| (to_position(number + 1), entry))
            .filter(|(at, _)| *at > start && *at <= until);
        for (scanned, (at, entry)) in (0..).zip(later) {
            let is_full = page.events.len() == usize::from(request.limit);
            let event = entry.for_feed(&request.kinds, request.subject);
            if is_full && event.is_some() || scanned >= FeedRequest::MAX_SCANNED {
                page.has_more = true;
                break;
            }
            page.end = after(at);
            page.events
                .extend(event.map(|event| FeedEvent { at, event }));
        }
        Ok(page)
    }
}

impl LogEntry {
    fn id(&self) -> Uuid {
        match self {
            Self::User(event) => event.id,
            Self::Token(event) => event.id,
            Self::Relationship(event) => event.id,
        }
    }

    fn for_feed(&self, kinds: &[FeedEventKind], of: Option<UserId>) -> Option<UserEvent> {
        let (kind, subject, event) = match self {
            Self::User(event) => (
                FeedEventKind::User(event.kind),
                event.subject_id,
                UserEvent::User(event.clone()),
            ),
            Self::Relationship(event) => (
                FeedEventKind::Relationship(event.kind),
                event.edge.from(),
                UserEvent::Relationship(event.clone()),
            ),
            Self::Token(_) => return None,
        };
        let is_wanted = kinds.contains(&kind) && of.is_none_or(|of| of == subject);
        is_wanted.then_some(event)
    }
}

fn to_position(number: usize) -> EventPosition {
    EventPosition::from_store(i64::try_from(number).unwrap_or(i64::MAX))
}
