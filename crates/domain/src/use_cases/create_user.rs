//! Registers a person.

use std::sync::Arc;

use super::change_password::{Hashing, expect_unlike};
use super::{Stamp, WriteConditions, WrittenView};
use crate::caller::Caller;
use crate::input::{NewPassword, UserInput};
use crate::permissions::{Action, Denied, permit, permit_fields};
use crate::ports::{HashingError, IdGenerator, UserWriter};
use crate::user::User;
use crate::view::view;
use crate::write::{UniqueField, WriteError};
use crate::{Fault, StoreError};

/// Why a user was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateUserError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input breaks rules: all of them.
    #[error("the input is invalid")]
    Invalid(Vec<Fault>),
    /// Somebody else has a value that only one may have.
    #[error("the {} is taken", .0.as_str())]
    Taken(UniqueField),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The user was made earlier under the same idempotency key, and is gone since.
    #[error("there is no such user any more")]
    NotFound,
    /// The password was not hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Registers a person.
#[derive(Clone)]
pub struct CreateUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) hashing: Hashing,
    pub(super) ids: Arc<dyn IdGenerator>,
    pub(super) stamp: Stamp,
}

impl CreateUser {
    /// Makes a user of the input, at version 1.
    pub async fn run(
        &self,
        caller: &Caller,
        input: &UserInput,
        conditions: WriteConditions,
    ) -> Result<WrittenView, CreateUserError> {
        permit(caller, Action::Create)?;
        permit_fields(caller, &input.named())?;
        let (mut new, password) = input.check_new().map_err(CreateUserError::Invalid)?;
        if let Some(password) = password {
            if let NewPassword::Chosen(chosen) = &password {
                expect_unlike(chosen, &new.username, &new.email)
                    .map_err(CreateUserError::Invalid)?;
            }
            new.password = Some(self.hashing.store(password).await?);
        }
        let context = self.stamp.context(caller, conditions);
        let applied =
            User::register(self.ids.user_id(), &new, &context).map_err(CreateUserError::Invalid)?;
        let written = self.users.add(&applied, &context).await?;
        let replayed = written.is_replay();
        let user = written.into_user();
        if user.is_deleted() {
            return Err(CreateUserError::NotFound);
        }
        Ok(WrittenView {
            view: view(user, caller),
            replayed,
        })
    }
}

impl From<WriteError> for CreateUserError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound => Self::NotFound,
            WriteError::Taken(field) => Self::Taken(field),
            WriteError::KeyReused => Self::KeyReused,
            WriteError::Refused(refused) => Self::Store(StoreError::Internal(format!(
                "an addition was refused: {refused}"
            ))),
            WriteError::Store(error) => Self::Store(error),
        }
    }
}
