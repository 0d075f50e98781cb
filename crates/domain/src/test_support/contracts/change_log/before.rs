//! Reading the change log backward.

use std::collections::HashMap;

use super::super::StoreUnderTest;
use crate::ports::{Changed, EventPosition};
use crate::test_support::samples::{context_at, new_user, registered, seconds, set_name};
use crate::user::{Change, EventKind};
use crate::values::{Revision, UserId};

/// Returns all pages, from the newest event to the oldest.
async fn all_pages(store: &StoreUnderTest, limit: u16) -> Vec<Vec<Changed>> {
    let mut pages = Vec::new();
    let mut position: Option<EventPosition> = None;
    loop {
        let page = store.change_log.before(position, limit).await;
        let page = page.expect("a result");
        assert!(page.changed.len() <= usize::from(limit));
        for changed in &page.changed {
            assert!(page.latest >= Some(changed.at), "{:?}", page.latest);
        }
        pages.push(page.changed);
        assert!(
            page.next
                .is_none_or(|next| position.is_none_or(|before| next < before))
        );
        position = page.next;
        if position.is_none() {
            return pages;
        }
    }
}

/// The revision and the kind of every change, by user, newest first.
fn by_user(pages: &[Vec<Changed>]) -> HashMap<UserId, Vec<(i64, EventKind)>> {
    let mut by_user: HashMap<_, Vec<_>> = HashMap::new();
    for changed in pages.iter().flatten() {
        let of_user = by_user.entry(changed.id).or_default();
        of_user.push((changed.revision.get(), changed.kind));
    }
    for changes in by_user.values_mut() {
        changes.sort_by_key(|(revision, _)| std::cmp::Reverse(*revision));
    }
    by_user
}

/// Backward paging returns every change once, including erasures, for any page size.
pub async fn backward_paging_returns_every_change_once(store: &StoreUnderTest) {
    let alice = store.added(&new_user("alice")).await.id;
    let bob = store.added(&new_user("bob")).await.id;
    for change in [set_name("Alice"), Change::suspend(), Change::SignOut] {
        store.changed(alice, &change).await;
    }
    store.changed(bob, &set_name("Bob")).await;
    store.erased(bob).await;
    let expected = HashMap::from([
        (
            alice,
            vec![
                (4, EventKind::Updated),
                (3, EventKind::Suspended),
                (2, EventKind::Updated),
                (1, EventKind::Created),
            ],
        ),
        (
            bob,
            vec![
                (3, EventKind::Erased),
                (2, EventKind::Updated),
                (1, EventKind::Created),
            ],
        ),
    ]);
    for limit in [1, 2, 3, 7, 8, 1000] {
        assert_eq!(by_user(&all_pages(store, limit).await), expected, "{limit}");
    }
}

/// Backward paging follows the order of writes and returns the latest time of each page.
pub async fn backward_paging_runs_from_newest_to_oldest(store: &StoreUnderTest) {
    let user = registered(&new_user("alice"), &context_at(seconds(60)));
    let added = store.writer.add(&user, &context_at(seconds(60))).await;
    added.expect("a user that can be added");
    let id = user.user.id;
    // The clock was set back.
    for (number, at) in [("one", 30), ("two", 40)] {
        store
            .changed_with(id, &set_name(number), &context_at(seconds(at)))
            .await;
    }
    let page = store.change_log.before(None, 2).await.expect("a result");
    let revisions: Vec<Revision> = page
        .changed
        .iter()
        .map(|changed| changed.revision)
        .collect();
    assert_eq!(revisions.iter().map(|r| r.get()).max(), Some(3));
    assert_eq!((revisions.len(), page.latest), (2, Some(seconds(40))));
    let rest = store.change_log.before(page.next, 2).await;
    let rest = rest.expect("a result");
    assert_eq!(rest.changed.len(), 1);
    assert_eq!((rest.latest, rest.next), (Some(seconds(60)), None));
}

/// An empty log returns one empty page without a next position.
pub async fn backward_paging_of_an_empty_log_ends_at_once(store: &StoreUnderTest) {
    let page = store.change_log.before(None, 10).await.expect("a result");
    assert_eq!((page.changed, page.latest, page.next), (vec![], None, None));
}
