use async_trait::async_trait;

use super::StoreError;
use crate::directory::{DirectoryFilter, PageRequest, Position};
use crate::user::User;

/// Some users in order, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most as many as asked for.
    pub users: Vec<User>,
    /// The position of the last user, if others follow it.
    pub next: Option<Position>,
}

/// Walks the users.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserDirectory: Send + Sync {
    /// Gives one page.
    ///
    /// Users come in the order asked for, ties by id; each page begins behind the position given, though nobody may be
    /// there any more, so that a walk sees every user that lasts through it, and keeps its place, exactly once.
    /// The filter's text is matched literally: `%` and `_` stand for themselves.
    async fn page(&self, request: &PageRequest) -> Result<Page, StoreError>;

    /// Counts the users that pass the filter.
    async fn count(&self, filter: &DirectoryFilter) -> Result<u64, StoreError>;
}
