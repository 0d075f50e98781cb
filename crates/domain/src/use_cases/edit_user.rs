//! The common parts of updates and replacements: errors and result.

use super::WrittenView;
use crate::caller::Caller;
use crate::permissions::Denied;
use crate::user::ChangeRefused;
use crate::view::view;
use crate::write::{TakenFields, WriteError, Written};
use crate::{Fault, StoreError};

/// Why a user was not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditUserError {
    /// The caller has no permission for the action or for these fields.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The input is invalid; holds every fault.
    #[error("the input is invalid")]
    Invalid(Vec<Fault>),
    /// The user does not exist or is deleted.
    #[error("there is no such user")]
    NotFound,
    /// The user's version is not an expected one.
    #[error("the user is not at the expected version")]
    PreconditionFailed,
    /// The edit requires an expected version; holds the fields that require it, none if the whole edit does.
    #[error("an expected version is required")]
    PreconditionRequired(Vec<Fault>),
    /// Other users have the same unique values.
    #[error("taken: {0}")]
    Taken(TakenFields),
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
            WriteError::Taken(fields) => Self::Taken(fields),
            WriteError::KeyReused => Self::KeyReused,
            WriteError::Store(error) => Self::Store(error),
        }
    }
}

/// Returns the view of a written user for the caller. A user that was deleted since is returned for a replay only.
pub(super) fn written_view(written: Written, caller: &Caller) -> Option<WrittenView> {
    let replayed = written.is_replay();
    let user = written.into_user();
    (replayed || !user.is_deleted()).then(|| WrittenView {
        view: view(user, caller),
        replayed,
    })
}
