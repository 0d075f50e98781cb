//! Shows the lockout of a user after failed logins.

use std::sync::Arc;

use super::{FindUser, FindUserError, Ports};
use crate::Freshness;
use crate::caller::Caller;
use crate::lockout::{AccountAttempts, AttemptCounter};
use crate::permissions::{Action, permit};
use crate::ports::{Clock, LoginAttempts, UserKey};
use crate::values::{Timestamp, UserId};

/// The lockout of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockoutReport {
    /// The number of consecutive failures, over all sources.
    pub failures: u32,
    /// The time of the last failure.
    pub failed_at: Option<Timestamp>,
    /// The time until which logins are refused, except from sources that have logged in before.
    pub blocked_until: Option<Timestamp>,
    /// The number of sources from which logins are refused now.
    pub blocked_sources: u64,
}

/// Shows the lockout of a user.
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

    /// Returns the current lockout.
    pub async fn run(&self, caller: &Caller, id: UserId) -> Result<LockoutReport, FindUserError> {
        permit(caller, Action::ManageLockout)?;
        self.find_user
            .find_permitted(caller, &UserKey::Id(id), Freshness::Bounded)
            .await?;
        let now = self.clock.now();
        let AccountAttempts {
            account,
            blocked_sources,
            ..
        } = self.attempts.of_user(id, now).await?;
        let AttemptCounter {
            failures,
            failed_at,
            blocked_until,
            ..
        } = account;
        let remembered =
            failed_at.is_some_and(|at| now < at.plus(AttemptCounter::FAILURE_RETENTION));
        Ok(LockoutReport {
            failures: if remembered { failures } else { 0 },
            failed_at: failed_at.filter(|_| remembered),
            blocked_until: blocked_until.filter(|until| now < *until),
            blocked_sources,
        })
    }
}
