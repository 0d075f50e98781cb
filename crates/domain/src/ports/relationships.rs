use std::collections::HashSet;

use async_trait::async_trait;

use super::StoreError;
use crate::relationship::{
    Counts, FollowOutcome, NewFollow, RelatedPage, RelatedRequest, RelationshipWrite, Ties,
};
use crate::user::User;
use crate::values::UserId;
use crate::write::{WriteContext, WriteError};

/// Keeps what users are to each other.
///
/// A user that is deleted has no relationship to anybody, and is counted by nobody, from the moment of its deletion; a
/// suspended one is neither counted nor listed as a follower or as followed. Who is restored or activated again has and
/// is again what it had and was. Whoever is erased is gone from every list and count at once, and nothing of its
/// relationships remains in the end.
#[cfg_attr(any(test, feature = "test-support"), mockall::automock)]
#[async_trait]
pub trait Relationships: Send + Sync {
    /// Changes a relationship by [`Known::apply`](crate::relationship::Known::apply), with no other change of it in
    /// between, and tells of it in the log of changes, all or nothing.
    ///
    /// A user who begins to block, or ceases to block anybody, is changed by
    /// [`Change::SetHasBlocks`](crate::user::Change::SetHasBlocks) in the same write; nothing else changes a user.
    /// Where [`Known::apply`](crate::relationship::Known::apply) refuses, it is [`WriteError::NotFound`]. Under one
    /// idempotency key a change happens once; the version that a writer expects is not looked at.
    async fn relate(
        &self,
        write: &RelationshipWrite,
        context: &WriteContext,
    ) -> Result<RelationshipWritten, WriteError>;

    /// Lets many follow by [`Known::follow_many`](crate::relationship::Known::follow_many), with no other change of
    /// their relationships in between, and tells of it in the log of changes: an outcome for each, in order; those that
    /// can be done are done, all or none. At most 1,000; keys and conditions are not looked at.
    async fn follow_many(
        &self,
        follows: &[NewFollow],
        context: &WriteContext,
    ) -> Result<Vec<FollowOutcome>, WriteError>;

    /// Tells who of some users blocks the viewer or is blocked by it.
    async fn hidden_from(
        &self,
        viewer: UserId,
        others: &[UserId],
    ) -> Result<HashSet<UserId>, StoreError>;

    /// Tells what a user and each of some others are to each other, in the order of the others, repeated ones included;
    /// nothing where there is no such user, or it is deleted.
    ///
    /// For the user's own eyes, who blocks it is nothing either.
    async fn ties(
        &self,
        user: UserId,
        others: &[UserId],
        eyes: Eyes,
    ) -> Result<Vec<Option<Ties>>, StoreError>;

    /// Gives one page of a list, the newest first, those of one moment by id, the greatest first.
    ///
    /// Each page begins behind the position given, though nobody may be there any more, so that a walk sees everybody
    /// who stays in the list through it exactly once.
    async fn related(&self, request: &RelatedRequest) -> Result<RelatedPage, StoreError>;

    /// Counts, for each of some users in their order, who would be in the lists of its followers and of whom it follows.
    async fn counts(
        &self,
        users: &[UserId],
        viewer: Option<UserId>,
    ) -> Result<Vec<Counts>, StoreError>;
}

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Eyes {
    /// The user itself, who is not to learn who blocks it.
    Own,
    /// Whoever sees everything.
    All,
}

/// What a write of a relationship did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one a write, which is not kept"
)]
pub enum RelationshipWritten {
    /// It changed the relationship, and the user who acted if there is one.
    Applied(Option<User>),
    /// It would have changed nothing.
    Unchanged,
    /// It had been done before under the same idempotency key.
    Replayed,
}
