//! The contract of [`crate::ports::UserDirectory`].

mod filters;
mod metadata;
mod paging;

pub use filters::*;
pub use metadata::*;
pub use paging::*;

use super::StoreUnderTest;
use crate::directory::{DirectoryFilter, PageRequest, Position, Sort};
use crate::ports::Page;
use crate::user::{Status, User};
use crate::values::UserId;

fn ids(users: &[User]) -> Vec<UserId> {
    users.iter().map(|user| user.id).collect()
}

fn names(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.username.as_str()).collect()
}

/// A filter that matches every user.
fn users_of_any_status() -> DirectoryFilter {
    DirectoryFilter {
        statuses: Status::ALL.into(),
        ..DirectoryFilter::default()
    }
}

async fn page(store: &StoreUnderTest, sort: Sort, after: Option<Position>, limit: u16) -> Page {
    let request = PageRequest {
        filter: users_of_any_status(),
        sort,
        after,
        limit,
    };
    store.directory.page(&request).await.expect("a page")
}

/// Asserts that a filter matches exactly these usernames, both in the pages and in the count.
async fn assert_matches(store: &StoreUnderTest, filter: DirectoryFilter, expected: &[&str]) {
    assert_eq!(
        store.directory.count(&filter).await,
        Ok(expected.len() as u64),
        "{filter:?}"
    );
    let listed = all_pages(store, &filter, Sort::Username, 2).await;
    assert_eq!(names(&listed), expected, "{filter:?}");
}

/// More pages than any contract test needs. A pagination loop that never ends fails instead of exhausting memory.
const MAX_PAGES: usize = 300;

/// Returns the users of all pages.
async fn all_pages(
    store: &StoreUnderTest,
    filter: &DirectoryFilter,
    sort: Sort,
    limit: u16,
) -> Vec<User> {
    let mut users = Vec::new();
    let mut request = PageRequest {
        filter: filter.clone(),
        sort,
        after: None,
        limit,
    };
    for _ in 0..MAX_PAGES {
        let page = store.directory.page(&request).await.expect("a page");
        assert!(page.users.len() <= usize::from(limit));
        users.extend(page.users);
        request.after = page.next;
        if request.after.is_none() {
            return users;
        }
    }
    panic!("the pagination by {sort:?} does not end");
}
