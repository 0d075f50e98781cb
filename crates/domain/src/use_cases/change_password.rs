//! Sets and removes a user's password.

use std::sync::Arc;

use super::{Ports, Stamp, WriteConditions};
use crate::caller::Caller;
use crate::input::{NewPassword, PasswordInput};
use crate::permissions::{Action, Denied, permit};
use crate::ports::{HashingError, LoginAttempts, PasswordHasher, UserKey, UserReader, UserWriter};
use crate::user::{Change, ChangeRefused, Field};
use crate::values::{EmailAddress, Password, PasswordOrigin, StoredPassword, UserId, Username};
use crate::write::{WriteError, Written};
use crate::{CachedUsers, Fault, StoreError};

/// Why a password was not set or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangePasswordError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input breaks rules: all of them.
    #[error("the input is invalid")]
    Invalid(Vec<Fault>),
    /// There is no such user, or it is deleted.
    #[error("there is no such user")]
    NotFound,
    /// The user is not at an expected version.
    #[error("the user is not at the expected version")]
    PreconditionFailed,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The password was not hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Turns checked passwords into what is stored.
#[derive(Clone)]
pub(super) struct Hashing {
    hasher: Arc<dyn PasswordHasher>,
}

/// Sets a user's password.
#[derive(Clone)]
pub struct SetPassword {
    reader: Arc<dyn UserReader>,
    users: Arc<dyn UserWriter>,
    attempts: Arc<dyn LoginAttempts>,
    hashing: Hashing,
    stamp: Stamp,
}

/// Removes a user's password.
#[derive(Clone)]
pub struct RemovePassword {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) stamp: Stamp,
}

/// What a change of a password came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordChanged {
    /// Whether it had been done before under the same idempotency key.
    pub replayed: bool,
}

impl Hashing {
    pub(super) fn new(ports: &Ports) -> Self {
        Self {
            hasher: ports.hasher.clone(),
        }
    }

    /// Hashes a password that was chosen; takes a hash over.
    pub(super) async fn store(&self, new: NewPassword) -> Result<StoredPassword, HashingError> {
        Ok(match new {
            NewPassword::Chosen(password) => StoredPassword {
                hash: self.hasher.hash(password.prepared().clone()).await?,
                origin: PasswordOrigin::Own,
            },
            NewPassword::Hashed(hash) => StoredPassword {
                hash,
                origin: PasswordOrigin::Given,
            },
        })
    }
}

/// Refuses a password that everybody guesses who knows the user.
pub(super) fn expect_unlike(
    password: &Password,
    username: &Username,
    email: &EmailAddress,
) -> Result<(), Vec<Fault>> {
    if password.resembles(username, email) {
        let fault = Fault::new(Field::Password.path(), &Password::common());
        return Err(vec![fault]);
    }
    Ok(())
}

impl SetPassword {
    pub(super) fn new(ports: &Ports, users: &Arc<CachedUsers>, stamp: Stamp) -> Self {
        Self {
            reader: users.clone(),
            users: users.clone(),
            attempts: ports.login_attempts.clone(),
            hashing: Hashing::new(ports),
            stamp,
        }
    }

    /// Sets the password, and forgets the failures of those who tried to guess the one before: whoever shows another way
    /// that an account is theirs is let in again.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        input: &PasswordInput,
        conditions: WriteConditions,
    ) -> Result<PasswordChanged, ChangePasswordError> {
        permit(caller, Action::SetPassword)?;
        let new = input
            .check_present()
            .map_err(ChangePasswordError::Invalid)?;
        let user = self.reader.find(&UserKey::Id(id)).await?;
        let user = user
            .filter(|user| !user.is_deleted())
            .ok_or(ChangePasswordError::NotFound)?;
        if let NewPassword::Chosen(password) = &new {
            expect_unlike(password, &user.username, &user.email)
                .map_err(ChangePasswordError::Invalid)?;
        }
        let stored = self.hashing.store(new).await?;
        let context = self.stamp.context(caller, conditions);
        let change = Change::SetPassword(stored);
        let written = self.users.change(id, &change, &context).await?;
        if matches!(written, Written::Applied(_)) {
            // The password is set, whatever comes of this; an operator can do it too.
            let _ = self.attempts.clear(id).await;
        }
        Ok(PasswordChanged {
            replayed: written.is_replay(),
        })
    }
}

impl RemovePassword {
    /// Removes the password; a user without one stays as it is.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        conditions: WriteConditions,
    ) -> Result<PasswordChanged, ChangePasswordError> {
        permit(caller, Action::SetPassword)?;
        let context = self.stamp.context(caller, conditions);
        let change = Change::RemovePassword;
        let written = self.users.change(id, &change, &context).await?;
        Ok(PasswordChanged {
            replayed: written.is_replay(),
        })
    }
}

impl From<WriteError> for ChangePasswordError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound | WriteError::Refused(ChangeRefused::NotFound) => Self::NotFound,
            WriteError::Refused(ChangeRefused::PreconditionFailed) => Self::PreconditionFailed,
            WriteError::KeyReused => Self::KeyReused,
            WriteError::Store(error) => Self::Store(error),
            WriteError::Taken(_)
            | WriteError::Refused(
                ChangeRefused::PreconditionRequired(_) | ChangeRefused::Invalid(_),
            ) => Self::Store(StoreError::Internal(format!(
                "a change of a password was refused: {error}"
            ))),
        }
    }
}
