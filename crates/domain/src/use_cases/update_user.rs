//! Merges some fields into a user (RFC 7396).

use std::sync::Arc;

use super::edit_user::shown;
use super::{EditUserError, Stamp, WriteConditions, WrittenView};
use crate::caller::Caller;
use crate::input::UserInput;
use crate::permissions::{Action, permit, permit_fields};
use crate::ports::UserWriter;
use crate::user::Change;
use crate::values::UserId;

/// Merges some fields into a user.
#[derive(Clone)]
pub struct UpdateUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) stamp: Stamp,
}

impl UpdateUser {
    /// Merges the input: what it does not name stays, what it names as null is cleared.
    ///
    /// A forbidden field is refused before a faulty one, and both before the user is looked up.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        input: &UserInput,
        conditions: WriteConditions,
    ) -> Result<WrittenView, EditUserError> {
        permit(caller, Action::Edit(id))?;
        permit_fields(caller, &input.named())?;
        let edits = input.check_merge().map_err(EditUserError::Invalid)?;
        let context = self.stamp.context(caller, conditions);
        let written = self
            .users
            .change(id, &Change::Edit(Box::new(edits)), &context)
            .await?;
        shown(written, caller).ok_or(EditUserError::NotFound)
    }
}
