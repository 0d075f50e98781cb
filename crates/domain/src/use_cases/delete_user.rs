//! Deletes a user, which can be restored.

use std::sync::Arc;

use super::{ChangeStatusError, WriteConditions, WriteContextFactory};
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::UserWriter;
use crate::user::Change;
use crate::values::UserId;

/// The result of a deletion or an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// Whether it was applied earlier under the same idempotency key.
    pub replayed: bool,
}

/// Deletes a user, which can be restored.
#[derive(Clone)]
pub struct DeleteUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) contexts: WriteContextFactory,
}

impl DeleteUser {
    /// Deletes the user. A repetition while the user can be restored changes nothing and is no error.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        conditions: WriteConditions,
    ) -> Result<Deletion, ChangeStatusError> {
        permit(caller, Action::Delete(id))?;
        let context = self.contexts.create(caller, conditions);
        let written = self.users.change(id, &Change::Delete, &context).await?;
        Ok(Deletion {
            replayed: written.is_replay(),
        })
    }
}
