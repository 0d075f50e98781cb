//! The responses that clients got, and which of them are allowed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::Value;

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RequestKind {
    /// A service reads a user that does not change.
    Cached,
    /// A user that does not change reads itself.
    Own,
    /// A service reads all users that do not change, in one batch.
    Batch,
    /// A service reads a user that other clients change.
    Changing,
    /// The same read, uncached.
    Fresh,
    /// A page of the list. Lists are never cached.
    List,
    Create,
    Change,
}

impl RequestKind {
    /// The longest time that the service may take for such a request.
    pub(super) fn deadline(self) -> Duration {
        Duration::from_secs(if self == Self::List { 5 } else { 2 })
    }

    pub(super) fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Change)
    }

    /// Whether the request reads users that are cached before the fault and do not change.
    pub(super) fn is_cached(self) -> bool {
        matches!(self, Self::Cached | Self::Own | Self::Batch)
    }

    /// Whether the request always needs the database.
    pub(super) fn needs_database(self) -> bool {
        matches!(self, Self::Fresh | Self::List) || self.is_write()
    }
}

/// A response, classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Response {
    Done,
    /// The response of an earlier request with the same idempotency key.
    Replayed,
    /// 503 with a code and `Retry-After`: nothing was done.
    Unavailable,
    /// 504 `outcome_unknown`, of a write.
    Unknown,
    /// 408: the request was not read, so nothing was done. It happens if a request arrives while the service closes an
    /// idle connection, or when a paused service resumes.
    NotRead,
    /// No complete response arrived.
    Broken(String),
    /// A response that the service must never send.
    Forbidden(String),
}

impl Response {
    pub(super) fn classify(
        kind: RequestKind,
        status: u16,
        headers: &HeaderMap,
        body: &Value,
    ) -> Self {
        let code = body["code"].as_str().unwrap_or_default();
        let has = |name: &str| headers.contains_key(name);
        match (status, code) {
            (200, _) if kind == RequestKind::Change && has("Idempotency-Replayed") => {
                Self::Replayed
            }
            (201, _) if kind == RequestKind::Create && has("Idempotency-Replayed") => {
                Self::Replayed
            }
            (200, _) if kind != RequestKind::Create && is_complete(kind, body) => Self::Done,
            (201, _) if kind == RequestKind::Create => Self::Done,
            (503, "unavailable" | "overloaded" | "not_ready" | "schema_pending")
                if has("Retry-After") =>
            {
                Self::Unavailable
            }
            (504, "outcome_unknown") if kind.is_write() => Self::Unknown,
            (408, "request_timeout") => Self::NotRead,
            _ => Self::Forbidden(format!("the response to {kind:?} was {status} {body}")),
        }
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Done | Self::Replayed)
    }
}

/// Whether a batch response contains every user. Other kinds are always complete.
fn is_complete(kind: RequestKind, body: &Value) -> bool {
    let users = || body["users"].as_array();
    kind != RequestKind::Batch || users().is_some_and(|users| !users.iter().any(Value::is_null))
}

/// A request with its response.
#[derive(Debug, Clone)]
pub(super) struct CompletedRequest {
    pub(super) kind: RequestKind,
    pub(super) begin: Instant,
    pub(super) end: Instant,
    pub(super) response: Response,
}

impl CompletedRequest {
    pub(super) fn duration(&self) -> Duration {
        self.end.duration_since(self.begin)
    }
}

/// The numbers of responses to some kind of request.
#[derive(Debug, Clone, Default)]
pub(super) struct ResponseCounts {
    pub(super) done: usize,
    pub(super) unavailable: usize,
    pub(super) not_read: usize,
    pub(super) unknown: usize,
    pub(super) broken: usize,
    pub(super) longest: Duration,
}

impl ResponseCounts {
    fn add(&mut self, completed: &CompletedRequest) {
        *match completed.response {
            Response::Done | Response::Replayed => &mut self.done,
            Response::Unavailable => &mut self.unavailable,
            Response::NotRead => &mut self.not_read,
            Response::Unknown => &mut self.unknown,
            Response::Broken(_) | Response::Forbidden(_) => &mut self.broken,
        } += 1;
        self.longest = self.longest.max(completed.duration());
    }

    pub(super) fn failures(&self) -> usize {
        self.unavailable + self.not_read + self.unknown + self.broken
    }
}

impl std::fmt::Display for ResponseCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = [
            (self.done, "ok"),
            (self.unavailable, "503"),
            (self.not_read, "408"),
            (self.unknown, "504"),
            (self.broken, "broken"),
        ];
        let parts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        let longest = self.longest.as_secs_f64();
        write!(f, "{} ({longest:.2} s)", parts.join(", "))
    }
}

/// Counts responses by a property of the kind of request.
pub(super) fn count_by<'a, K: Ord>(
    requests: impl Iterator<Item = &'a CompletedRequest>,
    by: impl Fn(RequestKind) -> K,
) -> BTreeMap<K, ResponseCounts> {
    let mut counts: BTreeMap<K, ResponseCounts> = BTreeMap::new();
    for request in requests {
        counts.entry(by(request.kind)).or_default().add(request);
    }
    counts
}
