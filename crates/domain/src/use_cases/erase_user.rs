//! Removes a user for good.

use std::sync::Arc;

use super::{ChangeStatusError, Deletion, Stamp, WriteConditions};
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::UserWriter;
use crate::values::UserId;
use crate::write::Erased;

/// Removes a user for good.
#[derive(Clone)]
pub struct EraseUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) stamp: Stamp,
}

impl EraseUser {
    /// Removes the user, deleted before or not. Nothing brings it back.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        conditions: WriteConditions,
    ) -> Result<Deletion, ChangeStatusError> {
        permit(caller, Action::Erase)?;
        let context = self.stamp.context(caller, conditions);
        let erased = self.users.erase(id, &context).await?;
        Ok(Deletion {
            replayed: erased == Erased::Replayed,
        })
    }
}
