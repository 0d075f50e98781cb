//! What updating and replacing have in common: why they fail, and how the answer is made.

use super::WrittenView;
use crate::caller::Caller;
use crate::permissions::Denied;
use crate::user::ChangeRefused;
use crate::view::view;
use crate::write::{UniqueField, WriteError, Written};
use crate::{Fault, StoreError};

/// Why a user was not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditUserError {
    /// The caller may not, or not these fields.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input breaks rules: all of them.
    #[error("the input is invalid")]
    Invalid(Vec<Fault>),
    /// There is none, or it is deleted.
    #[error("there is no such user")]
    NotFound,
    /// The user is not at an expected version.
    #[error("the user is not at the expected version")]
    PreconditionFailed,
    /// The edit is only safe for a known version; these fields make it so, none if it always is.
    #[error("an expected version is required")]
    PreconditionRequired(Vec<Fault>),
    /// Somebody else has a value that only one may have.
    #[error("the {} is taken", .0.as_str())]
    Taken(UniqueField),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<WriteError> for EditUserError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotFound | WriteError::Refused(ChangeRefused::NotFound) => Self::NotFound,
            WriteError::Refused(ChangeRefused::PreconditionFailed) => Self::PreconditionFailed,
            WriteError::Refused(ChangeRefused::PreconditionRequired(faults)) => {
                Self::PreconditionRequired(faults)
            }
            WriteError::Refused(ChangeRefused::Invalid(faults)) => Self::Invalid(faults),
            WriteError::Taken(field) => Self::Taken(field),
            WriteError::KeyReused => Self::KeyReused,
            WriteError::Store(error) => Self::Store(error),
        }
    }
}

/// Shows the caller what its write left, unless somebody deleted the user since.
pub(super) fn shown(written: Written, caller: &Caller) -> Option<WrittenView> {
    let replayed = written.is_replay();
    let user = written.into_user();
    (!user.is_deleted()).then(|| WrittenView {
        view: view(user, caller),
        replayed,
    })
}
