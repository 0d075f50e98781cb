//! The promises of [`crate::ports::UserDirectory`].

mod filters;
mod walks;

pub use filters::*;
pub use walks::*;

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

/// A filter that lets everybody pass.
fn everybody() -> DirectoryFilter {
    DirectoryFilter {
        statuses: Status::ALL.to_vec(),
        ..DirectoryFilter::default()
    }
}

async fn page(store: &StoreUnderTest, sort: Sort, after: Option<Position>, limit: u16) -> Page {
    let request = PageRequest {
        filter: everybody(),
        sort,
        after,
        limit,
    };
    store.directory.page(&request).await.expect("a page")
}

/// More pages than any walk of a contract needs: a walk that goes round in circles fails instead of filling memory.
const MOST_PAGES: usize = 300;

/// Walks to the end, page by page.
async fn walk(
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
    for _ in 0..MOST_PAGES {
        let page = store.directory.page(&request).await.expect("a page");
        assert!(page.users.len() <= usize::from(limit));
        users.extend(page.users);
        request.after = page.next;
        if request.after.is_none() {
            return users;
        }
    }
    panic!("the walk by {sort:?} does not end");
}
