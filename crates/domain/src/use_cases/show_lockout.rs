//! Shows whether a user is kept out by failed tries.

use std::sync::Arc;

use super::{FindUser, FindUserError, Ports};
use crate::Freshness;
use crate::caller::Caller;
use crate::lockout::Tries;
use crate::permissions::{Action, permit};
use crate::ports::{Clock, LoginAttempts, UserKey};
use crate::values::{Timestamp, UserId};

/// What is remembered of those who tried to be let in as a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockoutReport {
    /// The failures in a row, from anywhere.
    pub failures: u32,
    /// The last of them.
    pub failed_at: Option<Timestamp>,
    /// Until when nobody is let in, but from where somebody was before.
    pub blocked_until: Option<Timestamp>,
    /// The sources from which nobody is let in just now.
    pub blocked_sources: u64,
}

/// Shows whether a user is kept out.
#[derive(Clone)]
pub struct ShowLockout {
    find_user: FindUser,
    attempts: Arc<dyn LoginAttempts>,
    clock: Arc<dyn Clock>,
}

impl ShowLockout {
    pub(super) fn new(ports: &Ports, find_user: FindUser) -> Self {
        Self {
            find_user,
            attempts: ports.login_attempts.clone(),
            clock: ports.clock.clone(),
        }
    }

    /// Shows what is remembered now.
    pub async fn run(&self, caller: &Caller, id: UserId) -> Result<LockoutReport, FindUserError> {
        permit(caller, Action::ManageLockout)?;
        self.find_user
            .shown(caller, &UserKey::Id(id), Freshness::Bounded)
            .await?;
        let now = self.clock.now();
        let (
            Tries {
                failures,
                failed_at,
                blocked_until,
                ..
            },
            blocked_sources,
        ) = self.attempts.of_user(id, now).await?;
        let remembered = failed_at.is_some_and(|at| now < at.plus(Tries::REMEMBERED));
        Ok(LockoutReport {
            failures: if remembered { failures } else { 0 },
            failed_at: failed_at.filter(|_| remembered),
            blocked_until: blocked_until.filter(|until| now < *until),
            blocked_sources,
        })
    }
}
