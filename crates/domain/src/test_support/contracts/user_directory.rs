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

/// Walks to the end, page by page.
async fn walk(store: &StoreUnderTest, sort: Sort, limit: u16) -> Vec<User> {
    let mut users = Vec::new();
    let mut after = None;
    loop {
        let page = page(store, sort, after, limit).await;
        assert!(page.users.len() <= usize::from(limit));
        users.extend(page.users);
        after = page.next;
        if after.is_none() {
            return users;
        }
    }
}
