//! That the judge catches each kind of fault and convicts nobody who is right.

mod reads;
mod writes;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Change, FailuresAllowed, History, Limits, Outcome, Read, Seen, Verdict, Write};

const USER: &str = "alice";

/// A history of one user whose instants are milliseconds since its start.
struct Told {
    history: History,
    start: Instant,
}

fn told() -> Told {
    Told {
        history: History::new(),
        start: Instant::now(),
    }
}

fn keeps(mark: &str) -> Change {
    Change::Keeps(mark.to_owned())
}

fn sets(mark: &str) -> Change {
    Change::Sets(mark.to_owned())
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

/// A user's version with marks that are separated by blanks.
fn user(version: i64, marks: &str) -> Seen {
    Seen::User {
        version,
        marks: marks.split_whitespace().map(str::to_owned).collect(),
    }
}

fn failed() -> Seen {
    Seen::Failed("503".to_owned())
}

impl Told {
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
        self.history.judge(&Limits::default())
    }

    fn allowing(&self, failures: FailuresAllowed) -> Verdict {
        let limits = Limits {
            failures,
            ..Limits::default()
        };
        self.history.judge(&limits)
    }

    #[track_caller]
    fn is_right(&self) {
        self.allowing(FailuresAllowed::Always).assert_clean();
    }
}

/// Two versions: `a` made by replica 0 until 20 ms, `b` by replica 0 from 100 to 120 ms.
fn two_versions() -> Told {
    told()
        .write(0, [10, 20], keeps("a"), done(1))
        .write(0, [100, 120], keeps("b"), done(2))
}

/// Holds a verdict to have found one fault.
#[track_caller]
fn assert_only<T>(verdict: &Verdict, faults: &[T]) {
    assert_eq!((faults.len(), verdict.faults()), (1, 1), "{verdict}");
}

#[test]
fn an_empty_history_is_right() {
    told().is_right();
    assert_eq!(told().verdict().other_replicas.p99(), Duration::ZERO);
}

#[test]
fn a_history_in_order_is_right() {
    let told = two_versions()
        .read(1, 0, [30, 35], user(1, "a"))
        .read(2, 1, [30, 35], user(1, "a"))
        .read(1, 0, [121, 125], user(2, "a b"))
        .read(2, 1, [180, 185], user(2, "a b"))
        .last(user(2, "a b"));
    told.verdict().assert_clean();
}

#[test]
fn percentiles_are_of_the_stale_reads() {
    let mut told = two_versions();
    for n in 1..=200 {
        told = told.read(1, 1, [120 + n, 400], user(1, "a"));
    }
    let verdict = told.read(1, 1, [300, 301], user(2, "a b")).verdict();
    let staleness = &verdict.other_replicas;
    assert_eq!((staleness.reads, staleness.stale()), (201, 200));
    let [median, p99, max] = [100, 198, 200].map(Duration::from_millis);
    assert_eq!(staleness.median(), median);
    assert_eq!((staleness.p99(), staleness.max()), (p99, max));
    assert_eq!(verdict.stale_elsewhere.len(), 150);
}

#[test]
fn a_verdict_shows_the_first_of_each_fault() {
    let mut told = two_versions().last(user(2, "b"));
    for n in 1..=7 {
        told = told.read(1, 0, [120 + n, 130], user(1, "a"));
    }
    let told = told
        .fault([500, 600], "no Redis")
        .read(1, 1, [600, 601], user(1, "a"));
    let shown = told.verdict().to_string();
    for part in [
        "8 faults in 8 reads of 1 users",
        "read after a write of another, no Redis: 1 of 1 stale, median 480.0 ms",
        "lost writes: 1\n  - user alice, version 1, mark \"a\": missing in version 2, seen by the end",
        "stale on the writer's own replica: 7\n  - user alice, client 1 at replica 0",
        "saw version 1, 1.0 ms too old\n",
        "  - and 2 more",
    ] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
}

#[tokio::test]
async fn requests_are_recorded_with_their_times_and_a_dropped_write_as_unknown() {
    let history = History::new();
    let clone = history.clone();
    let write = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Outcome::answered(201, 1)
    };
    clone.write(USER, 0, keeps("a"), write).await;
    let never = clone.write(USER, 0, Change::Hides, std::future::pending());
    let left = tokio::time::timeout(Duration::from_millis(5), never).await;
    assert!(left.is_err());
    let marks = BTreeSet::from(["a".to_owned()]);
    let read = async { Seen::answered(404, 0, marks) };
    let work = clone.read(USER, 1, 0, read);
    assert_eq!(history.during("no Redis", work).await, Seen::Absent);

    let verdict = told_by(history).allowing(FailuresAllowed::Always);
    verdict.assert_clean();
    let counts = &verdict.counts;
    assert_eq!((counts.reads, counts.acknowledged_writes), (1, 1));
    assert_eq!((counts.unknown_writes, counts.allowed_failures), (1, 1));
    assert_eq!(verdict.own_replica.reads, 1);
}

fn told_by(history: History) -> Told {
    Told {
        history,
        start: Instant::now(),
    }
}

#[test]
fn statuses_tell_outcomes() {
    let none = BTreeSet::new;
    assert_eq!(Outcome::answered(200, 7), done(7));
    assert_eq!(Outcome::answered(412, 0), Outcome::Refused);
    assert_eq!(Outcome::answered(503, 0), unavailable());
    assert_eq!(Outcome::answered(504, 0), unknown());
    assert_eq!(Seen::answered(200, 7, none()), user(7, ""));
    assert_eq!(Seen::answered(404, 0, none()), Seen::Absent);
    assert_eq!(Seen::answered(503, 0, none()), failed());
}
