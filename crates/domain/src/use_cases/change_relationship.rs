//! Starts and ends follows and blocks of a user.

use std::sync::Arc;

use super::{WriteConditions, WriteContextFactory};
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{RelationshipWritten, Relationships};
use crate::relationship::{Edge, RelationshipChange, RelationshipWrite};
use crate::user::ChangeRefused;
use crate::values::UserId;
use crate::write::{Idempotency, Precondition, WriteError};
use crate::{Fault, StoreError};

/// The result of a relationship change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelationshipChanged {
    /// Whether it was applied earlier under the same idempotency key.
    pub replayed: bool,
}

/// Why a relationship was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRelationshipError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A user cannot follow or block itself.
    #[error("both ids are the same user")]
    SameUser,
    /// The acting user does not exist or is deleted. To start or end a follow, the target must also exist, not be
    /// deleted, and not block the acting user. To start one, the acting user must not block the target either.
    #[error("there is no such user")]
    NotFound,
    /// The acting user has reached the limit of blocks; holds the fault of the target.
    #[error("the relationship breaks a rule")]
    Invalid(Vec<Fault>),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Starts and ends follows and blocks of a user.
#[derive(Clone)]
pub struct ChangeRelationship {
    pub(super) relationships: Arc<dyn Relationships>,
    pub(super) contexts: WriteContextFactory,
}

impl ChangeRelationship {
    /// Changes the relationship of a user to a target. A repetition changes nothing.
    pub async fn run(
        &self,
        caller: &Caller,
        (from, to): (UserId, UserId),
        change: RelationshipChange,
        idempotency: Option<Idempotency>,
    ) -> Result<RelationshipChanged, ChangeRelationshipError> {
        permit(caller, Action::ChangeRelationship(from))?;
        let edge = Edge::between(from, to).ok_or(ChangeRelationshipError::SameUser)?;
        let write = RelationshipWrite {
            edge,
            change,
            event_ids: std::array::from_fn(|_| self.contexts.ids.event_id()),
        };
        let conditions = WriteConditions {
            precondition: Precondition::None,
            idempotency,
        };
        let context = self.contexts.create(caller, conditions);
        let written = self
            .relationships
            .change_relationship(&write, &context)
            .await?;
        Ok(RelationshipChanged {
            replayed: written == RelationshipWritten::Replayed,
        })
    }
}

impl From<WriteError> for ChangeRelationshipError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound => Self::NotFound,
            WriteError::KeyReused => Self::KeyReused,
            WriteError::Refused(ChangeRefused::Invalid(faults)) => Self::Invalid(faults),
            WriteError::Store(error) => Self::Store(error),
            error @ (WriteError::Taken(_) | WriteError::Refused(_)) => {
                Self::Store(StoreError::Internal(error.to_string()))
            }
        }
    }
}
