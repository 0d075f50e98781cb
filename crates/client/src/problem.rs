//! Problems: the errors that the service reports (RFC 9457).

use std::fmt;

use serde::Deserialize;

use crate::open_enum::open_enum;

open_enum! {
    /// The machine-readable code of a problem.
    Code {
        /// 400: the body is not valid JSON.
        MalformedJson "malformed_json",
        /// 400: the request is malformed.
        MalformedRequest "malformed_request",
        /// 400: a header field is malformed.
        InvalidHeader "invalid_header",
        /// 400: the cursor is not one of this service, filter and order.
        InvalidCursor "invalid_cursor",
        /// 400: the request has more than one credential.
        AmbiguousCredentials "ambiguous_credentials",
        /// 401: the request has no credential.
        MissingCredentials "missing_credentials",
        /// 401: the token was not accepted.
        InvalidToken "invalid_token",
        /// 401: the identifier or the password of a login is wrong.
        InvalidCredentials "invalid_credentials",
        /// 403: the caller lacks permission.
        Forbidden "forbidden",
        /// 403: a field is not writable by the caller; the problem has pointers.
        ForbiddenField "forbidden_field",
        /// 403: the token lacks the scope in [`Problem::required_scope`].
        InsufficientScope "insufficient_scope",
        /// 404: the resource does not exist.
        NotFound "not_found",
        /// 404: the user does not exist, is deleted, or is hidden from the caller.
        UserNotFound "user_not_found",
        /// 404: the user was not erased.
        ErasureNotFound "erasure_not_found",
        /// 404: the consumer of erasures is not registered.
        ErasureConsumerNotFound "erasure_consumer_not_found",
        /// 405: the method is not allowed.
        MethodNotAllowed "method_not_allowed",
        /// 408: the request was not received in time.
        RequestTimeout "request_timeout",
        /// 409: the username is taken.
        UsernameTaken "username_taken",
        /// 409: the email address is taken.
        EmailTaken "email_taken",
        /// 409: the external id is taken.
        ExternalIdTaken "external_id_taken",
        /// 409: the phone number is taken.
        PhoneNumberTaken "phone_number_taken",
        /// 410: events after the cursor were removed.
        CursorExpired "cursor_expired",
        /// 410: the cursor is not in the history of the store.
        CursorLost "cursor_lost",
        /// 412: the user has another version than `If-Match` names.
        PreconditionFailed "precondition_failed",
        /// 428: the write requires `If-Match`.
        PreconditionRequired "precondition_required",
        /// 413: the body is too large.
        PayloadTooLarge "payload_too_large",
        /// 415: the media type of the body is not supported.
        UnsupportedMediaType "unsupported_media_type",
        /// 431: the header fields are too large.
        HeaderTooLarge "header_too_large",
        /// 422: the input is invalid; [`Problem::errors`] has the reasons.
        Invalid "invalid",
        /// 422: the idempotency key was used for another request.
        IdempotencyKeyReused "idempotency_key_reused",
        /// 422: an email address is changed by a confirmation.
        UseEmailChange "use_email_change",
        /// 429: the caller sends too many requests.
        RateLimited "rate_limited",
        /// 500: the service failed; the request id identifies the failure in its log.
        Internal "internal",
        /// 503: the service is unavailable. Nothing was done.
        Unavailable "unavailable",
        /// 503: the service is overloaded. Nothing was done.
        Overloaded "overloaded",
        /// 503: the service is starting or shutting down. Nothing was done.
        NotReady "not_ready",
        /// 503: migrations of the database are pending. Nothing was done.
        SchemaPending "schema_pending",
        /// 504: the write may have been done.
        OutcomeUnknown "outcome_unknown",
    }
}

/// An error that the service reported (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The machine-readable code.
    pub code: Code,
    /// A short description, the same for each code.
    #[serde(default)]
    pub title: String,
    /// A description of this occurrence.
    #[serde(default)]
    pub detail: String,
    /// The id of the request in the log of the service.
    #[serde(default)]
    pub request_id: String,
    /// The scope that the token lacks; only with [`Code::InsufficientScope`].
    #[serde(default)]
    pub required_scope: Option<String>,
    /// The invalid members or parameters, at most 100.
    #[serde(default)]
    pub errors: Vec<FieldError>,
}

/// What is wrong with one member of a body, or with one parameter.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FieldError {
    /// The member as a JSON pointer (RFC 6901), such as `/profile/website`.
    #[serde(default)]
    pub pointer: Option<String>,
    /// The name of the parameter of the query or path.
    #[serde(default)]
    pub parameter: Option<String>,
    /// The stable code of the rule, such as `too_long`. The set is open.
    pub code: String,
    /// The rule as a sentence.
    #[serde(default)]
    pub detail: String,
}

impl Problem {
    /// Returns the error of a member of the body, by its JSON pointer.
    pub fn error_at(&self, pointer: &str) -> Option<&FieldError> {
        let mut errors = self.errors.iter();
        errors.find(|error| error.pointer.as_deref() == Some(pointer))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)?;
        for error in &self.errors {
            let place = error.pointer.as_ref().or(error.parameter.as_ref());
            let place = place.map_or("", String::as_str);
            write!(f, " [{place} {}: {}]", error.code, error.detail)?;
        }
        write!(f, " (request {})", self.request_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_with_an_unknown_code_is_kept() {
        let text = r#"{"type":"urn:x","title":"T","status":418,"detail":"D.","code":"teapot","request_id":"r",
            "errors":[{"pointer":"/a","code":"x","detail":"E."},{"parameter":"q","code":"y","detail":"F."}],"more":1}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!(problem.code, Code::Other("teapot".into()));
        assert_eq!(problem.error_at("/a").unwrap().code, "x");
        assert_eq!(problem.error_at("/b"), None);
        assert_eq!(
            problem.to_string(),
            "418 teapot: D. [/a x: E.] [q y: F.] (request r)"
        );
    }

    #[test]
    fn a_code_is_found_by_its_name() {
        for name in Code::KNOWN {
            let code = Code::from_name(name);
            assert!(!matches!(code, Code::Other(_)), "{name}");
            assert_eq!(code.as_str(), *name);
        }
    }
}
