//! Deletes a user, restorably.

use std::sync::Arc;

use super::{ChangeStatusError, Stamp, WriteConditions};
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::UserWriter;
use crate::user::Change;
use crate::values::UserId;

/// What a deletion or an erasure did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// Whether it had been done before under the same idempotency key.
    pub replayed: bool,
}

/// Deletes a user, restorably.
#[derive(Clone)]
pub struct DeleteUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) stamp: Stamp,
}

impl DeleteUser {
    /// Deletes the user; deleting it again while it can be restored is no mistake.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        conditions: WriteConditions,
    ) -> Result<Deletion, ChangeStatusError> {
        permit(caller, Action::Delete(id))?;
        let context = self.stamp.context(caller, conditions);
        let written = self.users.change(id, &Change::Delete, &context).await?;
        Ok(Deletion {
            replayed: written.is_replay(),
        })
    }
}
