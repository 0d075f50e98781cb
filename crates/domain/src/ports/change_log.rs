use async_trait::async_trait;

use super::StoreError;
use crate::user::Event;
use crate::values::UserId;

/// What has happened, from the outbox.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait ChangeLog: Send + Sync {
    /// Gives the events about one user, oldest first.
    ///
    /// Every applied write has its event, in order of version; an unchanged, refused or replayed one has none.
    /// The events of a user outlive its erasure.
    async fn about(&self, user: UserId) -> Result<Vec<Event>, StoreError>;
}
