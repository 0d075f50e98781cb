//! Tests that the checker finds each kind of violation and accepts valid histories.

mod reads;
mod writes;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Change, FailuresAllowed, History, Limits, Outcome, Read, Seen, Verdict, Write};

const USER: &str = "alice";

/// A history of one user, with times in milliseconds since its start.
struct TestHistory {
    history: History,
    start: Instant,
}

fn history() -> TestHistory {
    TestHistory {
        history: History::new(),
        start: Instant::now(),
    }
}

fn keeps(mark: &str) -> Change {
    Change::AddsMark(mark.to_owned())
}

fn sets(mark: &str) -> Change {
    Change::SetsMark(mark.to_owned())
}

fn done(version: i64) -> Outcome {
    Outcome::Acknowledged { version }
}

fn unknown() -> Outcome {
    Outcome::Unknown("504".to_owned())
}

fn unavailable() -> Outcome {
    Outcome::Unavailable("503".to_owned())
}

/// A version of the user with these marks, separated by spaces.
fn user(version: i64, marks: &str) -> Seen {
    Seen::User {
        version,
        marks: marks.split_whitespace().map(str::to_owned).collect(),
    }
}

fn failed() -> Seen {
    Seen::Failed("503".to_owned())
}

impl TestHistory {
    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn write(self, replica: usize, time: [u64; 2], change: Change, outcome: Outcome) -> Self {
        self.history.record_write(Write {
            user: USER.to_owned(),
            replica,
            begin: self.at(time[0]),
            end: self.at(time[1]),
            change,
            outcome,
        });
        self
    }

    fn read(self, client: usize, replica: usize, time: [u64; 2], seen: Seen) -> Self {
        self.history.record_read(Read {
            user: USER.to_owned(),
            client,
            replica,
            begin: self.at(time[0]),
            end: self.at(time[1]),
            seen,
        });
        self
    }

    fn last(self, seen: Seen) -> Self {
        self.history.record_last(USER, seen);
        self
    }

    fn fault(self, time: [u64; 2], name: &str) -> Self {
        let [begin, end] = time.map(|millis| self.at(millis));
        self.history.fault_period(begin, end, name);
        self
    }

    fn verdict(&self) -> Verdict {
        self.history.check(&Limits::default())
    }

    fn allowing(&self, failures: FailuresAllowed) -> Verdict {
        let limits = Limits {
            failures,
            ..Limits::default()
        };
        self.history.check(&limits)
    }

    #[track_caller]
    fn assert_valid(&self) {
        self.allowing(FailuresAllowed::Always).assert_clean();
    }
}

/// Two versions through replica 0: `a` from 10 to 20 ms, `b` from 100 to 120 ms.
fn two_versions() -> TestHistory {
    history()
        .write(0, [10, 20], keeps("a"), done(1))
        .write(0, [100, 120], keeps("b"), done(2))
}

/// Asserts that a verdict has exactly one violation, which is in this list.
#[track_caller]
fn assert_only<T>(verdict: &Verdict, violations: &[T]) {
    assert_eq!(
        (violations.len(), verdict.violations()),
        (1, 1),
        "{verdict}"
    );
}

#[test]
fn an_empty_history_is_valid() {
    history().assert_valid();
    assert_eq!(history().verdict().other_replicas.p99(), Duration::ZERO);
}

#[test]
fn a_sequential_history_is_valid() {
    let history = two_versions()
        .read(1, 0, [30, 35], user(1, "a"))
        .read(2, 1, [30, 35], user(1, "a"))
        .read(1, 0, [121, 125], user(2, "a b"))
        .read(2, 1, [180, 185], user(2, "a b"))
        .last(user(2, "a b"));
    history.verdict().assert_clean();
}

#[test]
fn percentiles_include_only_stale_reads() {
    let mut history = two_versions();
    for n in 1..=200 {
        history = history.read(1, 1, [120 + n, 400], user(1, "a"));
    }
    let verdict = history.read(1, 1, [300, 301], user(2, "a b")).verdict();
    let staleness = &verdict.other_replicas;
    assert_eq!((staleness.reads, staleness.stale()), (201, 200));
    let [median, p99, max] = [100, 198, 200].map(Duration::from_millis);
    assert_eq!(staleness.median(), median);
    assert_eq!((staleness.p99(), staleness.max()), (p99, max));
    assert_eq!(verdict.stale_elsewhere.len(), 150);
}

#[test]
fn a_verdict_displays_the_first_violations_of_each_kind() {
    let mut history = two_versions().last(user(2, "b"));
    for n in 1..=7 {
        history = history.read(1, 0, [120 + n, 130], user(1, "a"));
    }
    let history = history
        .fault([500, 600], "no Redis")
        .read(1, 1, [600, 601], user(1, "a"));
    let shown = history.verdict().to_string();
    for part in [
        "8 violations in 8 reads of 1 users",
        "reads after a write through another replica, no Redis: 1 of 1 stale, median 480.0 ms",
        "lost writes: 1\n  - user alice, version 1, mark \"a\": missing in version 2, seen by the final state",
        "stale on the replica of the writer: 7\n  - user alice, client 1 at replica 0",
        "saw version 1, 1.0 ms too old\n",
        "  - and 2 more",
    ] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
}

#[tokio::test]
async fn a_cancelled_write_is_recorded_as_unknown() {
    let history = History::new();
    let clone = history.clone();
    let write = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Outcome::from_status(201, 1)
    };
    clone.write(USER, 0, keeps("a"), write).await;
    let never = clone.write(USER, 0, Change::Hides, std::future::pending());
    let left = tokio::time::timeout(Duration::from_millis(5), never).await;
    assert!(left.is_err());
    let marks = BTreeSet::from(["a".to_owned()]);
    let read = async { Seen::from_status(404, 0, marks) };
    let work = clone.read(USER, 1, 0, read);
    assert_eq!(history.during("no Redis", work).await, Seen::Absent);

    let verdict = with_history(history).allowing(FailuresAllowed::Always);
    verdict.assert_clean();
    let counts = &verdict.counts;
    assert_eq!((counts.reads, counts.acknowledged_writes), (1, 1));
    assert_eq!((counts.unknown_writes, counts.allowed_failures), (1, 1));
    assert_eq!(verdict.own_replica.reads, 1);
}

fn with_history(history: History) -> TestHistory {
    TestHistory {
        history,
        start: Instant::now(),
    }
}

#[test]
fn statuses_determine_outcomes() {
    let none = BTreeSet::new;
    assert_eq!(Outcome::from_status(200, 7), done(7));
    assert_eq!(Outcome::from_status(412, 0), Outcome::Refused);
    assert_eq!(Outcome::from_status(503, 0), unavailable());
    assert_eq!(Outcome::from_status(504, 0), unknown());
    assert_eq!(Seen::from_status(200, 7, none()), user(7, ""));
    assert_eq!(Seen::from_status(404, 0, none()), Seen::Absent);
    assert_eq!(Seen::from_status(503, 0, none()), failed());
}
