//! Reads the event feed of a running service.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::http_client;

/// How long the service may wait for events before it answers.
const WAIT: Duration = Duration::from_secs(25);
/// The time limit of a request beyond [`WAIT`].
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum size of a page. It has at most 100 events, each with a user of about 100 KB.
const MAX_PAGE_BYTES: u64 = 64 * 1024 * 1024;
/// The maximum pause that the service can request.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

/// A page of the feed.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) events: Vec<Value>,
    pub(super) cursor: String,
    pub(super) has_more: bool,
    /// Whether the service answered early without an event, as it does when it stops or has too many waiting requests.
    #[serde(skip)]
    pub(super) is_early: bool,
}

/// Why there is no page.
#[derive(Debug)]
pub(super) enum FeedFailure {
    /// The same request may succeed later, and not before this time if there is one.
    Temporary {
        cause: String,
        retry_after: Option<Duration>,
    },
    /// The same request is refused again.
    Refused { cause: String, is_cursor_gone: bool },
}

/// The part of a problem (RFC 9457) that a message contains.
#[derive(Deserialize, Default)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
}

/// The feed of one service, with filters.
pub(super) struct Feed {
    agent: ureq::Agent,
    url: Url,
    authorization: SecretString,
}

impl Feed {
    /// Creates a client. `base` is the address of the service, `filters` are parameters of each request.
    pub(super) fn new(
        base: &str,
        token: &SecretString,
        filters: &[(&str, &str)],
    ) -> Result<Self, url::ParseError> {
        let mut url = Url::parse(&format!("{base}/v1/events"))?;
        url.query_pairs_mut()
            .append_pair("wait", &WAIT.as_secs().to_string())
            .extend_pairs(filters);
        let agent = http_client::configure()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(WAIT + REQUEST_TIMEOUT))
            .user_agent(concat!("user-service/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: agent.new_agent(),
            url,
            authorization: format!("Bearer {}", token.expose_secret()).into(),
        })
    }

    /// Reads the page after a cursor; without one, from the oldest event.
    pub(super) fn page(&self, cursor: Option<&str>) -> Result<Page, FeedFailure> {
        let mut url = self.url.clone();
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let started = Instant::now();
        let mut response = self
            .agent
            .get(url.as_str())
            .header("authorization", self.authorization.expose_secret())
            .call()
            .map_err(|error| temporary(describe(&error)))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after
            .and_then(|seconds| seconds.to_str().ok()?.parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER));
        let body = response.body_mut().with_config().limit(MAX_PAGE_BYTES);
        let text = body.read_to_vec();
        if status == 200 {
            let text = text.map_err(|error| temporary(describe(&error)))?;
            let mut page: Page = serde_json::from_slice(&text)
                .map_err(|_| refused("the answer is not a page of events".to_owned(), status))?;
            let is_empty = page.events.is_empty() && !page.has_more;
            page.is_early = is_empty && started.elapsed() < WAIT;
            return Ok(page);
        }
        let problem: Problem = text
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let cause = format!("{status} {}: {}", problem.code, problem.detail);
        let cause = cause.trim_end_matches([':', ' ']).to_owned();
        Err(match status {
            408 | 429 | 500.. => FeedFailure::Temporary { cause, retry_after },
            _ => refused(cause, status),
        })
    }
}

fn temporary(cause: String) -> FeedFailure {
    FeedFailure::Temporary {
        cause,
        retry_after: None,
    }
}

fn refused(cause: String, status: u16) -> FeedFailure {
    FeedFailure::Refused {
        cause,
        is_cursor_gone: status == 410,
    }
}

/// Returns why there is no response.
fn describe(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "no response in time".to_owned(),
        other => other.to_string(),
    }
}
