//! Signs a user out everywhere.

use std::sync::Arc;
use std::time::Duration;

use super::edit_user::written_view;
use super::{ChangeStatusError, WriteConditions, WriteContextFactory, WrittenView};
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::UserWriter;
use crate::user::Change;
use crate::values::UserId;

/// The result of a sign-out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOut {
    /// The written user.
    pub written: WrittenView,
    /// The time until a new token is valid, because tokens have their time of issue in whole seconds: at most one
    /// second and [`SignedOut::SKEW`].
    pub wait: Duration,
}

impl SignedOut {
    /// The maximum lag of the token issuer's clock.
    pub const SKEW: Duration = Duration::from_millis(100);
}

/// Signs a user out everywhere.
#[derive(Clone)]
pub struct SignOut {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) contexts: WriteContextFactory,
}

impl SignOut {
    /// Voids every token that was issued for the user until now.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        conditions: WriteConditions,
    ) -> Result<SignedOut, ChangeStatusError> {
        permit(caller, Action::SignOut(id))?;
        let context = self.contexts.create(caller, conditions);
        let written = self.users.change(id, &Change::SignOut, &context).await?;
        let limit = written.user().tokens_valid_after.unwrap_or(context.at);
        let written = written_view(written, caller).ok_or(ChangeStatusError::NotFound)?;
        Ok(SignedOut {
            written,
            wait: limit
                .next_second()
                .plus(SignedOut::SKEW)
                .since(self.contexts.clock.now())
                .min(Duration::from_secs(1) + SignedOut::SKEW),
        })
    }
}
