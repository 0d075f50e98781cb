use async_trait::async_trait;

use crate::user::{Applied, Change};
use crate::values::UserId;
use crate::write::{Erased, WriteContext, WriteError, Written};

/// Writes users: the row, its event and its idempotency record, in one transaction.
///
/// A write is applied once per idempotency key. A repetition, even a concurrent one, gets [`Written::Replayed`] with
/// the current user, or [`WriteError::NotFound`] if that user has been erased. A known key with another fingerprint
/// gets [`WriteError::KeyReused`]. Keys are scoped to their actor. A refused write stores no key. Keys expire after 24
/// hours.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserWriter: Send + Sync {
    /// Stores a user that [`crate::user::User::register`] created.
    ///
    /// A username, its look-alike, an email address or an external id of another user is [`WriteError::Taken`]. So is a
    /// username, or its look-alike, that another user released less than 90 days ago. If several values are taken, the
    /// error names all of them. If writers race for one value, exactly one
    /// succeeds. A deleted user keeps its unique values until it is erased.
    async fn add(&self, user: &Applied, context: &WriteContext) -> Result<Written, WriteError>;

    /// Changes a user by [`crate::user::User::apply`], without a concurrent change of that user.
    ///
    /// An unknown user is [`WriteError::NotFound`]; a change that `apply` refuses is [`WriteError::Refused`].
    /// Concurrent changes are all applied, one after another.
    async fn change(
        &self,
        id: UserId,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Written, WriteError>;

    /// Removes a user, deleted or not, with all data stored about it; its username becomes reserved and its events
    /// stay.
    ///
    /// An unknown user is [`WriteError::NotFound`].
    async fn erase(&self, id: UserId, context: &WriteContext) -> Result<Erased, WriteError>;
}
