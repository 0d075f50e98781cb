//! Lets a user that is kept out be tried again at once.

use std::sync::Arc;

use super::{FindUser, FindUserError};
use crate::Freshness;
use crate::caller::Caller;
use crate::permissions::{Action, permit};
use crate::ports::{LoginAttempts, UserKey};
use crate::values::UserId;

/// Lets a user be tried again at once.
#[derive(Clone)]
pub struct ClearLockout {
    pub(super) find_user: FindUser,
    pub(super) attempts: Arc<dyn LoginAttempts>,
}

impl ClearLockout {
    /// Forgets all failures, from everywhere.
    pub async fn run(&self, caller: &Caller, id: UserId) -> Result<(), FindUserError> {
        permit(caller, Action::ManageLockout)?;
        self.find_user
            .shown(caller, &UserKey::Id(id), Freshness::Bounded)
            .await?;
        Ok(self.attempts.clear(id).await?)
    }
}
