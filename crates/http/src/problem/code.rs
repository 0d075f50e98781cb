//! The stable codes of problems.

use actix_web::http::StatusCode;

/// The machine-readable code of a problem. Each code belongs to one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    MalformedJson,
    MalformedRequest,
    InvalidHeader,
    InvalidCursor,
    AmbiguousCredentials,
    MissingCredentials,
    InvalidToken,
    InvalidCredentials,
    Forbidden,
    ForbiddenField,
    InsufficientScope,
    NotFound,
    UserNotFound,
    ErasureNotFound,
    ErasureConsumerNotFound,
    MethodNotAllowed,
    RequestTimeout,
    UsernameTaken,
    EmailTaken,
    ExternalIdTaken,
    CursorExpired,
    CursorLost,
    PreconditionFailed,
    PreconditionRequired,
    PayloadTooLarge,
    UnsupportedMediaType,
    HeaderTooLarge,
    Invalid,
    IdempotencyKeyReused,
    RateLimited,
    Internal,
    Unavailable,
    Overloaded,
    NotReady,
    SchemaPending,
    OutcomeUnknown,
}

impl Code {
    /// All codes, ordered by status.
    pub(crate) const ALL: [Self; 36] = [
        Self::MalformedJson,
        Self::MalformedRequest,
        Self::InvalidHeader,
        Self::InvalidCursor,
        Self::AmbiguousCredentials,
        Self::MissingCredentials,
        Self::InvalidToken,
        Self::InvalidCredentials,
        Self::Forbidden,
        Self::ForbiddenField,
        Self::InsufficientScope,
        Self::NotFound,
        Self::UserNotFound,
        Self::ErasureNotFound,
        Self::ErasureConsumerNotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::UsernameTaken,
        Self::EmailTaken,
        Self::ExternalIdTaken,
        Self::CursorExpired,
        Self::CursorLost,
        Self::PreconditionFailed,
        Self::PreconditionRequired,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::HeaderTooLarge,
        Self::Invalid,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
        Self::Overloaded,
        Self::NotReady,
        Self::SchemaPending,
        Self::OutcomeUnknown,
    ];

    /// Returns the code as clients see it.
    pub(crate) fn as_str(self) -> &'static str {
        self.name_and_title().0
    }

    /// Returns the HTTP status of the code.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::MalformedJson
            | Self::MalformedRequest
            | Self::InvalidHeader
            | Self::InvalidCursor
            | Self::AmbiguousCredentials => StatusCode::BAD_REQUEST,
            Self::MissingCredentials | Self::InvalidToken | Self::InvalidCredentials => {
                StatusCode::UNAUTHORIZED
            }
            Self::Forbidden | Self::ForbiddenField | Self::InsufficientScope => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound
            | Self::UserNotFound
            | Self::ErasureNotFound
            | Self::ErasureConsumerNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::UsernameTaken | Self::EmailTaken | Self::ExternalIdTaken => StatusCode::CONFLICT,
            Self::CursorExpired | Self::CursorLost => StatusCode::GONE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Invalid | Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable | Self::Overloaded | Self::NotReady | Self::SchemaPending => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Returns the title, which is the same for every problem with this code.
    pub(crate) fn title(self) -> &'static str {
        self.name_and_title().1
    }

    /// Returns the code of a framework error, of which only the status is known.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::InvalidToken,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PRECONDITION_FAILED => Self::PreconditionFailed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::PayloadTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeaderTooLarge,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::MalformedRequest,
            _ => Self::Internal,
        }
    }

    fn name_and_title(self) -> (&'static str, &'static str) {
        match self {
            Self::MalformedJson => ("malformed_json", "The body is not valid JSON"),
            Self::MalformedRequest => ("malformed_request", "The request is malformed"),
            Self::InvalidHeader => ("invalid_header", "A header field is malformed"),
            Self::InvalidCursor => ("invalid_cursor", "The cursor is invalid"),
            Self::AmbiguousCredentials => (
                "ambiguous_credentials",
                "The request has more than one credential",
            ),
            Self::MissingCredentials => ("missing_credentials", "The request has no credential"),
            Self::InvalidToken => ("invalid_token", "The token was not accepted"),
            Self::InvalidCredentials => (
                "invalid_credentials",
                "The identifier or the password is wrong",
            ),
            Self::Forbidden => ("forbidden", "The caller lacks permission"),
            Self::ForbiddenField => ("forbidden_field", "A field is not writable by the caller"),
            Self::InsufficientScope => ("insufficient_scope", "The token lacks a scope"),
            Self::NotFound => ("not_found", "The resource does not exist"),
            Self::UserNotFound => ("user_not_found", "The user does not exist"),
            Self::ErasureNotFound => ("erasure_not_found", "The user was not erased"),
            Self::ErasureConsumerNotFound => (
                "erasure_consumer_not_found",
                "The erasure consumer is not registered",
            ),
            Self::MethodNotAllowed => ("method_not_allowed", "The method is not allowed"),
            Self::RequestTimeout => ("request_timeout", "The request was not received in time"),
            Self::UsernameTaken => ("username_taken", "The username is taken"),
            Self::EmailTaken => ("email_taken", "The email address is taken"),
            Self::ExternalIdTaken => ("external_id_taken", "The external id is taken"),
            Self::CursorExpired => ("cursor_expired", "Events after the cursor were removed"),
            Self::CursorLost => (
                "cursor_lost",
                "The cursor is not in the history of the store",
            ),
            Self::PreconditionFailed => ("precondition_failed", "The user has another version"),
            Self::PreconditionRequired => ("precondition_required", "If-Match is required"),
            Self::PayloadTooLarge => ("payload_too_large", "The body is too large"),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                "The media type of the body is not supported",
            ),
            Self::HeaderTooLarge => ("header_too_large", "The header fields are too large"),
            Self::Invalid => ("invalid", "The input is invalid"),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                "The idempotency key was used for another request",
            ),
            Self::RateLimited => ("rate_limited", "The caller sent too many requests"),
            Self::Internal => ("internal", "Internal error"),
            Self::Unavailable => ("unavailable", "The service is unavailable"),
            Self::Overloaded => ("overloaded", "The service is overloaded"),
            Self::NotReady => ("not_ready", "The service is not ready"),
            Self::SchemaPending => ("schema_pending", "Database migrations are pending"),
            Self::OutcomeUnknown => ("outcome_unknown", "The outcome of the write is unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_and_titles_are_unique() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let titles: BTreeSet<_> = Code::ALL.iter().map(|code| code.title()).collect();
        assert_eq!(
            (names.len(), titles.len()),
            (Code::ALL.len(), Code::ALL.len())
        );
    }

    #[test]
    fn the_code_of_a_status_is_of_the_same_status_class() {
        for status in (400..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
            let code = Code::of_status(status);
            assert_eq!(
                code.status().is_client_error(),
                status.is_client_error(),
                "{status}"
            );
        }
    }
}
