//! Replaces all fields of a user that the caller may write.

use std::sync::Arc;

use super::edit_user::written_view;
use super::{EditUserError, WriteConditions, WriteContextFactory, WrittenView};
use crate::caller::Caller;
use crate::input::UserInput;
use crate::permissions::{Action, permit, permit_fields};
use crate::ports::UserWriter;
use crate::user::Change;
use crate::values::UserId;

/// Replaces all fields of a user that the caller may write.
#[derive(Clone)]
pub struct ReplaceUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) contexts: WriteContextFactory,
}

impl ReplaceUser {
    /// Replaces the fields. A field that the input does not contain is reset, except for `roles`, `external_id` and
    /// `status`, which do not change.
    ///
    /// It requires an expected version, because a replacement of an unknown version would lose concurrent changes.
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
            .check_replacement(caller, self.contexts.now())
            .map_err(EditUserError::Invalid)?;
        if !conditions.precondition.is_given() {
            return Err(EditUserError::PreconditionRequired(Vec::new()));
        }
        let context = self.contexts.create(caller, conditions);
        let written = self
            .users
            .change(id, &Change::Edit(Box::new(edits)), &context)
            .await?;
        written_view(written, caller).ok_or(EditUserError::NotFound)
    }
}
