use std::collections::HashSet;

use async_trait::async_trait;

use super::StoreError;
use crate::relationship::{
    Counts, FollowList, FollowOutcome, NewFollow, RelatedNames, RelatedPage, RelatedRequest,
    RelationshipFlags, RelationshipWrite,
};
use crate::user::User;
use crate::values::UserId;
use crate::write::{WriteContext, WriteError};

/// Stores follows and blocks between users.
///
/// From the moment of its deletion, a deleted user is in no list of followers or followed users and in no count. A
/// suspended user is neither counted nor listed. A user that is restored or activated has its former relationships
/// again. An erased user disappears from every list and count at once; its relationships are removed eventually.
///
/// A block belongs to the user that blocks. It stays and is listed until it is ended or that user is erased, even if
/// the blocked user is deleted or erased. The name stored with the block is removed eventually if the blocked user is
/// erased.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Relationships: Send + Sync {
    /// Applies a change by [`LockedRelationships::apply`] and writes its events, atomically and without a concurrent
    /// change of the same relationship.
    ///
    /// The first block of a user and the end of its last one change the user by
    /// [`Change::SetHasBlocks`](crate::user::Change::SetHasBlocks) in the same transaction; no other change touches a
    /// user. A refusal by [`LockedRelationships::apply`] is [`WriteError::NotFound`] or [`WriteError::Refused`]. A
    /// block is stored with the name from [`LockedRelationships::name_to_keep`]. A change is applied once per
    /// idempotency key. The precondition is ignored.
    ///
    /// [`LockedRelationships::apply`]: crate::relationship::LockedRelationships::apply
    /// [`LockedRelationships::name_to_keep`]: crate::relationship::LockedRelationships::name_to_keep
    async fn change_relationship(
        &self,
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError>;

    /// Applies at most 1,000 follows by [`LockedRelationships::follow_many`] and writes their events, in one
    /// transaction and without concurrent changes of the same relationships.
    ///
    /// Returns an outcome for each follow, in order; a refused one does not affect the others. Idempotency key and
    /// precondition are ignored.
    ///
    /// [`LockedRelationships::follow_many`]: crate::relationship::LockedRelationships::follow_many
    async fn follow_many(
        &self,
        follows: &[NewFollow],
        context: &WriteContext,
    ) -> Result<Vec<FollowOutcome>, WriteError>;

    /// Returns the users among `others` that block the viewer or are blocked by it.
    async fn hidden_from(
        &self,
        viewer: UserId,
        others: &[UserId],
    ) -> Result<HashSet<UserId>, StoreError>;

    /// Returns the relationship between a user and each of `others`, in their order and including repeated ones; none
    /// for a user that does not exist or is deleted.
    ///
    /// With [`Perspective::Own`], it is also none for a user that blocks this one. For a blocked user only the block is
    /// returned, for every perspective and even if that user is deleted or erased.
    async fn relationship_flags(
        &self,
        user: UserId,
        others: &[UserId],
        perspective: Perspective,
    ) -> Result<Vec<Option<RelationshipFlags>>, StoreError>;

    /// Returns one page of the active users in a list, newest first; users of the same time by id, greatest first.
    ///
    /// A page starts after the given position, even if no user is at that position any more. A user that stays in the
    /// list while all pages are read therefore appears exactly once.
    async fn related(
        &self,
        request: &RelatedRequest<FollowList>,
    ) -> Result<RelatedPage, StoreError>;

    /// Returns one page of a list as [`Relationships::related`] does, but names only, and including suspended followers
    /// and followed users. The list of blocks contains every blocked user, even a deleted or erased one, by the name
    /// stored with the block.
    async fn related_names(&self, request: &RelatedRequest) -> Result<RelatedNames, StoreError>;

    /// Returns, for each user in order, the lengths of its lists of followers and of followed users, as the viewer sees
    /// them ([`RelatedRequest::viewer`]).
    async fn counts(
        &self,
        users: &[UserId],
        viewer: Option<UserId>,
    ) -> Result<Vec<Counts>, StoreError>;
}

/// Whether an answer is for the user itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Perspective {
    /// The answer is for the user itself, which must not learn which users block it.
    Own,
    /// The answer is for a caller that may see every relationship.
    All,
}

/// The result of a relationship write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one value per write, and it is dropped at once"
)]
pub enum RelationshipWritten {
    /// The relationship changed; holds the user that acted, if the write changed that user too.
    Applied(Option<User>),
    /// The relationship already was as requested.
    Unchanged,
    /// The write was applied earlier under the same idempotency key.
    Replayed,
}
