//! Problems: every error of the API, as RFC 9457 words them.

mod code;
mod from_domain;
mod render;

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use user_domain::Fault;

use crate::detach::Lost;

pub(crate) use code::Code;
pub(crate) use from_domain::{oneself, token_not_found, user_not_found};
pub(crate) use render::{PROBLEM_JSON, answer, render};

/// An error on its way to the client.
///
/// What the client is told is written by [`render()`], once the request's id is at hand; the cause is for the log only.
pub(crate) struct Problem(Box<Parts>);

struct Parts {
    code: Code,
    detail: Cow<'static, str>,
    faults: Vec<ShownFault>,
    required_scope: Option<&'static str>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

/// A fault of the input, and where in the request it is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ShownFault {
    place: Place,
    code: String,
    detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// In the body: a JSON pointer (RFC 6901).
    Pointer(String),
    /// In the query or the path: a parameter's name.
    Parameter(String),
}

/// The most faults that one problem shows.
pub(crate) const MAX_FAULTS: usize = 100;

/// The most characters of a member's or parameter's name that a problem repeats.
const MAX_NAME: usize = 128;

impl Problem {
    /// An error that needs no more than its code and a sentence.
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
        }))
    }

    /// A body that breaks rules.
    pub(crate) fn invalid(faults: &[Fault]) -> Self {
        Self::new(
            Code::Invalid,
            "The body breaks the rules listed under errors.",
        )
        .with_faults(faults)
    }

    /// A query string that breaks rules; the faults' paths are the parameters' names.
    pub(crate) fn invalid_query(faults: &[Fault]) -> Self {
        Self::invalid_parameters("The query breaks the rules listed under errors.", faults)
    }

    /// A path that breaks rules; the faults' paths are the names of its parameters.
    pub(crate) fn invalid_path(faults: &[Fault]) -> Self {
        Self::invalid_parameters("The path breaks the rules listed under errors.", faults)
    }

    fn invalid_parameters(detail: &'static str, faults: &[Fault]) -> Self {
        let mut problem = Self::new(Code::Invalid, detail);
        problem.0.faults = shown(faults, |path| {
            Place::Parameter(path.iter().map(|name| short(name)).collect())
        });
        problem
    }

    /// A header field that cannot be read.
    pub(crate) fn invalid_header(name: &str, rule: &str) -> Self {
        Self::new(Code::InvalidHeader, format!("{name} {rule}."))
    }

    /// An error of the service itself: a 500 whose cause only the log is told.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        Self::new(
            Code::Internal,
            "The service failed. The request's id helps to find out why.",
        )
        .because(cause)
    }

    /// No credential, or a bad one; the client is not told what is bad about it.
    pub(crate) fn unauthenticated(code: Code, cause: impl Into<String>) -> Self {
        let (detail, challenge) = if code == Code::MissingCredentials {
            ("A token is required.", r#"Bearer realm="user-service""#)
        } else {
            (
                "The token was not accepted.",
                r#"Bearer realm="user-service", error="invalid_token""#,
            )
        };
        Self::new(code, detail)
            .because(cause)
            .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// A read that took too long; it has changed nothing.
    pub(crate) fn overloaded() -> Self {
        Self::new(
            Code::Overloaded,
            "The service could not answer in time. Nothing was changed.",
        )
    }

    /// A write whose result is not known.
    pub(crate) fn outcome_unknown(cause: impl Into<String>) -> Self {
        let detail = "The write may or may not have been done. Repeat it with the same Idempotency-Key, or read.";
        Self::new(Code::OutcomeUnknown, detail).because(cause)
    }

    /// Adds faults of the body.
    pub(crate) fn with_faults(mut self, faults: &[Fault]) -> Self {
        self.0.faults = shown(faults, |path| Place::Pointer(pointer(path)));
        self
    }

    /// Adds a header field of the response.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Names the scope that would have sufficed.
    pub(crate) fn with_required_scope(mut self, scope: &'static str) -> Self {
        self.0.required_scope = Some(scope);
        self
    }

    /// Notes for the log why it came to this.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }
}

impl From<Lost> for Problem {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::TooLate => Self::outcome_unknown("the write took longer than its request may"),
            Lost::Cancelled => Self::outcome_unknown("the write was cut off with the runtime"),
            Lost::Panicked(message) => {
                Self::outcome_unknown(format!("the write panicked: {message}"))
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

fn shown(faults: &[Fault], place: impl Fn(&[String]) -> Place) -> Vec<ShownFault> {
    let shown = |fault: &Fault| ShownFault {
        place: place(fault.path()),
        code: fault.code().to_owned(),
        detail: fault.detail().to_owned(),
    };
    faults.iter().take(MAX_FAULTS).map(shown).collect()
}

/// Writes a path as a JSON pointer (RFC 6901).
pub(crate) fn pointer(path: &[String]) -> String {
    path.iter().fold(String::new(), |pointer, step| {
        pointer + "/" + &short(step).replace('~', "~0").replace('/', "~1")
    })
}

fn short(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(MAX_NAME) {
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
    fn at_most_100_faults_are_shown() {
        let fault = Fault::new("username", &Violation::new("blank", "Must not be blank."));
        assert_eq!(Problem::invalid(&vec![fault; 200]).0.faults.len(), 100);
    }

    #[test]
    fn a_503_says_when_to_come_back_and_a_401_how_to_authenticate() {
        let headers = |problem: Problem| problem.error_response().headers().clone();
        assert_eq!(
            headers(Problem::overloaded()).get("retry-after").unwrap(),
            "1"
        );
        let challenge = |code| {
            headers(Problem::unauthenticated(code, ""))
                .get("www-authenticate")
                .unwrap()
                .clone()
        };
        assert_eq!(
            challenge(Code::MissingCredentials),
            r#"Bearer realm="user-service""#
        );
        assert_eq!(
            challenge(Code::InvalidToken),
            r#"Bearer realm="user-service", error="invalid_token""#
        );
    }
}
