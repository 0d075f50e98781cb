//! Clears the lockout of a user.

use std::sync::Arc;

use super::{FindUser, FindUserError, Ports};
use crate::Freshness;
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::{LoginAttempts, UserKey};
use crate::values::UserId;

/// Clears the lockout of a user, so that logins are accepted again at once.
#[derive(Clone)]
pub struct ClearLockout {
    find_user: FindUser,
    attempts: Arc<dyn LoginAttempts>,
}

impl ClearLockout {
    pub(super) fn new(ports: &Ports, find_user: FindUser) -> Self {
        Self {
            find_user,
            attempts: ports.login_attempts.clone(),
        }
    }

    /// Removes all recorded failures of the user, for every source.
    pub async fn run(&self, caller: &Caller, id: UserId) -> Result<(), FindUserError> {
        permit(caller, Action::ManageLockout)?;
        self.find_user
            .find_permitted(caller, &UserKey::Id(id), Freshness::Bounded)
            .await?;
        Ok(self.attempts.clear(id).await?)
    }
}
