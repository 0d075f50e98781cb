use async_trait::async_trait;

use super::StoreError;
use crate::user::User;
use crate::values::{Timestamp, UserId};
use crate::write::WriteContext;

/// The maximum number of users in one answer of [`SuspensionEnds::due`].
pub const MAX_DUE_SUSPENSIONS: u16 = 50;

/// Ends expired suspensions.
///
/// Concurrent callers are safe: each suspension is ended by one of them.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait SuspensionEnds: Send + Sync {
    /// Returns users whose suspension has expired at a time, the earliest expiry first: at most
    /// [`MAX_DUE_SUSPENSIONS`].
    ///
    /// Deleted users are not returned. A returned user may have been activated in the meantime.
    async fn due(&self, at: Timestamp) -> Result<Vec<UserId>, StoreError>;

    /// Ends a suspension by [`Change::EndSuspension`](crate::user::Change::EndSuspension), without a concurrent change
    /// of that user, and returns the user after it.
    ///
    /// None if the user does not exist, is deleted, or has no expired suspension, or if another transaction has locked
    /// it.
    async fn end(&self, id: UserId, context: &WriteContext) -> Result<Option<User>, StoreError>;
}
