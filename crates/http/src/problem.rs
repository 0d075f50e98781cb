//! Problem details (RFC 9457): the format of every error of the API.

mod code;
mod from_domain;
mod render;

use std::borrow::Cow;
use std::fmt;

use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{HttpResponse, ResponseError};
use user_domain::{Fault, Rejection};

use crate::write_tasks::TaskError;

pub(crate) use code::Code;
pub(crate) use from_domain::{erasure_not_found, oneself, token_not_found, user_not_found};
pub(crate) use render::{PROBLEM_JSON, record_and_render, render};

/// An error response.
///
/// [`render()`] creates the body once the request id is known. The cause is written to the log and never sent.
pub(crate) struct Problem(Box<Parts>);

struct Parts {
    code: Code,
    detail: Cow<'static, str>,
    faults: Vec<ErrorEntry>,
    required_scope: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
    /// The reason for a rejected credential, for the log.
    rejection: Option<Rejection>,
}

/// An entry of the member `errors`: a validation error and its location in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ErrorEntry {
    location: ErrorLocation,
    code: String,
    detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ErrorLocation {
    /// In the body: a JSON pointer (RFC 6901).
    Pointer(String),
    /// In the query or the path: a parameter's name.
    Parameter(String),
}

/// The maximum number of validation errors in a problem.
pub(crate) const MAX_FAULTS: usize = 100;

/// The maximum number of characters of a member or parameter name that a problem repeats.
const MAX_NAME_CHARS: usize = 128;

impl Problem {
    /// Creates a problem with a code and a detail. A 503 gets `Retry-After: 1`.
    pub(crate) fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let headers = match code.status() {
            StatusCode::SERVICE_UNAVAILABLE => vec![(RETRY_AFTER, HeaderValue::from_static("1"))],
            _ => Vec::new(),
        };
        let detail = detail.into();
        Self(Box::new(Parts {
            code,
            detail,
            faults: Vec::new(),
            required_scope: None,
            headers,
            cause: None,
            rejection: None,
        }))
    }

    /// Creates the problem of a body that fails validation.
    pub(crate) fn invalid(faults: &[Fault]) -> Self {
        Self::new(Code::Invalid, "The body is invalid; see errors.").with_faults(faults)
    }

    /// Creates the problem of a query string that fails validation. The paths of the faults are parameter names.
    pub(crate) fn invalid_query(faults: &[Fault]) -> Self {
        Self::invalid_parameters("The query is invalid; see errors.", faults)
    }

    /// Creates the problem of a path that fails validation. The paths of the faults are parameter names.
    pub(crate) fn invalid_path(faults: &[Fault]) -> Self {
        Self::invalid_parameters("The path is invalid; see errors.", faults)
    }

    fn invalid_parameters(detail: &'static str, faults: &[Fault]) -> Self {
        let mut problem = Self::new(Code::Invalid, detail);
        problem.0.faults = error_entries(faults, |path| {
            ErrorLocation::Parameter(path.iter().map(|name| truncated(name)).collect())
        });
        problem
    }

    /// Creates the problem of a malformed header field.
    pub(crate) fn invalid_header(name: &str, rule: &str) -> Self {
        Self::new(Code::InvalidHeader, format!("{name} {rule}."))
    }

    /// Creates a 500. The cause is written to the log and never sent.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        Self::new(
            Code::Internal,
            "Internal error. Report it with the request_id.",
        )
        .with_cause(cause)
    }

    /// Creates the problem of a request without a credential.
    pub(crate) fn missing_credentials() -> Self {
        let challenge = HeaderValue::from_static(r#"Bearer realm="user-service""#);
        Self::new(Code::MissingCredentials, "A token is required.")
            .with_cause("no credential")
            .with_header(WWW_AUTHENTICATE, challenge)
    }

    /// Creates the problem of a rejected credential (RFC 6750, section 3). The client sees only
    /// [`Rejection::description`].
    pub(crate) fn rejected(rejection: Rejection) -> Self {
        let plain = r#"Bearer realm="user-service", error="invalid_token""#;
        let (detail, challenge) = match rejection.description() {
            None => (
                Cow::Borrowed("The token was not accepted."),
                HeaderValue::from_static(plain),
            ),
            Some(description) => {
                let challenge = format!(r#"{plain}, error_description="{description}""#);
                let challenge = HeaderValue::from_str(&challenge);
                (
                    Cow::Owned(format!("{description}.")),
                    challenge.unwrap_or(HeaderValue::from_static(plain)),
                )
            }
        };
        let mut problem =
            Self::new(Code::InvalidToken, detail).with_header(WWW_AUTHENTICATE, challenge);
        problem.0.cause = Some(rejection.to_string());
        problem.0.rejection = Some(rejection);
        problem
    }

    /// Whether the request itself was rejected. A retry of a successful write may be rejected because of the state that
    /// the write created. A reused key is not a retry.
    pub(crate) fn is_refusal(&self) -> bool {
        let code = self.code();
        code.status().is_client_error() && code != Code::IdempotencyKeyReused
    }

    /// Creates the problem of a request that timed out or exceeded a limit. Nothing was changed.
    pub(crate) fn overloaded() -> Self {
        Self::new(
            Code::Overloaded,
            "The service is overloaded. Nothing was changed.",
        )
    }

    /// Creates the problem of a write with an unknown outcome.
    pub(crate) fn outcome_unknown(cause: impl Into<String>) -> Self {
        let detail = "The write may have been applied. Retry it with the same Idempotency-Key, or read the current state.";
        Self::new(Code::OutcomeUnknown, detail).with_cause(cause)
    }

    /// Sets validation errors of the body.
    pub(crate) fn with_faults(mut self, faults: &[Fault]) -> Self {
        self.0.faults = error_entries(faults, |path| ErrorLocation::Pointer(pointer(path)));
        self
    }

    /// Adds a header field of the response.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Sets the scope that the caller lacks.
    pub(crate) fn with_required_scope(mut self, scope: &'static str) -> Self {
        self.0.required_scope = Some(scope);
        self
    }

    /// Sets the cause for the log.
    pub(crate) fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Returns the reason for a rejected credential, for the request's log line.
    pub(crate) fn rejection(&self) -> Option<Rejection> {
        self.0.rejection
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }
}

impl From<TaskError> for Problem {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::TimedOut => {
                Self::outcome_unknown("write timed out and continues in the background")
            }
            TaskError::Cancelled => {
                Self::outcome_unknown("write was cancelled by the shutdown of the runtime")
            }
            TaskError::Panicked(message) => {
                Self::outcome_unknown(format!("write panicked: {message}"))
            }
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.0.code.status());
        if self.0.code == Code::RequestTimeout {
            // The rest of the request is not read.
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        for (name, value) in &self.0.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)
    }
}

fn error_entries(
    faults: &[Fault],
    location: impl Fn(&[String]) -> ErrorLocation,
) -> Vec<ErrorEntry> {
    let entry = |fault: &Fault| ErrorEntry {
        location: location(fault.path()),
        code: fault.code().to_owned(),
        detail: fault.detail().to_owned(),
    };
    faults.iter().take(MAX_FAULTS).map(entry).collect()
}

/// Returns a path as a JSON pointer (RFC 6901).
pub(crate) fn pointer(path: &[String]) -> String {
    path.iter().fold(String::new(), |pointer, step| {
        pointer + "/" + &truncated(step).replace('~', "~0").replace('/', "~1")
    })
}

fn truncated(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        None => Cow::Borrowed(name),
        Some((end, _)) => Cow::Owned(format!("{}…", name.get(..end).unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use user_domain::Violation;

    use super::*;

    #[test]
    fn a_pointer_escapes_tildes_and_slashes() {
        let path = |steps: &[&str]| {
            pointer(
                &steps
                    .iter()
                    .map(|step| (*step).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(path(&[]), "");
        assert_eq!(path(&["profile", "website"]), "/profile/website");
        assert_eq!(path(&["a/b", "~1", ""]), "/a~1b/~01/");
        assert_eq!(path(&[&"é".repeat(200)]), format!("/{}…", "é".repeat(128)));
    }

    #[test]
    fn a_problem_has_at_most_100_errors() {
        let fault = Fault::new("username", &Violation::new("blank", "Must not be blank."));
        assert_eq!(Problem::invalid(&vec![fault; 200]).0.faults.len(), 100);
    }

    #[test]
    fn a_503_has_retry_after_and_a_401_a_challenge() {
        let headers = |problem: Problem| problem.error_response().headers().clone();
        assert_eq!(
            headers(Problem::overloaded()).get("retry-after").unwrap(),
            "1"
        );
        let challenge =
            |problem: Problem| headers(problem).get("www-authenticate").unwrap().clone();
        assert_eq!(
            challenge(Problem::missing_credentials()),
            r#"Bearer realm="user-service""#
        );
        assert_eq!(
            challenge(Problem::rejected(Rejection::WrongSignature)),
            r#"Bearer realm="user-service", error="invalid_token""#
        );
        assert_eq!(
            challenge(Problem::rejected(Rejection::Expired)),
            r#"Bearer realm="user-service", error="invalid_token", error_description="The token has expired""#
        );
    }
}
