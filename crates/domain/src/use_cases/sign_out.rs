//! Signs a user out everywhere.

use std::sync::Arc;
use std::time::Duration;

use super::edit_user::shown;
use super::{ChangeStatusError, Stamp, WriteConditions, WrittenView};
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::UserWriter;
use crate::user::Change;
use crate::values::UserId;

/// A user that is signed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOut {
    /// The user, as the caller may see it.
    pub written: WrittenView,
    /// How long it takes until the next token, whose moment of issue counts whole seconds, is valid: at most a second and
    /// [`SignedOut::SKEW`].
    pub wait: Duration,
}

impl SignedOut {
    /// By how much the clock of whoever issues tokens may be behind.
    pub const SKEW: Duration = Duration::from_millis(100);
}

/// Signs a user out everywhere.
#[derive(Clone)]
pub struct SignOut {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) stamp: Stamp,
}

impl SignOut {
    /// Makes every token void that was issued for the user until now.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        conditions: WriteConditions,
    ) -> Result<SignedOut, ChangeStatusError> {
        permit(caller, Action::SignOut(id))?;
        let context = self.stamp.context(caller, conditions);
        let written = self.users.change(id, &Change::SignOut, &context).await?;
        let limit = written.user().tokens_valid_after.unwrap_or(context.at);
        let written = shown(written, caller).ok_or(ChangeStatusError::NotFound)?;
        Ok(SignedOut {
            written,
            wait: limit
                .next_second()
                .plus(SignedOut::SKEW)
                .since(self.stamp.clock.now())
                .min(Duration::from_secs(1) + SignedOut::SKEW),
        })
    }
}
