//! The contract of [`crate::ports::EventFeed`].

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{StoreUnderTest, race};
use crate::StoreError;
use crate::event_frontier::FrontierTracker;
use crate::ports::{
    EventPosition, FeedError, FeedEvent, FeedEventKind, FeedPage, FeedPosition, FeedRequest,
    FeedStart, Frontier, Records, UserEvent,
};
use crate::test_support::samples::{context, context_at, new_user, seconds, set_name, start};
use crate::user::{Change, EventKind};
use crate::values::UserId;

/// The time after which a frontier that does not move fails a test.
const FRONTIER_TIMEOUT: Duration = Duration::from_secs(20);

impl StoreUnderTest {
    /// Looks at the feed until every event that is visible now is settled, and returns the frontier.
    async fn frontier(&self) -> Frontier {
        let look = self.event_feed.look(None).await;
        let first = look.expect("a look").newest.at;
        let mut tracker = FrontierTracker::default();
        let settle = async {
            loop {
                let look = self.event_feed.look(tracker.settled().cloned()).await;
                tracker.observe(look.expect("a look"), Duration::ZERO);
                match tracker.settled() {
                    Some(settled) if settled.at >= first => return settled.clone(),
                    _ => sleep(Duration::from_millis(2)).await,
                }
            }
        };
        let settled = timeout(FRONTIER_TIMEOUT, settle).await;
        settled.expect("a frontier that moves")
    }

    pub(super) async fn feed(&self, request: &FeedRequest) -> Result<FeedPage, FeedError> {
        self.event_feed.page(request).await
    }

    /// Returns a request for events of all kinds up to the frontier.
    pub(super) async fn request(&self, start: FeedStart) -> FeedRequest {
        FeedRequest {
            start,
            until: self.frontier().await,
            kinds: FeedEventKind::all().collect(),
            subject: None,
            limit: 100,
        }
    }

    pub(super) async fn newest(&self) -> FeedPosition {
        let request = self.request(FeedStart::Newest).await;
        self.feed(&request).await.expect("a page").end
    }
}

fn user_of(event: &FeedEvent) -> (UserId, i64) {
    match &event.event {
        UserEvent::User(event) => (event.subject_id, event.revision.get()),
        UserEvent::Relationship(event) => (event.edge.from(), 0),
    }
}

fn kinds(page: &FeedPage) -> Vec<EventKind> {
    let kind = |event: &FeedEvent| match &event.event {
        UserEvent::User(event) => Some(event.kind),
        UserEvent::Relationship(_) => None,
    };
    page.events.iter().filter_map(kind).collect()
}

/// Consecutive pages hold each event once, in the order of the writes, and the last page has no more.
pub async fn consecutive_pages_hold_each_event_once_in_order(store: &StoreUnderTest) {
    let (mut expected, mut ids) = (Vec::new(), Vec::new());
    for name in ["alice", "bob", "carol"] {
        ids.push(store.added(&new_user(name)).await.id);
    }
    expected.extend(ids.iter().map(|id| (*id, 1)));
    for id in &ids {
        store.changed(*id, &set_name("Name")).await;
        expected.push((*id, 2));
    }
    let (mut found, mut start) = (Vec::new(), FeedStart::Oldest);
    loop {
        let mut request = store.request(start).await;
        request.limit = 4;
        let page = store.feed(&request).await.expect("a page");
        assert!(page.events.is_sorted_by_key(|event| event.at));
        found.extend(page.events.iter().map(user_of));
        start = FeedStart::After(page.end);
        if !page.has_more {
            break;
        }
        assert_eq!(page.events.len(), 4);
    }
    assert_eq!(found, expected);
    let request = store.request(start).await;
    let rest = store.feed(&request).await.expect("a page");
    assert_eq!((rest.events, rest.has_more), (Vec::new(), false));
    assert_eq!(FeedStart::After(rest.end), start);
}

/// No event past `until` is returned.
pub async fn a_page_ends_at_the_given_position(store: &StoreUnderTest) {
    store.added(&new_user("alice")).await;
    let until = store.frontier().await;
    store.added(&new_user("bob")).await;
    let mut request = store.request(FeedStart::Oldest).await;
    request.until = until.clone();
    let page = store.feed(&request).await.expect("a page");
    assert_eq!(page.events.len(), 1);
    assert_eq!(page.end.at, until.at);
    request.start = FeedStart::Newest;
    assert_eq!(store.feed(&request).await.expect("a page").end, page.end);
}

/// The newest position has no events before it and all later events after it.
pub async fn the_newest_position_is_followed_by_later_events_only(store: &StoreUnderTest) {
    let nothing = store.newest().await;
    let id = store.added(&new_user("alice")).await.id;
    let newest = store.newest().await;
    store.changed(id, &set_name("Alice")).await;
    for (position, expected) in [(nothing, vec![1, 2]), (newest, vec![2])] {
        let request = store.request(FeedStart::After(position)).await;
        let page = store.feed(&request).await.expect("a page");
        let revisions: Vec<i64> = page.events.iter().map(|event| user_of(event).1).collect();
        assert_eq!(revisions, expected);
    }
}

/// A filter returns only matching events, and the position moves over the others.
pub async fn a_filter_moves_the_position_over_other_events(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await.id;
    let bob = store.added(&new_user("bob")).await.id;
    store.changed(alice, &Change::Delete).await;
    store.changed(bob, &set_name("Bob")).await;
    let newest = store.newest().await;

    let mut request = store.request(FeedStart::Oldest).await;
    request.kinds = vec![FeedEventKind::User(EventKind::Deleted)];
    let page = store.feed(&request).await.expect("a page");
    assert_eq!(kinds(&page), [EventKind::Deleted]);
    assert_eq!((page.end, page.has_more), (newest, false));
    request.subject = Some(bob);
    let page = store.feed(&request).await.expect("a page");
    assert_eq!((kinds(&page), page.end), (Vec::new(), newest));
    request.kinds = FeedEventKind::all().collect();
    let page = store.feed(&request).await.expect("a page");
    assert_eq!(kinds(&page), [EventKind::Created, EventKind::Updated]);
    request.limit = 1;
    let page = store.feed(&request).await.expect("a page");
    assert_eq!(kinds(&page), [EventKind::Created]);
    assert!(page.has_more && page.end != newest);
}

/// A page up to a frontier whose event is not in the store is refused: the database went back after the look.
pub async fn a_frontier_of_another_history_is_refused(store: &StoreUnderTest) {
    store.added(&new_user("alice")).await;
    for start in [FeedStart::Oldest, FeedStart::Newest] {
        let mut request = store.request(start).await;
        request.until.event = Some(uuid::Uuid::from_u128(1));
        let refused = store.feed(&request).await;
        let is_unavailable = matches!(refused, Err(FeedError::Store(StoreError::Unavailable(_))));
        assert!(is_unavailable, "{refused:?}");
    }
}

/// A position is valid until an event after it is purged.
pub async fn a_position_before_a_purged_event_is_expired(store: &StoreUnderTest) {
    let before = store.newest().await;
    let id = store.added(&new_user("alice")).await.id;
    store.changed(id, &set_name("Alice")).await;
    let last_purged = store.newest().await;
    store
        .changed_with(id, &set_name("Al"), &context_at(seconds(1)))
        .await;
    let due = start().plus(Records::Events.retention());
    let purged = store.retention.purge(Records::Events, due).await;
    assert_eq!(purged.expect("a result").removed, 2);

    let request = store.request(FeedStart::After(before)).await;
    assert_eq!(store.feed(&request).await, Err(FeedError::Expired));
    for start in [FeedStart::After(last_purged), FeedStart::Oldest] {
        let request = store.request(start).await;
        let page = store.feed(&request).await.expect("a page");
        assert_eq!(page.events.len(), 1, "{start:?}");
    }
    let everything = due.plus(Duration::from_secs(1));
    let purged = store.retention.purge(Records::Events, everything).await;
    assert_eq!(purged.expect("a result").removed, 1);
    let newest = store.newest().await;
    for start in [FeedStart::After(newest), FeedStart::Oldest] {
        let request = store.request(start).await;
        let page = store.feed(&request).await.expect("a page");
        assert_eq!((page.events, page.end), (Vec::new(), newest), "{start:?}");
    }
    store.changed(id, &set_name("Alice again")).await;
    let request = store.request(FeedStart::After(newest)).await;
    assert_eq!(store.feed(&request).await.expect("a page").events.len(), 1);
}

/// A reader that starts at the oldest event can continue after each page, although a purge has left an event between those
/// that it removed.
pub async fn a_start_at_the_oldest_event_can_be_continued_after_a_purge_with_gaps(
    store: &StoreUnderTest,
) {
    let id = store.added(&new_user("alice")).await.id;
    let ahead = context_at(seconds(60));
    store.changed_with(id, &set_name("Ahead"), &ahead).await;
    store.changed(id, &set_name("Alice")).await;
    let due = start().plus(Records::Events.retention());
    let purged = store.retention.purge(Records::Events, due).await;
    assert_eq!(purged.expect("a result").removed, 2);

    let mut request = store.request(FeedStart::Oldest).await;
    let first = store.feed(&request).await.expect("a page");
    store.changed(id, &set_name("Later")).await;
    request = store.request(FeedStart::After(first.end)).await;
    let next = store.feed(&request).await.expect("a page");
    assert_eq!(next.events.len(), 1);
    for start in [FeedStart::Oldest, FeedStart::After(next.end)] {
        request = store.request(start).await;
        assert!(store.feed(&request).await.is_ok(), "{start:?}");
    }
}

/// A position is lost if another event, or none, is in its place, and in another store.
pub async fn a_position_of_another_history_is_lost(store: &StoreUnderTest) {
    store.added(&new_user("alice")).await;
    let known = store.newest().await;
    let mut another_event = known;
    another_event.tag = another_event.tag.map(|byte| !byte);
    let mut in_the_future = known;
    in_the_future.at = EventPosition::from_store(known.at.get() + 1000);
    let mut another_store = known;
    another_store.store = uuid::Uuid::from_u128(7);
    for position in [another_event, in_the_future, another_store] {
        let request = store.request(FeedStart::After(position)).await;
        assert_eq!(
            store.feed(&request).await,
            Err(FeedError::Lost),
            "{position:?}"
        );
    }
}

/// A reader that follows the frontier receives the events of racing writes once and in the order of the revisions.
pub async fn a_reader_beside_racing_writes_misses_no_event(store: &StoreUnderTest) {
    const WRITERS: usize = 4;
    const WRITES: usize = 40;
    let shared = store.added(&new_user("shared")).await.id;
    let received = race(store, WRITERS + 1, |store, number| async move {
        if number < WRITERS {
            let name = format!("writer{number}");
            let own = store.added(&new_user(&name)).await.id;
            for write in 1..WRITES {
                let id = if write % 4 == 0 { shared } else { own };
                let change = set_name(&format!("{number} {write}"));
                let written = store.writer.change(id, &change, &context()).await;
                written.expect("a change");
            }
            return Vec::new();
        }
        let (mut received, mut start) = (Vec::new(), FeedStart::Oldest);
        let read = async {
            while received.len() < WRITERS * WRITES + 1 {
                let request = store.request(start).await;
                let page = store.feed(&request).await.expect("a page");
                received.extend(page.events.iter().map(|event| (event.at, user_of(event))));
                start = FeedStart::After(page.end);
                sleep(Duration::from_millis(1)).await;
            }
        };
        let end = timeout(FRONTIER_TIMEOUT, read).await;
        end.expect("all events");
        received
    })
    .await;
    let received = received.last().expect("a reader");
    assert!(received.is_sorted_by_key(|(at, _)| at));
    let mut revisions = HashMap::new();
    for (_, (user, revision)) in received {
        let last = revisions.insert(*user, *revision).unwrap_or_default();
        assert_eq!(*revision, last + 1);
    }
}
