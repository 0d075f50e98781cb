use super::{LogEntry, State};
use crate::ports::{
    Changed, Changes, EventPage, EventPosition, EventsRequest, LogPosition, PastChanges, UserEvent,
};
use crate::user::Event;

impl State {
    pub(in super::super) fn events_about(&self, request: &EventsRequest) -> EventPage {
        let limit = usize::from(request.limit);
        let number = |number: &usize| i64::try_from(*number).unwrap_or(i64::MAX);
        let mut events: Vec<(i64, UserEvent)> = self
            .events
            .iter()
            .rev()
            .filter(|(at, _)| {
                request
                    .before
                    .is_none_or(|before| number(at) < before.get())
            })
            .filter_map(|(at, entry)| Some((number(at), entry.about(request.user)?)))
            .take(limit + 1)
            .collect();
        let has_more = events.len() > limit;
        events.truncate(limit);
        let last = events.last().filter(|_| has_more);
        EventPage {
            next: last.map(|(at, _)| EventPosition::from_store(*at)),
            events: events.into_iter().map(|(_, event)| event).collect(),
        }
    }

    /// Returns the position of the next event.
    pub(in super::super) fn position(&self) -> LogPosition {
        LogPosition::from_store(self.next.to_string())
    }

    /// Returns the changes from a position on.
    pub(in super::super) fn changes_since(&self, position: &LogPosition) -> Changes {
        let from = position.as_str().parse().ok();
        let known = from.filter(|from: &usize| (self.purged..=self.next).contains(from));
        let from = from.filter(|from| *from <= self.next).unwrap_or(self.next);
        let later = self.events.range(from..).map(|(_, entry)| entry);
        let later = later.filter(|entry| !matches!(entry, LogEntry::Relationship(_)));
        let complete = known.is_some() && later.clone().count() <= Changes::MAX_CHANGES;
        let later = later.take(Changes::MAX_CHANGES);
        let changed = later.clone().filter_map(LogEntry::user).map(changed_by);
        Changes {
            complete,
            changed: changed.collect(),
            tokens: later.filter_map(LogEntry::token).collect(),
            discontinuity: None,
            position: self.position(),
        }
    }

    /// Returns the changes among at most `limit` events before a position.
    pub(in super::super) fn changes_before(
        &self,
        position: Option<EventPosition>,
        limit: u16,
    ) -> PastChanges {
        let end = position.map_or(self.next, |position| {
            usize::try_from(position.get()).unwrap_or_default()
        });
        let older = self.events.range(..end).rev();
        let page = older.clone().take(usize::from(limit));
        let oldest = page.clone().last().map(|(number, _)| *number);
        let has_more = older.count() > usize::from(limit);
        PastChanges {
            latest: page.clone().map(|(_, entry)| entry.at()).max(),
            changed: page
                .filter_map(|(_, entry)| entry.user())
                .map(changed_by)
                .collect(),
            next: oldest
                .filter(|_| has_more)
                .and_then(|oldest| i64::try_from(oldest).ok())
                .map(EventPosition::from_store),
        }
    }
}

fn changed_by(event: &Event) -> Changed {
    Changed {
        id: event.subject_id,
        revision: event.revision,
        kind: event.kind,
        at: event.at,
    }
}
