//! Records what concurrent clients did on several replicas, and checks the consistency guarantees.
//!
//! Clients record each write and read with its start and end. [`History::check`] finds responses that a correct service
//! cannot give. It does not depend on caches: it uses only versions and marks of users.

mod check;
mod display;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

pub use verdict::{
    BackwardRead, Counts, DoubledWrite, FailedRequest, FailuresAllowed, Limits, LostWrite,
    StaleRead, Staleness, TornRead, Verdict, VisibleRefusal,
};

/// A history of reads and writes. Clones share the same history.
#[derive(Clone)]
pub struct History {
    records: Arc<Mutex<Records>>,
}

/// An attempted write.
#[derive(Debug, Clone)]
pub struct Write {
    /// The id of the user.
    pub user: String,
    /// The replica that received the request.
    pub replica: usize,
    /// Before the request was sent.
    pub begin: Instant,
    /// After the response was read.
    pub end: Instant,
    /// The requested change.
    pub change: Change,
    /// The outcome.
    pub outcome: Outcome,
}

/// What a write changes for readers of the user. A mark is a text that is unique for each write. A retry with the same
/// idempotency key has the same mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds a mark that all later versions have too, as a metadata key.
    AddsMark(String),
    /// Sets a mark that later writes may replace, as a field of the profile.
    SetsMark(String),
    /// Deletes or erases the user. From this version on, the user is absent until a later version.
    Hides,
}

/// The outcome of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done and created this version. An erasure creates the last version, [`ERASED`].
    Acknowledged {
        /// The version.
        version: i64,
    },
    /// It had already been done with the same idempotency key, in this version or an earlier one.
    Replayed {
        /// The version in the response.
        version: i64,
    },
    /// It was refused (4xx), and certainly not done.
    Refused,
    /// The service was unavailable (503), and it was certainly not done.
    Unavailable(String),
    /// It may have been done, or may be done later (504, a lost connection).
    Unknown(String),
}

/// The version of an erasure. No later version follows.
pub const ERASED: i64 = i64::MAX;

/// A read.
#[derive(Debug, Clone)]
pub struct Read {
    /// The id of the user.
    pub user: String,
    /// The client. Its reads must be monotonic.
    pub client: usize,
    /// The replica that received the request.
    pub replica: usize,
    /// Before the request was sent.
    pub begin: Instant,
    /// After the response was read.
    pub end: Instant,
    /// The observed result.
    pub seen: Seen,
}

/// The result of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The user does not exist.
    Absent,
    /// A user.
    User {
        /// Its version.
        version: i64,
        /// Its marks.
        marks: BTreeSet<String>,
    },
    /// There was no response, or one without information about the user.
    Failed(String),
}

struct Records {
    start: Instant,
    users: BTreeMap<String, UserRecords>,
    periods: Vec<Period>,
}

#[derive(Default)]
struct UserRecords {
    writes: Vec<Write>,
    reads: Vec<RecordedRead>,
    failed_reads: Vec<Read>,
    states: BTreeMap<i64, Vec<State>>,
    last: Option<SeenVersion>,
}

/// A read without the marks, which many reads share.
struct RecordedRead {
    client: usize,
    replica: usize,
    begin: Instant,
    end: Instant,
    seen: SeenVersion,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SeenVersion {
    Absent,
    Version(i64),
}

/// The marks of a version, and the first read that saw them. A version has exactly one state, unless there is a
/// violation.
struct State {
    marks: BTreeSet<String>,
    seen_by: String,
}

struct Period {
    begin: Instant,
    end: Instant,
    name: String,
}

impl History {
    /// Creates an empty history.
    pub fn new() -> Self {
        let records = Records {
            start: Instant::now(),
            users: BTreeMap::new(),
            periods: Vec::new(),
        };
        Self {
            records: Arc::new(Mutex::new(records)),
        }
    }

    /// Executes a write and records it. If it is cancelled, its outcome is recorded as unknown.
    pub async fn write(
        &self,
        user: &str,
        replica: usize,
        change: Change,
        request: impl Future<Output = Outcome>,
    ) -> Outcome {
        let now = Instant::now();
        let mut open = OpenWrite {
            history: self,
            write: Write {
                user: user.to_owned(),
                replica,
                begin: now,
                end: now,
                change,
                outcome: Outcome::Unknown("the client disconnected".to_owned()),
            },
        };
        let outcome = request.await;
        open.write.outcome = outcome.clone();
        outcome
    }

    /// Executes a read and records it.
    pub async fn read(
        &self,
        user: &str,
        client: usize,
        replica: usize,
        request: impl Future<Output = Seen>,
    ) -> Seen {
        let begin = Instant::now();
        let seen = request.await;
        self.record_read(Read {
            user: user.to_owned(),
            client,
            replica,
            begin,
            end: Instant::now(),
            seen: seen.clone(),
        });
        seen
    }

    /// Runs work during a fault, and records the fault period.
    pub async fn during<T>(&self, name: &str, work: impl Future<Output = T>) -> T {
        let begin = Instant::now();
        let output = work.await;
        self.fault_period(begin, Instant::now(), name);
        output
    }

    /// Records a write.
    pub fn record_write(&self, write: Write) {
        let mut records = self.records();
        let user = records.users.entry(write.user.clone()).or_default();
        user.writes.push(write);
    }

    /// Records a read.
    pub fn record_read(&self, read: Read) {
        let mut records = self.records();
        let at = read.end.saturating_duration_since(records.start);
        let user = records.users.entry(read.user.clone()).or_default();
        let seen = match read.seen {
            Seen::Failed(_) => return user.failed_reads.push(read),
            Seen::Absent => SeenVersion::Absent,
            Seen::User { version, marks } => user.keep(version, marks, || {
                format!(
                    "client {} at replica {} {:.3} s after the start",
                    read.client,
                    read.replica,
                    at.as_secs_f64()
                )
            }),
        };
        user.reads.push(RecordedRead {
            client: read.client,
            replica: read.replica,
            begin: read.begin,
            end: read.end,
            seen,
        });
    }

    /// Records the final state of a user in the database, when no request is in progress.
    pub fn record_last(&self, user: &str, seen: Seen) {
        if let Seen::Failed(reason) = &seen {
            panic!("the final state of user {user} is unknown: {reason}");
        }
        let mut records = self.records();
        let user = records.users.entry(user.to_owned()).or_default();
        user.last = Some(match seen {
            Seen::User { version, marks } => {
                user.keep(version, marks, || "the final state".to_owned())
            }
            Seen::Absent | Seen::Failed(_) => SeenVersion::Absent,
        });
    }

    /// Records a fault from `begin` to `end`. Reads that start in this period or soon after may be staler.
    pub fn fault_period(&self, begin: Instant, end: Instant, name: &str) {
        self.records().periods.push(Period {
            begin,
            end,
            name: name.to_owned(),
        });
    }

    /// Checks the records.
    pub fn check(&self, limits: &Limits) -> Verdict {
        check::check(&self.records(), limits)
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap()
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl UserRecords {
    /// Records the state of a version, if it is new.
    fn keep(
        &mut self,
        version: i64,
        marks: BTreeSet<String>,
        seen_by: impl FnOnce() -> String,
    ) -> SeenVersion {
        let states = self.states.entry(version).or_default();
        if !states.iter().any(|state| state.marks == marks) {
            let seen_by = seen_by();
            states.push(State { marks, seen_by });
        }
        SeenVersion::Version(version)
    }
}

/// Records its write when it is dropped, also after a cancellation.
struct OpenWrite<'a> {
    history: &'a History,
    write: Write,
}

impl Drop for OpenWrite<'_> {
    fn drop(&mut self) {
        self.write.end = Instant::now();
        self.history.record_write(self.write.clone());
    }
}

impl Outcome {
    /// Returns the outcome for a status and the version in the response.
    pub fn from_status(status: u16, version: i64) -> Self {
        match status {
            200..=299 => Self::Acknowledged { version },
            400..=499 => Self::Refused,
            503 => Self::Unavailable("503".to_owned()),
            _ => Self::Unknown(status.to_string()),
        }
    }
}

impl Seen {
    /// Returns the result for a status, and the version and the marks in the response.
    pub fn from_status(status: u16, version: i64, marks: BTreeSet<String>) -> Self {
        match status {
            200 => Self::User { version, marks },
            404 => Self::Absent,
            _ => Self::Failed(status.to_string()),
        }
    }
}

impl Change {
    /// The mark of the write, if it has one.
    fn mark(&self) -> Option<&str> {
        match self {
            Self::AddsMark(mark) | Self::SetsMark(mark) => Some(mark),
            Self::Hides => None,
        }
    }
}
