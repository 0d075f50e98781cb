//! Sets and removes a user's password.

use std::sync::Arc;

use super::{Ports, WriteConditions, WriteContextFactory};
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
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input is invalid; holds every fault.
    #[error("the input is invalid")]
    Invalid(Vec<Fault>),
    /// There is no such user, or it is deleted.
    #[error("there is no such user")]
    NotFound,
    /// The user's version is not an expected one.
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

/// Hashes validated passwords for storage.
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
    contexts: WriteContextFactory,
}

/// Removes a user's password.
#[derive(Clone)]
pub struct RemovePassword {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) contexts: WriteContextFactory,
}

/// The result of a password change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordChanged {
    /// Whether it was applied earlier under the same idempotency key.
    pub replayed: bool,
}

impl Hashing {
    pub(super) fn new(ports: &Ports) -> Self {
        Self {
            hasher: ports.hasher.clone(),
        }
    }

    /// Hashes a plaintext password; a given hash is stored as it is.
    pub(super) async fn store(&self, new: NewPassword) -> Result<StoredPassword, HashingError> {
        Ok(match new {
            NewPassword::Plaintext(password) => StoredPassword {
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

/// Rejects a password that resembles the username or email address, and so is easy to guess.
pub(super) fn reject_similar_password(
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
    pub(super) fn new(
        ports: &Ports,
        users: &Arc<CachedUsers>,
        contexts: WriteContextFactory,
    ) -> Self {
        Self {
            reader: users.clone(),
            users: users.clone(),
            attempts: ports.login_attempts.clone(),
            hashing: Hashing::new(ports),
            contexts,
        }
    }

    /// Sets the password, and clears the failures of the account: an owner that was authenticated in another way can
    /// log in at once.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        input: &PasswordInput,
        conditions: WriteConditions,
    ) -> Result<PasswordChanged, ChangePasswordError> {
        permit(caller, Action::SetPassword)?;
        let new = input
            .check_required()
            .map_err(ChangePasswordError::Invalid)?;
        let user = self.reader.find(&UserKey::Id(id)).await?;
        let user = user
            .filter(|user| !user.is_deleted())
            .ok_or(ChangePasswordError::NotFound)?;
        if let NewPassword::Plaintext(password) = &new {
            reject_similar_password(password, &user.username, &user.email)
                .map_err(ChangePasswordError::Invalid)?;
        }
        let stored = self.hashing.store(new).await?;
        let context = self.contexts.create(caller, conditions);
        let change = Change::SetPassword(stored);
        let written = self.users.change(id, &change, &context).await?;
        if matches!(written, Written::Applied(_)) {
            // The password is set even if this fails; the lockout can also be cleared by its own use case.
            let _ = self.attempts.clear(id).await;
        }
        Ok(PasswordChanged {
            replayed: written.is_replay(),
        })
    }
}

impl RemovePassword {
    /// Removes the password; a user without one does not change.
    pub async fn run(
        &self,
        caller: &Caller,
        id: UserId,
        conditions: WriteConditions,
    ) -> Result<PasswordChanged, ChangePasswordError> {
        permit(caller, Action::SetPassword)?;
        let context = self.contexts.create(caller, conditions);
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
