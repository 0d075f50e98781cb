//! Converts each error of the domain into a problem.

use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use user_domain::erasure::ErasureConsumer;
use user_domain::json::JsonError;
use user_domain::permissions::Denied;
use user_domain::ports::{ErasureError, FeedError, HashingError};
use user_domain::use_cases::{
    AuthenticateError, BatchUsersError, ChangePasswordError, ChangeRelationshipError,
    ChangeStatusError, ConfirmErasuresError, CreateUserError, EditUserError, ErasureConsumerError,
    FindUserError, FollowManyError, IssueServiceTokenError, ListServiceTokensError, ListUsersError,
    MAX_BATCH, MAX_FOLLOWS, MAX_RELATIONSHIP_IDS, ReadEventsError, ServiceTokenError,
    ShowRelationshipsError, SuspendUserError, VerifyCredentialsError,
};
use user_domain::write::{TakenFields, UniqueField};
use user_domain::{Fault, StoreError, Violation};

use super::{Code, Problem};

/// The challenge that every 401 needs (RFC 9110). It names no error, because the caller's own token was accepted.
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="user-service""#);

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::new(
                Code::Unavailable,
                "The database is unavailable or busy. Nothing was changed.",
            )
            .with_cause(cause),
            StoreError::OutcomeUnknown(cause) => Self::outcome_unknown(cause),
            StoreError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Forbidden => Self::new(
                Code::Forbidden,
                "The caller has no permission for this request.",
            ),
            Denied::InsufficientScope(scope) => {
                let detail = format!("The scope {} is required.", scope.as_str());
                Self::new(Code::InsufficientScope, detail).with_required_scope(scope.as_str())
            }
            Denied::ForbiddenFields(faults) => {
                let detail = "The caller has no permission to write the fields in errors.";
                Self::new(Code::ForbiddenField, detail).with_faults(&faults)
            }
        }
    }
}

impl From<AuthenticateError> for Problem {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Rejected(rejection) => Self::rejected(rejection),
            AuthenticateError::KeysUnavailable(cause) => Self::new(
                Code::Unavailable,
                "The signing keys of the token issuer are not loaded yet. Nothing was changed.",
            )
            .with_cause(cause),
            AuthenticateError::Store(error) => error.into(),
        }
    }
}

impl From<FindUserError> for Problem {
    fn from(error: FindUserError) -> Self {
        match error {
            FindUserError::Denied(denied) => denied.into(),
            FindUserError::NotFound => user_not_found(),
            FindUserError::Store(error) => error.into(),
        }
    }
}

impl From<ReadEventsError> for Problem {
    fn from(error: ReadEventsError) -> Self {
        match error {
            ReadEventsError::Denied(denied) => denied.into(),
            ReadEventsError::Feed(FeedError::Expired) => Self::new(
                Code::CursorExpired,
                "Events after this cursor were removed. Start again with cursor=now and a walk of all users.",
            ),
            ReadEventsError::Feed(FeedError::Lost) => Self::new(
                Code::CursorLost,
                "The database was replaced or went back. Start again with cursor=now and a walk of all users.",
            ),
            ReadEventsError::Feed(FeedError::Store(error)) => error.into(),
        }
    }
}

impl From<BatchUsersError> for Problem {
    fn from(error: BatchUsersError) -> Self {
        match error {
            BatchUsersError::Denied(denied) => denied.into(),
            BatchUsersError::TooMany => {
                let violation =
                    Violation::new("too_many", format!("Must be at most {MAX_BATCH} keys."));
                Self::invalid(&[Fault::new("", &violation)])
            }
            BatchUsersError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeRelationshipError> for Problem {
    fn from(error: ChangeRelationshipError) -> Self {
        match error {
            ChangeRelationshipError::Denied(denied) => denied.into(),
            ChangeRelationshipError::SameUser => {
                Self::invalid_path(&[Fault::new("target", &oneself())])
            }
            ChangeRelationshipError::NotFound => user_not_found(),
            ChangeRelationshipError::Invalid(faults) => Self::invalid_path(&faults),
            ChangeRelationshipError::KeyReused => key_reused(),
            ChangeRelationshipError::Store(error) => error.into(),
        }
    }
}

impl From<FollowManyError> for Problem {
    fn from(error: FollowManyError) -> Self {
        match error {
            FollowManyError::Denied(denied) => denied.into(),
            FollowManyError::TooMany => {
                let rule = format!("Must be at most {MAX_FOLLOWS} edges.");
                Self::invalid(&[Fault::new("edges", &Violation::new("too_many", rule))])
            }
            FollowManyError::Store(error) => error.into(),
        }
    }
}

impl From<ShowRelationshipsError> for Problem {
    fn from(error: ShowRelationshipsError) -> Self {
        match error {
            ShowRelationshipsError::User(error) => error.into(),
            ShowRelationshipsError::TooMany => {
                let rule = format!("Must be at most {MAX_RELATIONSHIP_IDS} ids.");
                Self::invalid_query(&[Fault::new("with", &Violation::new("too_many", rule))])
            }
        }
    }
}

impl From<HashingError> for Problem {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Self::new(
                Code::Overloaded,
                "Too many passwords are waiting to be hashed. Nothing was changed.",
            ),
            HashingError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<VerifyCredentialsError> for Problem {
    fn from(error: VerifyCredentialsError) -> Self {
        match error {
            VerifyCredentialsError::Denied(denied) => denied.into(),
            VerifyCredentialsError::Invalid(faults) => Self::invalid(&faults),
            VerifyCredentialsError::Wrong => Self::new(
                Code::InvalidCredentials,
                "The identifier or the password is wrong.",
            )
            .with_header(WWW_AUTHENTICATE, CHALLENGE),
            VerifyCredentialsError::Hashing(error) => error.into(),
            VerifyCredentialsError::Store(error) => error.into(),
        }
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::Denied(denied) => denied.into(),
            ChangePasswordError::Invalid(faults) => Self::invalid(&faults),
            ChangePasswordError::NotFound => user_not_found(),
            ChangePasswordError::PreconditionFailed => precondition_failed(),
            ChangePasswordError::KeyReused => key_reused(),
            ChangePasswordError::Hashing(error) => error.into(),
            ChangePasswordError::Store(error) => error.into(),
        }
    }
}

impl From<ListUsersError> for Problem {
    fn from(error: ListUsersError) -> Self {
        match error {
            ListUsersError::Denied(denied) => denied.into(),
            ListUsersError::Store(error) => error.into(),
        }
    }
}

impl From<CreateUserError> for Problem {
    fn from(error: CreateUserError) -> Self {
        match error {
            CreateUserError::Denied(denied) => denied.into(),
            CreateUserError::Invalid(faults) => Self::invalid(&faults),
            CreateUserError::Taken(fields) => taken(fields),
            CreateUserError::KeyReused => key_reused(),
            CreateUserError::NotFound => user_not_found(),
            CreateUserError::Hashing(error) => error.into(),
            CreateUserError::Store(error) => error.into(),
        }
    }
}

impl From<EditUserError> for Problem {
    fn from(error: EditUserError) -> Self {
        match error {
            EditUserError::Denied(denied) => denied.into(),
            EditUserError::Invalid(faults) => Self::invalid(&faults),
            EditUserError::NotFound => user_not_found(),
            EditUserError::PreconditionFailed => precondition_failed(),
            EditUserError::PreconditionRequired(faults) => {
                Self::new(Code::PreconditionRequired, "This write requires If-Match.")
                    .with_faults(&faults)
            }
            EditUserError::Taken(fields) => taken(fields),
            EditUserError::KeyReused => key_reused(),
            EditUserError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeStatusError> for Problem {
    fn from(error: ChangeStatusError) -> Self {
        match error {
            ChangeStatusError::Denied(denied) => denied.into(),
            ChangeStatusError::NotFound => user_not_found(),
            ChangeStatusError::PreconditionFailed => precondition_failed(),
            ChangeStatusError::KeyReused => key_reused(),
            ChangeStatusError::Store(error) => error.into(),
        }
    }
}

impl From<SuspendUserError> for Problem {
    fn from(error: SuspendUserError) -> Self {
        match error {
            SuspendUserError::Invalid(faults) => Self::invalid(&faults),
            SuspendUserError::Status(error) => error.into(),
        }
    }
}

impl From<IssueServiceTokenError> for Problem {
    fn from(error: IssueServiceTokenError) -> Self {
        match error {
            IssueServiceTokenError::Denied(denied) => denied.into(),
            IssueServiceTokenError::Invalid(faults) => Self::invalid(&faults),
            IssueServiceTokenError::Store(error) => error.into(),
        }
    }
}

impl From<ListServiceTokensError> for Problem {
    fn from(error: ListServiceTokensError) -> Self {
        match error {
            ListServiceTokensError::Denied(denied) => denied.into(),
            ListServiceTokensError::Store(error) => error.into(),
        }
    }
}

impl From<ServiceTokenError> for Problem {
    fn from(error: ServiceTokenError) -> Self {
        match error {
            ServiceTokenError::Denied(denied) => denied.into(),
            ServiceTokenError::NotFound => token_not_found(),
            ServiceTokenError::KeyReused => key_reused(),
            ServiceTokenError::Store(error) => error.into(),
        }
    }
}

impl From<ErasureError> for Problem {
    fn from(error: ErasureError) -> Self {
        match error {
            ErasureError::UnknownConsumer => Self::new(
                Code::ErasureConsumerNotFound,
                "No erasure consumer of this name is registered.",
            ),
            ErasureError::UnknownErasure => erasure_not_found(),
            ErasureError::TooManyConsumers => {
                let most = ErasureConsumer::MAX_REGISTERED;
                let rule = format!("At most {most} consumers can be registered.");
                Self::invalid_path(&[Fault::new("name", &Violation::new("too_many", rule))])
            }
            ErasureError::KeyReused => key_reused(),
            ErasureError::Store(error) => error.into(),
        }
    }
}

impl From<ErasureConsumerError> for Problem {
    fn from(error: ErasureConsumerError) -> Self {
        match error {
            ErasureConsumerError::Denied(denied) => denied.into(),
            ErasureConsumerError::Invalid(fault) => Self::invalid_path(&[fault]),
            ErasureConsumerError::Erasure(error) => error.into(),
        }
    }
}

impl From<ConfirmErasuresError> for Problem {
    fn from(error: ConfirmErasuresError) -> Self {
        match error {
            ConfirmErasuresError::Denied(denied) => denied.into(),
            ConfirmErasuresError::Erasure(error) => error.into(),
        }
    }
}

impl From<JsonError> for Problem {
    fn from(fault: JsonError) -> Self {
        Self::new(Code::MalformedJson, fault.to_string())
    }
}

/// Creates the problem of a user that does not exist, or of an id or name that no user can have.
pub(crate) fn user_not_found() -> Problem {
    Problem::new(Code::UserNotFound, "The user does not exist.")
}

/// Returns the violation of a relationship between a user and itself.
pub(crate) fn oneself() -> Violation {
    Violation::new("oneself", "Must be another user.")
}

/// Creates the problem of a token that does not exist.
pub(crate) fn token_not_found() -> Problem {
    Problem::new(Code::NotFound, "The token does not exist.")
}

/// Creates the problem of a user that was not erased, or of an id that no user can have.
pub(crate) fn erasure_not_found() -> Problem {
    Problem::new(
        Code::ErasureNotFound,
        "No user with this id was erased, or the record of the erasure has expired.",
    )
}

fn precondition_failed() -> Problem {
    Problem::new(
        Code::PreconditionFailed,
        "The version of the user does not match If-Match.",
    )
}

fn key_reused() -> Problem {
    Problem::new(
        Code::IdempotencyKeyReused,
        "This Idempotency-Key was used for another request.",
    )
}

/// Creates the problem of values that belong to other users. Its code is that of the first field.
fn taken(fields: TakenFields) -> Problem {
    let faults: Vec<Fault> = fields
        .iter()
        .map(|field| {
            let (code, detail) = taken_field(field);
            Fault::new(field.as_str(), &Violation::new(code.as_str(), detail))
        })
        .collect();
    let (code, detail) = taken_field(fields.first());
    Problem::new(code, detail).with_faults(&faults)
}

fn taken_field(field: UniqueField) -> (Code, &'static str) {
    match field {
        UniqueField::Username => (
            Code::UsernameTaken,
            "The username is taken, is too similar to a taken one, or is reserved for its previous user.",
        ),
        UniqueField::Email => (
            Code::EmailTaken,
            "The email address belongs to another user.",
        ),
        UniqueField::ExternalId => (
            Code::ExternalIdTaken,
            "The external id belongs to another user.",
        ),
    }
}
