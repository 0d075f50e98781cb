use async_trait::async_trait;

use super::StoreError;
use crate::directory::{DirectoryFilter, PageRequest, Position};
use crate::user::User;

/// One page of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The users, at most as many as requested.
    pub users: Vec<User>,
    /// The position of the last user, if there are more.
    pub next: Option<Position>,
}

/// Lists and counts users.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserDirectory: Send + Sync {
    /// Returns one page.
    ///
    /// Users are in the requested order, ties are broken by id. A page starts after the given position, even if no user
    /// is at that position any more. A user that exists and keeps its position while all pages are read appears exactly
    /// once. The filter's text is matched literally: `%` and `_` are no wildcards.
    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError>;

    /// Counts the users that match the filter.
    async fn count(&self, filter: &DirectoryFilter) -> Result<u64, StoreError>;
}
