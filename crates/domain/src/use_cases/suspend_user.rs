//! Suspends a user.

use std::sync::Arc;

use super::edit_user::written_view;
use super::{ChangeStatusError, WriteConditions, WriteContextFactory, WrittenView};
use crate::Fault;
use crate::caller::Caller;
use crate::permissions::{Action, Denied, permit};
use crate::ports::UserWriter;
use crate::user::{Change, SuspensionInput};
use crate::values::UserId;
use crate::write::WriteError;

/// Why a user was not suspended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SuspendUserError {
    /// The input is invalid; holds every fault.
    #[error("the input is invalid")]
    Invalid(Vec<Fault>),
    /// The status was not changed.
    #[error(transparent)]
    Status(#[from] ChangeStatusError),
}

/// Suspends a user.
#[derive(Clone)]
pub struct SuspendUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) contexts: WriteContextFactory,
}

impl SuspendUser {
    /// Suspends the user, with an optional reason and end. A repetition changes nothing; another reason or end replaces
    /// the stored one.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        input: &SuspensionInput,
        conditions: WriteConditions,
    ) -> Result<WrittenView, SuspendUserError> {
        permit(caller, Action::ChangeStanding)?;
        let context = self.contexts.create(caller, conditions);
        let suspension = input.check(context.at).map_err(SuspendUserError::Invalid)?;
        let change = Change::Suspend(suspension);
        let written = self.users.change(id, &change, &context).await?;
        written_view(written, caller).ok_or(ChangeStatusError::NotFound.into())
    }
}

impl From<Denied> for SuspendUserError {
    fn from(denied: Denied) -> Self {
        Self::Status(denied.into())
    }
}

impl From<WriteError> for SuspendUserError {
    fn from(error: WriteError) -> Self {
        Self::Status(error.into())
    }
}
