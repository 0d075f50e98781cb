//! Sends requests, and repeats them within their deadline.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::operation::{Operation, Repetition};
use crate::problem::Problem;
use crate::retry::{Failure, assess, delays};

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static("consistency-token");
pub(crate) const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The maximum size of a response: more than 200 users with the largest metadata.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// The characters that a path segment or a query keeps (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A request before it is sent.
pub(crate) struct Request {
    pub(crate) operation: Operation,
    /// The path and the query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Vec<u8>>,
    /// The maximum time for all attempts together; the client's if none.
    pub(crate) deadline: Option<Duration>,
    /// How long the response may be delayed on purpose, in addition to the timeout of an attempt.
    pub(crate) server_wait: Duration,
    /// A status other than 2xx that is a result.
    pub(crate) also_accepts: Option<StatusCode>,
}

/// A complete response that is a result.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Reads the result of an operation from its response.
pub(crate) type Decode<T> = fn(&Answer) -> Result<T, Error>;

impl Request {
    /// Creates a request. The arguments replace the parameters of the path in their order.
    pub(crate) fn new(operation: Operation, arguments: &[&str]) -> Result<Self, Error> {
        Ok(Self {
            operation,
            target: expand(operation.path, arguments)?,
            headers: HeaderMap::new(),
            body: None,
            deadline: None,
            server_wait: Duration::ZERO,
            also_accepts: None,
        })
    }

    /// Adds a query parameter.
    pub(crate) fn query(&mut self, name: &str, value: &str) {
        self.target
            .push(if self.target.contains('?') { '&' } else { '?' });
        self.target.extend(utf8_percent_encode(name, ENCODED));
        self.target.push('=');
        self.target.extend(utf8_percent_encode(value, ENCODED));
    }

    /// Sets a header field.
    pub(crate) fn header(&mut self, name: HeaderName, value: &str) -> Result<(), Error> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            Error::invalid_request(format!(
                "the value of {name} has other characters than visible ASCII"
            ))
        })?;
        self.headers.insert(name, value);
        Ok(())
    }

    /// Sets the body.
    pub(crate) fn json(&mut self, body: &impl Serialize) -> Result<(), Error> {
        let body = serde_json::to_vec(body).map_err(Error::invalid_request)?;
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Some(body);
        Ok(())
    }

    /// Sets a merge patch (RFC 7396) as the body.
    pub(crate) fn merge_patch(&mut self, body: &impl Serialize) -> Result<(), Error> {
        self.json(body)?;
        let media_type = HeaderValue::from_static("application/merge-patch+json");
        self.headers.insert(CONTENT_TYPE, media_type);
        Ok(())
    }
}

impl Answer {
    /// Reads the body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // The message of serde_json can contain values, so only the position is kept.
        serde_json::from_slice(&self.body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::invalid_response(format!(
                "the JSON is not as expected at line {line}, column {column}"
            ))
        })
    }

    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Sends a request, and repeats it within its deadline if that is safe and may help. Returns the decoded response, and
/// the response itself.
pub(crate) async fn send<T>(
    client: &Client,
    mut request: Request,
    decode: Decode<T>,
) -> Result<(T, Answer), Error> {
    if request.operation.repetition == Repetition::Keyed
        && !request.headers.contains_key(IDEMPOTENCY_KEY)
    {
        request.header(IDEMPOTENCY_KEY, &new_key())?;
    }
    let settings = client.settings();
    let time = request.deadline.unwrap_or(settings.deadline);
    let deadline = Deadline::after(time.saturating_add(request.server_wait));
    let attempt_timeout = settings.attempt_timeout.saturating_add(request.server_wait);
    let mut delays = delays();
    let mut may_be_done = false;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let timeout = deadline.remaining().min(attempt_timeout);
        let (error, failure) = match attempt(client, &request, timeout, decode).await {
            Ok(decoded) => return Ok(decoded),
            Err(AttemptError::Invalid(error)) => return Err(error.after(attempts, may_be_done)),
            Err(AttemptError::Failed(error, failure)) => (error, failure),
        };
        let assessment = assess(request.operation.repetition, failure, may_be_done);
        may_be_done = assessment.may_be_done;
        let delay = error.retry_after().unwrap_or_default();
        let delay = delay.saturating_add(delays.next().unwrap_or_default());
        if !assessment.may_repeat || delay >= deadline.remaining() {
            return Err(error.after(attempts, may_be_done));
        }
        tokio::time::sleep(delay).await;
    }
}

/// The end of the time for a call; none if the time is longer than the clock can tell.
#[derive(Clone, Copy)]
struct Deadline(Option<Instant>);

impl Deadline {
    fn after(time: Duration) -> Self {
        Self(Instant::now().checked_add(time))
    }

    fn remaining(self) -> Duration {
        self.0.map_or(Duration::MAX, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }
}

enum AttemptError {
    /// The request cannot be sent by any attempt.
    Invalid(Error),
    Failed(Error, Failure),
}

async fn attempt<T>(
    client: &Client,
    request: &Request,
    timeout: Duration,
    decode: Decode<T>,
) -> Result<(T, Answer), AttemptError> {
    let url = format!("{}{}", client.settings().base_url, request.target);
    let mut headers = request.headers.clone();
    client
        .add_credentials(&mut headers)
        .map_err(AttemptError::Invalid)?;
    let mut builder = client
        .http()
        .request(request.operation.method.clone(), url)
        .headers(headers)
        .timeout(timeout);
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    let response = builder.send().await.map_err(|error| {
        if error.is_builder() {
            return AttemptError::Invalid(Error::invalid_request(error.without_url()));
        }
        let failure = if error.is_connect() {
            Failure::NotSent
        } else {
            Failure::ResponseLost
        };
        AttemptError::Failed(no_response(error), failure)
    })?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read(response).await?;
    if status.is_success() || request.also_accepts == Some(status) {
        let answer = Answer {
            status,
            headers,
            body,
        };
        return match decode(&answer) {
            Ok(value) => Ok((value, answer)),
            Err(error) => Err(AttemptError::Failed(error, Failure::Unreadable)),
        };
    }
    let status = status.as_u16();
    let (kind, failure) = match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if problem.status == status => {
            (ErrorKind::Problem(problem), Failure::Problem(status))
        }
        Ok(_) | Err(_) => (
            ErrorKind::UnexpectedResponse { status },
            Failure::Gateway(status),
        ),
    };
    let error = Error::new(kind).with_retry_after(retry_after(&headers));
    Err(AttemptError::Failed(error, failure))
}

async fn read(mut response: Response) -> Result<Vec<u8>, AttemptError> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_RESPONSE_BYTES => {
                let reason = format!("more than {MAX_RESPONSE_BYTES} bytes");
                let error = Error::invalid_response(reason);
                return Err(AttemptError::Failed(error, Failure::Unreadable));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => {
                let error = no_response(error);
                return Err(AttemptError::Failed(error, Failure::ResponseLost));
            }
        }
    }
}

/// The URL is removed: a path can contain a username.
fn no_response(error: reqwest::Error) -> Error {
    Error::new(ErrorKind::NoResponse(error.without_url()))
}

/// Returns the seconds of `Retry-After`. The service does not send the form with a date, which is ignored.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client outside the service has no port for randomness"
)]
fn new_key() -> String {
    Uuid::new_v4().to_string()
}

/// Replaces the parameters of a path.
fn expand(path: &str, arguments: &[&str]) -> Result<String, Error> {
    let mut arguments = arguments.iter();
    let mut expanded = String::with_capacity(path.len() + 40);
    for segment in path.split('/').skip(1) {
        expanded.push('/');
        if !segment.starts_with('{') {
            expanded.push_str(segment);
            continue;
        }
        let argument = arguments.next().copied().unwrap_or_default();
        // Clients and servers remove these segments, and call another operation.
        if matches!(argument, "" | "." | "..") {
            return Err(Error::invalid_request(format!(
                "{segment} must not be empty or dots"
            )));
        }
        expanded.extend(utf8_percent_encode(argument, ENCODED));
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation;

    #[test]
    fn arguments_are_encoded_into_the_path() {
        let path = operation::BLOCK_USER.path;
        assert_eq!(
            expand(path, &["a/b c", "é?"]).unwrap(),
            "/v1/users/a%2Fb%20c/blocks/%C3%A9%3F"
        );
        for invalid in ["", ".", ".."] {
            assert!(expand(path, &["a", invalid]).is_err(), "{invalid}");
        }
    }

    #[test]
    fn query_parameters_are_encoded_and_repeated() {
        let mut request = Request::new(operation::LIST_USERS, &[]).unwrap();
        request.query("q", "a&b=c d+é");
        request.query("status", "active");
        request.query("status", "deleted");
        assert_eq!(
            request.target,
            "/v1/users?q=a%26b%3Dc%20d%2B%C3%A9&status=active&status=deleted"
        );
    }

    #[test]
    fn a_header_value_of_several_lines_is_refused() {
        let mut request = Request::new(operation::CREATE_USER, &[]).unwrap();
        assert!(request.header(IDEMPOTENCY_KEY, "a\nb").is_err());
    }

    #[test]
    fn a_deadline_may_be_longer_than_the_clock_can_tell() {
        assert_eq!(Deadline::after(Duration::MAX).remaining(), Duration::MAX);
        let remaining = Deadline::after(Duration::from_mins(1)).remaining();
        assert!(remaining <= Duration::from_mins(1) && !remaining.is_zero());
        assert!(Deadline::after(Duration::ZERO).remaining().is_zero());
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, HeaderValue::from_static(" 7 "));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("Tue, 01 Dec 2026"));
        assert_eq!(retry_after(&headers), None);
    }
}
