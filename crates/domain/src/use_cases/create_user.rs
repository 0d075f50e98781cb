//! Creates a user.

use std::sync::Arc;

use super::change_password::{Hashing, reject_similar_password};
use super::edit_user::written_view;
use super::{WriteConditions, WriteContextFactory, WrittenView};
use crate::caller::Caller;
use crate::input::{NewPassword, UserInput};
use crate::permissions::{Action, Denied, permit, permit_fields};
use crate::ports::{HashingError, IdGenerator, UserWriter};
use crate::user::User;
use crate::write::{TakenFields, WriteError};
use crate::{Fault, StoreError};

/// Why a user was not created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateUserError {
    /// The caller does not have the permission.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input is invalid; holds every fault.
    #[error("the input is invalid")]
    Invalid(Vec<Fault>),
    /// Other users have the same unique values.
    #[error("taken: {0}")]
    Taken(TakenFields),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The user was created earlier under the same idempotency key and has been erased since.
    #[error("the user was erased")]
    NotFound,
    /// The password was not hashed.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates a user.
#[derive(Clone)]
pub struct CreateUser {
    pub(super) users: Arc<dyn UserWriter>,
    pub(super) hashing: Hashing,
    pub(super) ids: Arc<dyn IdGenerator>,
    pub(super) contexts: WriteContextFactory,
}

impl CreateUser {
    /// Creates a user from the input, at version 1.
    pub async fn run(
        &self,
        caller: &Caller,
        input: &UserInput,
        conditions: WriteConditions,
    ) -> Result<WrittenView, CreateUserError> {
        permit(caller, Action::Create)?;
        permit_fields(caller, &input.named_fields())?;
        let (mut new, password) = input
            .check_new(self.contexts.now())
            .map_err(CreateUserError::Invalid)?;
        if let Some(password) = password {
            if let NewPassword::Plaintext(chosen) = &password {
                reject_similar_password(chosen, &new.username, &new.email)
                    .map_err(CreateUserError::Invalid)?;
            }
            new.password = Some(self.hashing.store(password).await?);
        }
        let context = self.contexts.create(caller, conditions);
        let applied =
            User::register(self.ids.user_id(), &new, &context).map_err(CreateUserError::Invalid)?;
        let written = self.users.add(&applied, &context).await?;
        written_view(written, caller).ok_or(CreateUserError::NotFound)
    }
}

impl From<WriteError> for CreateUserError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound => Self::NotFound,
            WriteError::Taken(fields) => Self::Taken(fields),
            WriteError::KeyReused => Self::KeyReused,
            WriteError::Refused(refused) => Self::Store(StoreError::Internal(format!(
                "the creation of a user was refused: {refused}"
            ))),
            WriteError::Store(error) => Self::Store(error),
        }
    }
}
