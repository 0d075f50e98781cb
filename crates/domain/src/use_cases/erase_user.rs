//! Removes a user permanently.

use std::sync::Arc;

use super::{ChangeStatusError, Deletion, WriteConditions, WriteContextFactory};
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::UserWriter;
use crate::values::UserId;
use crate::write::Erased;

/// Removes a user permanently.
#[derive(Clone)]
pub struct EraseUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) contexts: WriteContextFactory,
}

impl EraseUser {
    /// Removes the user, deleted or not. It cannot be restored.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        conditions: WriteConditions,
    ) -> Result<Deletion, ChangeStatusError> {
        permit(caller, Action::Erase)?;
        let context = self.contexts.create(caller, conditions);
        let erased = self.users.erase(id, &context).await?;
        Ok(Deletion {
            replayed: erased == Erased::Replayed,
        })
    }
}
