//! Verifies the password of a user.

use std::sync::Arc;

use super::Ports;
use crate::caller::Caller;
use crate::input::LoginInput;
use crate::lockout::{Account, LoginAttempt};
use crate::permissions::{Action, Denied, permit};
use crate::ports::{Clock, Credentials, DummyHashes, HashingError, LoginAttempts, PasswordHasher};
use crate::user::Status;
use crate::values::{StoredPassword, SubmittedPassword, UserId};
use crate::view::{UserView, view};
use crate::{Fault, StoreError};

/// Why a login failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyCredentialsError {
    /// The caller may not ask.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input is invalid; holds every fault.
    #[error("the input is invalid")]
    Invalid(Vec<Fault>),
    /// The user does not exist, is suspended, or has no password or another one, or too many logins have failed.
    #[error("the credentials are wrong")]
    Wrong,
    /// The password was not verified.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A successful login.
#[derive(Debug, Clone)]
pub struct VerifiedLogin {
    /// The view of the user for the caller.
    pub view: UserView,
    /// A rehash of the password that is to run after the response.
    pub pending_rehash: Option<PendingRehash>,
}

/// A verified password whose hash was made with outdated parameters.
#[derive(Debug, Clone)]
pub struct PendingRehash {
    user: UserId,
    stored: StoredPassword,
    password: SubmittedPassword,
}

/// Verifies the password of a user.
#[derive(Clone)]
pub struct VerifyCredentials {
    credentials: Arc<dyn Credentials>,
    dummy_hashes: Arc<dyn DummyHashes>,
    attempts: Arc<dyn LoginAttempts>,
    hasher: Arc<dyn PasswordHasher>,
    clock: Arc<dyn Clock>,
}

impl VerifyCredentials {
    pub(super) fn new(ports: &Ports) -> Self {
        Self {
            credentials: ports.credentials.clone(),
            dummy_hashes: ports.dummy_hashes.clone(),
            attempts: ports.login_attempts.clone(),
            hasher: ports.hasher.clone(),
            clock: ports.clock.clone(),
        }
    }

    /// Verifies a password and returns the user.
    ///
    /// Every failed login does the same work: one lookup of the user, one of its counters, one hash verification and
    /// one write. A login succeeds only after the write, so that guesses are never uncounted while the store is
    /// read-only.
    pub async fn run(
        &self,
        caller: &Caller,
        input: &LoginInput,
    ) -> Result<VerifiedLogin, VerifyCredentialsError> {
        permit(caller, Action::VerifyCredentials)?;
        let login = input.check().map_err(VerifyCredentialsError::Invalid)?;
        let found = self.credentials.find_credential(login.key).await?;
        let attempt = LoginAttempt {
            account: match &found {
                Some(found) => Account::User(found.user.id),
                None => Account::Unknown,
            },
            identifier: login.identifier,
            source: login.source,
        };
        let lock = self.attempts.lock(&attempt).await?;
        let lockout = self.attempts.lockout(&attempt).await?;
        let own = found.as_ref().and_then(|found| found.password.clone());
        let has_password = own.is_some();
        let stored = own.unwrap_or_else(|| {
            self.dummy_hashes
                .for_identifier(attempt.identifier.expose())
        });
        let compared = self
            .hasher
            .verify(login.password.clone(), stored.clone())
            .await?;
        let now = self.clock.now();
        let user = found
            .map(|found| found.user)
            .filter(|user| user.status() == Status::Active)
            .filter(|_| has_password && compared.matches && lockout.admits(now));
        let Some(user) = user else {
            self.attempts.fail(&attempt, now).await?;
            return Err(VerifyCredentialsError::Wrong);
        };
        // Another replica may have counted a failure in the meantime.
        if !self.attempts.succeed(&attempt, now).await? {
            return Err(VerifyCredentialsError::Wrong);
        }
        drop(lock);
        let pending_rehash = compared.is_outdated.then(|| PendingRehash {
            user: user.id,
            stored,
            password: login.password,
        });
        Ok(VerifiedLogin {
            view: view(user, caller),
            pending_rehash,
        })
    }

    /// Rehashes the password with the current parameters. An error is ignored, because the next login tries again.
    pub async fn rehash(&self, pending: PendingRehash) {
        let Some(prepared) = pending.password.prepared() else {
            return;
        };
        if let Ok(new) = self.hasher.hash(prepared).await {
            let old = &pending.stored.hash;
            let _ = self.credentials.rehash(pending.user, old, &new).await;
        }
    }
}
