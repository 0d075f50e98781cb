//! Lets a user follow and block another, and cease to.

use std::sync::Arc;

use super::{Stamp, WriteConditions};
use crate::StoreError;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::{RelationshipWritten, Relationships};
use crate::relationship::{Edge, RelationshipChange, RelationshipWrite};
use crate::values::UserId;
use crate::write::{Idempotency, Precondition, WriteError};

/// What a change of a relationship did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelationshipChanged {
    /// Whether it had been done before under the same idempotency key.
    pub replayed: bool,
}

/// Why a relationship was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRelationshipError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Nobody follows or blocks itself.
    #[error("the two are one and the same user")]
    Oneself,
    /// One of the two is not there, is deleted, or blocks the other.
    #[error("there is no such user")]
    NotFound,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lets a user follow and block another, and cease to.
#[derive(Clone)]
pub struct ChangeRelationship {
    pub(super) relationships: Arc<dyn Relationships>,
    pub(super) stamp: Stamp,
}

impl ChangeRelationship {
    /// Changes what the one is to the other; done again it changes nothing.
    pub async fn run(
        &self,
        caller: &Caller,
        (from, to): (UserId, UserId),
        change: RelationshipChange,
        idempotency: Option<Idempotency>,
    ) -> Result<RelationshipChanged, ChangeRelationshipError> {
        permit(caller, Action::Relate(from))?;
        let edge = Edge::between(from, to).ok_or(ChangeRelationshipError::Oneself)?;
        let write = RelationshipWrite {
            edge,
            change,
            event_ids: std::array::from_fn(|_| self.stamp.ids.event_id()),
        };
        let conditions = WriteConditions {
            precondition: Precondition::None,
            idempotency,
        };
        let context = self.stamp.context(caller, conditions);
        let written = self.relationships.relate(&write, &context).await?;
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
            WriteError::Store(error) => Self::Store(error),
            error @ (WriteError::Taken(_) | WriteError::Refused(_)) => {
                Self::Store(StoreError::Internal(error.to_string()))
            }
        }
    }
}
