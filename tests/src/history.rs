//! What concurrent clients did on several replicas, and whether the replicas kept their promises to them.
//!
//! Clients note each write and each read with the instants between which it happened; [`History::judge`] looks for what
//! no right service could have answered. It knows nothing of caches: a version and the marks of a user are all it sees.

mod judge;
mod show;
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

/// A history that grows. Its clones are one history.
#[derive(Clone)]
pub struct History {
    records: Arc<Mutex<Records>>,
}

/// A write that was tried.
#[derive(Debug, Clone)]
pub struct Write {
    /// The user's id.
    pub user: String,
    /// The replica that was asked.
    pub replica: usize,
    /// Before the request was sent.
    pub begin: Instant,
    /// After its answer was read.
    pub end: Instant,
    /// What it was to change.
    pub change: Change,
    /// What became of it.
    pub outcome: Outcome,
}

/// What a write changes for those who read the user. A mark is text that no other write leaves; a write that is sent again
/// under the same idempotency key leaves the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Leaves a mark that each later version has too, as a key of the metadata.
    Keeps(String),
    /// Leaves a mark that the next write may replace, as a text of the profile.
    Sets(String),
    /// Deletes or erases: from its version on the user is absent, until a later version is there.
    Hides,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, and made this version. (An erasure makes none: it is the last, [`ERASED`].)
    Acknowledged {
        /// The version.
        version: i64,
    },
    /// It had been done already, under the same idempotency key, in this version or an earlier one.
    Replayed {
        /// The version that the answer shows.
        version: i64,
    },
    /// It was refused by a rule (4xx), and certainly not done.
    Refused,
    /// It was not tried (503), and certainly not done.
    Unavailable(String),
    /// It may be done, now or later (504, a lost connection).
    Unknown(String),
}

/// The version that an erasure makes: no later one follows.
pub const ERASED: i64 = i64::MAX;

/// A read.
#[derive(Debug, Clone)]
pub struct Read {
    /// The user's id.
    pub user: String,
    /// The client that read; one that reads in order may ask that it is never led back.
    pub client: usize,
    /// The replica that was asked.
    pub replica: usize,
    /// Before the request was sent.
    pub begin: Instant,
    /// After its answer was read.
    pub end: Instant,
    /// What was seen.
    pub seen: Seen,
}

/// What a read saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nobody.
    Absent,
    /// A user.
    User {
        /// Its version.
        version: i64,
        /// The marks that it had.
        marks: BTreeSet<String>,
    },
    /// Nothing: there was no answer, or one that tells nothing of the user.
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
    reads: Vec<Sighting>,
    failed_reads: Vec<Read>,
    states: BTreeMap<i64, Vec<State>>,
    last: Option<Sight>,
}

/// A read without the marks, which many reads have in common.
struct Sighting {
    client: usize,
    replica: usize,
    begin: Instant,
    end: Instant,
    sight: Sight,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sight {
    Absent,
    Version(i64),
}

/// The marks that a version was seen with, and who saw them first. A version has one state, unless something is wrong.
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
    /// Begins an empty history.
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

    /// Makes a write and records it. A write that is dropped before it ends is recorded as unknown.
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
                outcome: Outcome::Unknown("the client left".to_owned()),
            },
        };
        let outcome = request.await;
        open.write.outcome = outcome.clone();
        outcome
    }

    /// Makes a read and records it.
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

    /// Does something while a fault lasts, and records the period.
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
        let sight = match read.seen {
            Seen::Failed(_) => return user.failed_reads.push(read),
            Seen::Absent => Sight::Absent,
            Seen::User { version, marks } => user.keep(version, marks, || {
                format!(
                    "client {} at replica {} {:.3} s after the start",
                    read.client,
                    read.replica,
                    at.as_secs_f64()
                )
            }),
        };
        user.reads.push(Sighting {
            client: read.client,
            replica: read.replica,
            begin: read.begin,
            end: read.end,
            sight,
        });
    }

    /// Records how a user was in the end, as the database has it, when nothing is under way any more.
    pub fn record_last(&self, user: &str, seen: Seen) {
        if let Seen::Failed(reason) = &seen {
            panic!("how user {user} was in the end is unknown: {reason}");
        }
        let mut records = self.records();
        let user = records.users.entry(user.to_owned()).or_default();
        user.last = Some(match seen {
            Seen::User { version, marks } => user.keep(version, marks, || "the end".to_owned()),
            Seen::Absent | Seen::Failed(_) => Sight::Absent,
        });
    }

    /// Records that a fault lasted from `begin` to `end`: reads that begin then, or soon after, may be staler.
    pub fn fault_period(&self, begin: Instant, end: Instant, name: &str) {
        self.records().periods.push(Period {
            begin,
            end,
            name: name.to_owned(),
        });
    }

    /// Judges what has been recorded until now.
    pub fn judge(&self, limits: &Limits) -> Verdict {
        judge::judge(&self.records(), limits)
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
    /// Keeps the state that a version was seen with, if it is new.
    fn keep(
        &mut self,
        version: i64,
        marks: BTreeSet<String>,
        seen_by: impl FnOnce() -> String,
    ) -> Sight {
        let states = self.states.entry(version).or_default();
        if !states.iter().any(|state| state.marks == marks) {
            let seen_by = seen_by();
            states.push(State { marks, seen_by });
        }
        Sight::Version(version)
    }
}

/// Records its write when it is dropped, however that comes.
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
    /// What an answer's status tells of a write; the version is that of the answer.
    pub fn answered(status: u16, version: i64) -> Self {
        match status {
            200..=299 => Self::Acknowledged { version },
            400..=499 => Self::Refused,
            503 => Self::Unavailable("503".to_owned()),
            _ => Self::Unknown(status.to_string()),
        }
    }
}

impl Seen {
    /// What an answer's status tells of a read; the version and the marks are those of the answer.
    pub fn answered(status: u16, version: i64, marks: BTreeSet<String>) -> Self {
        match status {
            200 => Self::User { version, marks },
            404 => Self::Absent,
            _ => Self::Failed(status.to_string()),
        }
    }
}

impl Change {
    /// The mark that the write leaves, if it leaves one.
    fn mark(&self) -> Option<&str> {
        match self {
            Self::Keeps(mark) | Self::Sets(mark) => Some(mark),
            Self::Hides => None,
        }
    }
}
