//! Replaces all that the caller may write of a user.

use std::sync::Arc;

use super::edit_user::shown;
use super::{EditUserError, Stamp, WriteConditions, WrittenView};
use crate::caller::Caller;
use crate::input::UserInput;
use crate::permissions::{Action, permit, permit_fields};
use crate::ports::UserWriter;
use crate::user::Change;
use crate::values::UserId;

/// Replaces all that the caller may write of a user.
#[derive(Clone)]
pub struct ReplaceUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) stamp: Stamp,
}

impl ReplaceUser {
    /// Replaces: what the input does not name becomes null or its default, but `roles`, `external_id` and `status` stay.
    ///
    /// Only for a version that the caller knows, since a replacement of an unseen user loses what others wrote.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        input: &UserInput,
        conditions: WriteConditions,
    ) -> Result<WrittenView, EditUserError> {
        permit(caller, Action::Edit(id))?;
        permit_fields(caller, &input.named())?;
        let edits = input
            .check_replacement(caller)
            .map_err(EditUserError::Invalid)?;
        if !conditions.precondition.is_given() {
            return Err(EditUserError::PreconditionRequired(Vec::new()));
        }
        let context = self.stamp.context(caller, conditions);
        let written = self
            .users
            .change(id, &Change::Edit(Box::new(edits)), &context)
            .await?;
        shown(written, caller).ok_or(EditUserError::NotFound)
    }
}
