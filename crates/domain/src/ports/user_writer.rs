use async_trait::async_trait;

use crate::user::{Applied, Change};
use crate::values::UserId;
use crate::write::{Erased, WriteContext, WriteError, Written};

/// Writes users: the row, its event and the record of its idempotency key, all or none.
///
/// Under one idempotency key a write happens once. A repetition, also one that races the first, gets
/// [`Written::Replayed`] with the user as it is now, or [`WriteError::NotFound`] when that user is gone for good; the
/// key with another fingerprint gets [`WriteError::KeyReused`]. Keys of different actors do not meet.
/// A refused write leaves no record of its key. A key is forgotten after 24 hours.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait UserWriter: Send + Sync {
    /// Stores a user that [`crate::user::User::register`] made.
    ///
    /// A username, its look-alike, an email address or an external id that somebody else has is
    /// [`WriteError::Taken`]; so is a username, or a look-alike of one, that somebody else gave up less than 90
    /// days ago. Of several taken values
    /// the first of username, email address and external id is named. Of racing writers of
    /// one value exactly one succeeds. What a deleted user has stays its own until it is erased or purged.
    async fn add(&self, user: &Applied, context: &WriteContext) -> Result<Written, WriteError>;

    /// Changes a user by [`crate::user::User::apply`], with no other change of that user in between.
    ///
    /// An unknown user is [`WriteError::NotFound`]; what `apply` refuses is [`WriteError::Refused`]. Racing changes all
    /// take effect, one after another.
    async fn change(
        &self,
        id: UserId,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Written, WriteError>;

    /// Removes a user, deleted before or not, with all that was stored of it; its name rests and its events stay.
    ///
    /// An unknown user is [`WriteError::NotFound`].
    async fn erase(&self, id: UserId, context: &WriteContext) -> Result<Erased, WriteError>;
}
