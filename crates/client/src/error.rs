//! The error of a call.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::problem::{Code, Problem};

/// Why a call failed. It is cheap to clone, so that several tasks can wait for one call.
///
/// Its text contains no credential. It may contain the detail of a problem, which repeats no value of the request.
#[derive(Clone)]
pub struct Error(Arc<Parts>);

struct Parts {
    kind: ErrorKind,
    retry_after: Option<Duration>,
    attempts: u32,
    may_be_done: bool,
}

/// The kinds of an [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The service refused the request or failed.
    Problem(Problem),
    /// A response without a problem: of a gateway in front of the service, or of another server.
    UnexpectedResponse {
        /// The HTTP status.
        status: u16,
    },
    /// There was no response, or only a part of one.
    NoResponse(reqwest::Error),
    /// The response is not what this release of the client understands.
    InvalidResponse(String),
    /// The request cannot be sent, for example because of an invalid URL or header value.
    InvalidRequest(String),
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Arc::new(Parts {
            kind,
            retry_after: None,
            attempts: 1,
            may_be_done: false,
        }))
    }

    pub(crate) fn invalid_request(reason: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidRequest(reason.to_string()))
    }

    pub(crate) fn invalid_response(reason: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidResponse(reason.to_string()))
    }

    /// Sets the number of attempts, and whether one of them may have been done.
    pub(crate) fn after(self, attempts: u32, may_be_done: bool) -> Self {
        self.changed(|parts| {
            parts.attempts = attempts;
            parts.may_be_done = may_be_done;
        })
    }

    /// Sets how long the response asks to wait.
    pub(crate) fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        self.changed(|parts| parts.retry_after = retry_after)
    }

    /// Changes an error that is not shared yet.
    fn changed(mut self, change: impl FnOnce(&mut Parts)) -> Self {
        if let Some(parts) = Arc::get_mut(&mut self.0) {
            change(parts);
        }
        self
    }

    /// The kind of the error.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The problem that the service reported.
    pub fn problem(&self) -> Option<&Problem> {
        match self.kind() {
            ErrorKind::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// The code of the problem.
    pub fn code(&self) -> Option<&Code> {
        self.problem().map(|problem| &problem.code)
    }

    /// Whether the service reported a problem with this code.
    pub fn is(&self, code: &Code) -> bool {
        self.code() == Some(code)
    }

    /// Whether what the request names does not exist, or is hidden from the caller (404).
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Whether a value of the request is taken by another user (409). [`Error::code`] says which.
    pub fn is_conflict(&self) -> bool {
        self.status() == Some(409)
    }

    /// Whether the user has changed since it was read (412). Read it again, and repeat the change.
    pub fn is_changed_since(&self) -> bool {
        self.is(&Code::PreconditionFailed)
    }

    /// The HTTP status of the response, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self.kind() {
            ErrorKind::Problem(problem) => Some(problem.status),
            ErrorKind::UnexpectedResponse { status } => Some(*status),
            ErrorKind::NoResponse(_)
            | ErrorKind::InvalidResponse(_)
            | ErrorKind::InvalidRequest(_) => None,
        }
    }

    /// The id of the request in the log of the service. Include it in a report to its operator.
    pub fn request_id(&self) -> Option<&str> {
        let id = self.problem().map(|problem| problem.request_id.as_str());
        id.filter(|id| !id.is_empty())
    }

    /// How long the service, or a gateway in front of it, asks to wait before the next attempt (`Retry-After`).
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How many requests were sent.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the write may have been done although it failed: its response was lost, is a 504, or cannot be read.
    /// Repeat it under the same idempotency key to learn the outcome. If false, nothing was done.
    pub fn may_be_done(&self) -> bool {
        self.0.may_be_done
    }

    /// Whether the same call may succeed later: there was no response, or a 408, 429, 502, 503 or 504.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind(), ErrorKind::NoResponse(_))
            || matches!(self.status(), Some(408 | 429 | 502 | 503 | 504))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ErrorKind::Problem(problem) => problem.fmt(f)?,
            ErrorKind::UnexpectedResponse { status } => {
                write!(f, "unexpected response with status {status}")?;
            }
            ErrorKind::NoResponse(_) => f.write_str("no response from the user service")?,
            ErrorKind::InvalidResponse(reason) => write!(f, "invalid response: {reason}")?,
            ErrorKind::InvalidRequest(reason) => write!(f, "invalid request: {reason}")?,
        }
        if self.attempts() > 1 {
            write!(f, " (after {} attempts)", self.attempts())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", self.kind())
            .field("retry_after", &self.0.retry_after)
            .field("attempts", &self.0.attempts)
            .field("may_be_done", &self.0.may_be_done)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.kind() {
            ErrorKind::NoResponse(error) => Some(error),
            _ => None,
        }
    }
}
