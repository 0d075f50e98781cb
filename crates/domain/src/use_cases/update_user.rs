//! Updates fields of a user by a merge patch (RFC 7396).

use std::sync::Arc;

use super::edit_user::written_view;
use super::{EditUserError, WriteConditions, WriteContextFactory, WrittenView};
use crate::caller::Caller;
use crate::input::UserInput;
use crate::permissions::{Action, permit, permit_fields};
use crate::ports::UserWriter;
use crate::user::Change;
use crate::values::UserId;

/// Updates fields of a user.
#[derive(Clone)]
pub struct UpdateUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) contexts: WriteContextFactory,
}

impl UpdateUser {
    /// Merges the input: a missing field does not change, a null field is cleared.
    ///
    /// Forbidden fields are reported before invalid ones, and both before the user is looked up.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        input: &UserInput,
        conditions: WriteConditions,
    ) -> Result<WrittenView, EditUserError> {
        permit(caller, Action::Edit(id))?;
        permit_fields(caller, &input.named_fields())?;
        let edits = input
            .check_merge(self.contexts.now())
            .map_err(EditUserError::Invalid)?;
        let context = self.contexts.create(caller, conditions);
        let written = self
            .users
            .change(id, &Change::Edit(Box::new(edits)), &context)
            .await?;
        written_view(written, caller).ok_or(EditUserError::NotFound)
    }
}
