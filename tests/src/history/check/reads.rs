//! Checks reads.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Checker, acknowledged, done, hidings};
use crate::history::verdict::{BackwardRead, StaleRead};
use crate::history::{Change, RecordedRead, SeenVersion, UserRecords};

impl Checker<'_> {
    pub(super) fn stale_reads(&mut self) {
        let acknowledgements = Acknowledgements::of(self.user);
        for read in &self.user.reads {
            let (_, newest) = self.versions(read);
            let here = |replica| replica == read.replica;
            let elsewhere = |replica| replica != read.replica;
            let age = |of: &dyn Fn(usize) -> bool, version| {
                let since = acknowledgements.earliest_above(version, of)?;
                let age = read.begin.saturating_duration_since(since);
                (!age.is_zero()).then_some(age)
            };

            if age(&here, i64::MIN).is_some() {
                self.verdict.own_replica.reads += 1;
            }
            if let Some(age) = age(&here, newest) {
                self.verdict.own_replica.ages.push(age);
                let stale = self.stale(read, age);
                self.verdict.stale_on_own_replica.push(stale);
            }
            if age(&elsewhere, i64::MIN).is_none() {
                continue;
            }
            let period = self.period_within(read.begin, read.begin);
            let limit = period.map_or(self.limits.healthy, |_| self.limits.in_faults);
            let in_faults = &mut self.verdict.other_replicas_in_faults;
            let staleness = match period {
                Some(name) => in_faults.entry(name.to_owned()).or_default(),
                None => &mut self.verdict.other_replicas,
            };
            staleness.reads += 1;
            if let Some(age) = age(&elsewhere, newest) {
                staleness.ages.push(age);
                if age > limit {
                    let stale = self.stale(read, age);
                    self.verdict.stale_elsewhere.push(stale);
                }
            }
        }
    }

    fn stale(&self, read: &RecordedRead, age: Duration) -> StaleRead {
        let period = self.period_within(read.begin, read.begin);
        StaleRead {
            user: self.id.to_owned(),
            client: read.client,
            replica: read.replica,
            at: self.since_start(read.begin),
            seen: read.seen.version(),
            age,
            period: period.map(str::to_owned),
        }
    }

    pub(super) fn backward_reads(&mut self) {
        let mut views: BTreeMap<(usize, usize), Vec<&RecordedRead>> = BTreeMap::new();
        for read in &self.user.reads {
            views
                .entry((read.client, read.replica))
                .or_default()
                .push(read);
        }
        for mut by_begin in views.into_values() {
            let mut by_end = by_begin.clone();
            by_begin.sort_unstable_by_key(|read| read.begin);
            by_end.sort_unstable_by_key(|read| read.end);
            let mut ended = by_end.into_iter().peekable();
            let mut before = i64::MIN;
            for read in by_begin {
                while let Some(earlier) = ended.next_if(|earlier| earlier.end < read.begin) {
                    before = before.max(self.versions(earlier).0);
                }
                if self.versions(read).1 < before {
                    self.verdict.backward_reads.push(BackwardRead {
                        user: self.id.to_owned(),
                        client: read.client,
                        replica: read.replica,
                        at: self.since_start(read.begin),
                        before,
                        seen: read.seen.version(),
                    });
                }
            }
        }
    }

    /// The oldest and the newest version that a read can have seen. They differ only if the user was absent: the read
    /// then saw the state before the creation, or after any deletion that had started.
    fn versions(&self, read: &RecordedRead) -> (i64, i64) {
        let SeenVersion::Absent = read.seen else {
            let version = read.seen.version().unwrap_or_default();
            return (version, version);
        };
        let started_deletions = || hidings(self.user, |hiding| hiding.begin < read.end);
        let newest = started_deletions()
            .map(|(_, newest)| newest)
            .max()
            .unwrap_or(0);
        let known = acknowledged(self.user)
            .any(|(write, _)| write.change != Change::Hides && write.end < read.begin);
        let oldest = started_deletions()
            .map(|(oldest, _)| oldest)
            .min()
            .filter(|_| known);
        (oldest.unwrap_or(0), newest)
    }
}

/// When each replica acknowledged which versions.
struct Acknowledgements(BTreeMap<usize, Vec<(i64, Instant)>>);

impl Acknowledgements {
    /// The versions in ascending order, each with the earliest acknowledgement of it or of a later version.
    fn of(user: &UserRecords) -> Self {
        let mut replicas: BTreeMap<usize, Vec<(i64, Instant)>> = BTreeMap::new();
        for (write, version) in done(user) {
            let versions = replicas.entry(write.replica).or_default();
            versions.push((version, write.end));
        }
        for versions in replicas.values_mut() {
            versions.sort_unstable();
            let mut earliest = None;
            for (_, end) in versions.iter_mut().rev() {
                let until_now = earliest.unwrap_or(*end).min(*end);
                *end = until_now;
                earliest = Some(until_now);
            }
        }
        Self(replicas)
    }

    fn earliest_above(&self, version: i64, of: &dyn Fn(usize) -> bool) -> Option<Instant> {
        let replicas = self.0.iter().filter(|(replica, _)| of(**replica));
        let earliest = replicas.filter_map(|(_, versions)| {
            let above = versions.partition_point(|(other, _)| *other <= version);
            versions.get(above).map(|(_, end)| *end)
        });
        earliest.min()
    }
}
