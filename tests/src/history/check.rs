//! Checks a history.

mod reads;
mod writes;

use std::time::{Duration, Instant};

use super::verdict::{Counts, FailedRequest, FailuresAllowed, Limits, Verdict};
use super::{Change, ERASED, Outcome, Records, Seen, SeenVersion, UserRecords, Write};

pub(super) fn check(records: &Records, limits: &Limits) -> Verdict {
    let mut verdict = Verdict::default();
    for (id, user) in &records.users {
        let mut checker = Checker {
            id,
            user,
            records,
            limits,
            verdict: &mut verdict,
        };
        checker.count();
        checker.failed_requests();
        checker.lost_writes();
        checker.missing_in_the_end();
        checker.visible_refusals();
        checker.doubled_writes();
        checker.torn_reads();
        checker.stale_reads();
        checker.backward_reads();
    }
    let in_faults = verdict.other_replicas_in_faults.values_mut();
    for staleness in in_faults.chain([&mut verdict.own_replica, &mut verdict.other_replicas]) {
        staleness.ages.sort_unstable();
    }
    verdict
}

/// Checks the history of one user.
struct Checker<'a> {
    id: &'a str,
    user: &'a UserRecords,
    records: &'a Records,
    limits: &'a Limits,
    verdict: &'a mut Verdict,
}

impl<'a> Checker<'a> {
    fn count(&mut self) {
        let Counts {
            users,
            reads,
            failed_reads,
            acknowledged_writes,
            refused_writes,
            unavailable_writes,
            unknown_writes,
            allowed_failures: _,
        } = &mut self.verdict.counts;
        *users += 1;
        *reads += self.user.reads.len() + self.user.failed_reads.len();
        *failed_reads += self.user.failed_reads.len();
        for write in &self.user.writes {
            match write.outcome {
                Outcome::Acknowledged { .. } | Outcome::Replayed { .. } => {
                    *acknowledged_writes += 1;
                }
                Outcome::Refused => *refused_writes += 1,
                Outcome::Unavailable(_) => *unavailable_writes += 1,
                Outcome::Unknown(_) => *unknown_writes += 1,
            }
        }
    }

    fn failed_requests(&mut self) {
        for read in &self.user.failed_reads {
            if let Seen::Failed(reason) = &read.seen {
                self.failed(false, read.replica, (read.begin, read.end), reason);
            }
        }
        for write in &self.user.writes {
            if let Outcome::Unavailable(reason) | Outcome::Unknown(reason) = &write.outcome {
                self.failed(true, write.replica, (write.begin, write.end), reason);
            }
        }
    }

    fn failed(&mut self, is_write: bool, replica: usize, time: (Instant, Instant), reason: &str) {
        let allowed = match self.limits.failures {
            FailuresAllowed::Never => false,
            FailuresAllowed::InFaultPeriods => self.period_within(time.0, time.1).is_some(),
            FailuresAllowed::Always => true,
        };
        if allowed {
            self.verdict.counts.allowed_failures += 1;
            return;
        }
        self.verdict.failed_requests.push(FailedRequest {
            user: self.id.to_owned(),
            replica,
            at: self.since_start(time.0),
            is_write,
            reason: reason.to_owned(),
        });
    }

    /// The fault period that overlaps this time, or ended shortly before it.
    fn period_within(&self, begin: Instant, end: Instant) -> Option<&'a str> {
        let mut periods = self.records.periods.iter();
        let period = periods
            .find(|period| begin <= period.end + self.limits.settling && end >= period.begin);
        period.map(|period| period.name.as_str())
    }

    fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.records.start)
    }
}

impl SeenVersion {
    fn version(self) -> Option<i64> {
        match self {
            Self::Absent => None,
            Self::Version(version) => Some(version),
        }
    }
}

fn acknowledged(user: &UserRecords) -> impl Iterator<Item = (&Write, i64)> {
    user.writes.iter().filter_map(|write| match write.outcome {
        Outcome::Acknowledged { version } => Some((write, version)),
        _ => None,
    })
}

/// The writes that were certainly done, each with a version that includes it.
fn done(user: &UserRecords) -> impl Iterator<Item = (&Write, i64)> {
    user.writes.iter().filter_map(|write| match write.outcome {
        Outcome::Acknowledged { version } | Outcome::Replayed { version } => Some((write, version)),
        _ => None,
    })
}

/// The oldest and the newest version that each selected deletion can have created, unless it was certainly not done.
fn hidings(user: &UserRecords, of: impl Fn(&Write) -> bool) -> impl Iterator<Item = (i64, i64)> {
    let hidings = user
        .writes
        .iter()
        .filter(move |write| write.change == Change::Hides && of(write));
    hidings.filter_map(|hiding| match hiding.outcome {
        Outcome::Acknowledged { version } => Some((version, version)),
        Outcome::Unknown(_) | Outcome::Replayed { .. } => {
            let earlier = acknowledged(user).filter(|(write, _)| write.end < hiding.begin);
            let newest = earlier.map(|(_, version)| version).max();
            Some((newest.unwrap_or(0).saturating_add(1), ERASED))
        }
        Outcome::Refused | Outcome::Unavailable(_) => None,
    })
}
