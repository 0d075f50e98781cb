//! Tells whether a password is a user's.

use std::sync::Arc;

use super::Ports;
use crate::caller::Caller;
use crate::input::LoginInput;
use crate::lockout::{Account, LoginAttempt};
use crate::permissions::{Action, Denied, permit};
use crate::ports::{Clock, Credentials, Decoys, HashingError, LoginAttempts, PasswordHasher};
use crate::user::Status;
use crate::values::{StoredPassword, TypedPassword, UserId};
use crate::view::{UserView, view};
use crate::{Fault, StoreError};

/// Why nobody was let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyCredentialsError {
    /// The caller may not ask.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input breaks rules: all of them.
    #[error("the input is invalid")]
    Invalid(Vec<Fault>),
    /// There is no such user, it has no password or another one, it is suspended, or too many tries have failed.
    #[error("the credentials are wrong")]
    Wrong,
    /// The password was not compared.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A user that was let in.
#[derive(Debug, Clone)]
pub struct LetIn {
    /// The user, as the caller may see it.
    pub view: UserView,
    /// What is left to be done, once the caller has its answer.
    pub renewal: Option<Renewal>,
}

/// A password whose hash is another than would be made today.
#[derive(Debug, Clone)]
pub struct Renewal {
    user: UserId,
    stored: StoredPassword,
    password: TypedPassword,
}

/// Tells whether a password is a user's.
#[derive(Clone)]
pub struct VerifyCredentials {
    credentials: Arc<dyn Credentials>,
    decoys: Arc<dyn Decoys>,
    attempts: Arc<dyn LoginAttempts>,
    hasher: Arc<dyn PasswordHasher>,
    clock: Arc<dyn Clock>,
}

impl VerifyCredentials {
    pub(super) fn new(ports: &Ports) -> Self {
        Self {
            credentials: ports.credentials.clone(),
            decoys: ports.decoys.clone(),
            attempts: ports.login_attempts.clone(),
            hasher: ports.hasher.clone(),
            clock: ports.clock.clone(),
        }
    }

    /// Gives the user whose password it is.
    ///
    /// All that can be wrong takes the same work: one look for the user, one for its failures, one comparison, one
    /// write. Nobody is let in before the write is done, so that a store that only reads counts no guess as none.
    pub async fn run(
        &self,
        caller: &Caller,
        input: &LoginInput,
    ) -> Result<LetIn, VerifyCredentialsError> {
        permit(caller, Action::VerifyCredentials)?;
        let login = input.check().map_err(VerifyCredentialsError::Invalid)?;
        let found = self.credentials.find_credential(&login.key).await?;
        let attempt = LoginAttempt {
            account: match &found {
                Some(found) => Account::User(found.user.id),
                None => Account::Nobody,
            },
            identifier: login.identifier,
            source: login.source,
        };
        let turn = self.attempts.enter(&attempt).await?;
        let lockout = self.attempts.lockout(&attempt).await?;
        let own = found.as_ref().and_then(|found| found.password.clone());
        let is_own = own.is_some();
        let stored = own.unwrap_or_else(|| self.decoys.stand_in(attempt.identifier.expose()));
        let compared = self
            .hasher
            .verify(login.password.clone(), stored.clone())
            .await?;
        let now = self.clock.now();
        let user = found
            .map(|found| found.user)
            .filter(|user| user.status() == Status::Active)
            .filter(|_| is_own && compared.matches && lockout.admits(now));
        let Some(user) = user else {
            self.attempts.fail(&attempt, now).await?;
            return Err(VerifyCredentialsError::Wrong);
        };
        // Another replica may have counted a failure meanwhile.
        if !self.attempts.succeed(&attempt, now).await? {
            return Err(VerifyCredentialsError::Wrong);
        }
        drop(turn);
        let renewal = compared.is_outdated.then(|| Renewal {
            user: user.id,
            stored,
            password: login.password,
        });
        Ok(LetIn {
            view: view(user, caller),
            renewal,
        })
    }

    /// Stores the hash that would be made of the same password today. Whoever was let in is, whatever comes of it: the next
    /// time is another chance.
    pub async fn renew(&self, renewal: Renewal) {
        let Some(prepared) = renewal.password.prepared() else {
            return;
        };
        if let Ok(new) = self.hasher.hash(prepared).await {
            let old = &renewal.stored.hash;
            let _ = self.credentials.rehash(renewal.user, old, &new).await;
        }
    }
}
