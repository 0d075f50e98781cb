//! What clients were answered, and what they may be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::Value;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A user whom nobody writes, as a service.
    Cached,
    /// The same, as that user.
    Own,
    /// All of them in a batch.
    Batch,
    /// A user whom others write.
    Changing,
    /// The same, from the database.
    Fresh,
    /// A page of the list, which is always from the database.
    List,
    Create,
    Change,
}

impl Kind {
    /// What the service may take for it.
    pub(super) fn deadline(self) -> Duration {
        Duration::from_secs(if self == Self::List { 5 } else { 2 })
    }

    pub(super) fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Change)
    }

    /// Whether a user is asked for who is in the cache before the fault and whom nobody changes.
    pub(super) fn is_cached(self) -> bool {
        matches!(self, Self::Cached | Self::Own | Self::Batch)
    }

    /// Whether only the database can answer it.
    pub(super) fn needs_the_database(self) -> bool {
        matches!(self, Self::Fresh | Self::List) || self.is_write()
    }
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Done,
    /// Done before, under the same key.
    Replayed,
    /// 503 with a code and the time to retry after: certainly not done.
    Unavailable,
    /// 504 `outcome_unknown`, of a write.
    Unknown,
    /// 408: not read, and so not done. It may meet a request that is sent just when the service gives up a connection on
    /// which nothing came, or when a service goes on that stood still.
    Late,
    /// No whole answer came.
    Broken(String),
    /// What nobody may be answered.
    Wrong(String),
}

impl What {
    pub(super) fn answered(kind: Kind, status: u16, headers: &HeaderMap, body: &Value) -> Self {
        let code = body["code"].as_str().unwrap_or_default();
        let has = |name: &str| headers.contains_key(name);
        match (status, code) {
            (200, _) if kind == Kind::Change && has("Idempotency-Replayed") => Self::Replayed,
            (201, _) if kind == Kind::Create && has("Idempotency-Replayed") => Self::Replayed,
            (200, _) if kind != Kind::Create && is_whole(kind, body) => Self::Done,
            (201, _) if kind == Kind::Create => Self::Done,
            (503, "unavailable" | "overloaded" | "not_ready" | "schema_pending")
                if has("Retry-After") =>
            {
                Self::Unavailable
            }
            (504, "outcome_unknown") if kind.is_write() => Self::Unknown,
            // The framework's own, on a connection on which it has read no head in time.
            (408, "") => Self::Late,
            _ => Self::Wrong(format!("{kind:?} was answered {status} {body}")),
        }
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Done | Self::Replayed)
    }
}

/// Whether a batch of users who are there has all of them.
fn is_whole(kind: Kind, body: &Value) -> bool {
    let users = || body["users"].as_array();
    kind != Kind::Batch || users().is_some_and(|users| !users.iter().any(Value::is_null))
}

/// A request and its answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) kind: Kind,
    pub(super) begin: Instant,
    pub(super) end: Instant,
    pub(super) what: What,
}

impl Answer {
    pub(super) fn took(&self) -> Duration {
        self.end.duration_since(self.begin)
    }
}

/// How the requests of a kind were answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) done: usize,
    pub(super) unavailable: usize,
    pub(super) late: usize,
    pub(super) unknown: usize,
    pub(super) broken: usize,
    pub(super) longest: Duration,
}

impl Tally {
    fn add(&mut self, answer: &Answer) {
        *match answer.what {
            What::Done | What::Replayed => &mut self.done,
            What::Unavailable => &mut self.unavailable,
            What::Late => &mut self.late,
            What::Unknown => &mut self.unknown,
            What::Broken(_) | What::Wrong(_) => &mut self.broken,
        } += 1;
        self.longest = self.longest.max(answer.took());
    }

    pub(super) fn failures(&self) -> usize {
        self.unavailable + self.late + self.unknown + self.broken
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = [
            (self.done, "ok"),
            (self.unavailable, "503"),
            (self.late, "408"),
            (self.unknown, "504"),
            (self.broken, "broken"),
        ];
        let told: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        let longest = self.longest.as_secs_f64();
        write!(f, "{} ({longest:.2} s)", told.join(", "))
    }
}

/// Counts answers by a property of their kinds.
pub(super) fn tallied<'a, K: Ord>(
    answers: impl Iterator<Item = &'a Answer>,
    by: impl Fn(Kind) -> K,
) -> BTreeMap<K, Tally> {
    let mut tallies: BTreeMap<K, Tally> = BTreeMap::new();
    for answer in answers {
        tallies.entry(by(answer.kind)).or_default().add(answer);
    }
    tallies
}
