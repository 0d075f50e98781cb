//! Checks writes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, acknowledged, done, hidings};
use crate::history::verdict::{DoubledWrite, LostWrite, TornRead, VisibleRefusal};
use crate::history::{Change, Outcome, SeenVersion, UserRecords, Write};

impl Checker<'_> {
    /// Finds writes that are missing in a version that was seen and must include them.
    pub(super) fn lost_writes(&mut self) {
        for (write, version) in acknowledged(self.user) {
            let missing = match &write.change {
                Change::AddsMark(mark) => self.seen_without(mark, version..=i64::MAX),
                Change::SetsMark(mark) => self.seen_without(mark, version..=version),
                Change::Hides => self.seen_without_any(version),
            };
            self.lost(write, version, missing);
        }
        for (write, version) in done(self.user) {
            if let (Change::AddsMark(mark), Outcome::Replayed { .. }) =
                (&write.change, &write.outcome)
            {
                self.lost(write, version, self.seen_without(mark, version..=i64::MAX));
            }
        }
        let settled = marks(self.user, |outcome| {
            matches!(outcome, Outcome::Acknowledged { .. })
        });
        for write in &self.user.writes {
            let (Change::AddsMark(mark), Outcome::Unknown(_)) = (&write.change, &write.outcome)
            else {
                continue;
            };
            let Some(seen) = self.seen_with(mark, i64::MIN..=i64::MAX) else {
                continue;
            };
            if !settled.contains(mark.as_str()) {
                self.lost(write, seen.0, self.seen_without(mark, seen.0..=i64::MAX));
            }
        }
    }

    /// Finds acknowledged writes that are missing in the final state.
    pub(super) fn missing_in_the_end(&mut self) {
        let Some(last) = self.user.last else {
            return;
        };
        let (reached, name) = match last {
            SeenVersion::Version(version) => (
                version,
                format!("the final state, which is version {version}"),
            ),
            SeenVersion::Absent => {
                let hidden = hidings(self.user, |_| true).map(|(_, high)| high).max();
                (
                    hidden.unwrap_or(0),
                    "the final state, in which the user is absent".to_owned(),
                )
            }
        };
        for (write, version) in done(self.user) {
            self.lost(write, version, (version > reached).then(|| name.clone()));
        }
    }

    fn lost(&mut self, write: &Write, version: i64, missing: Option<String>) {
        let Some(missing) = missing else {
            return;
        };
        self.verdict.lost_writes.push(LostWrite {
            user: self.id.to_owned(),
            mark: write.change.mark().unwrap_or_default().to_owned(),
            version,
            missing,
        });
    }

    pub(super) fn visible_refusals(&mut self) {
        let certainly_not_done =
            |outcome: &Outcome| matches!(outcome, Outcome::Refused | Outcome::Unavailable(_));
        let refused = marks(self.user, certainly_not_done);
        // Another attempt at the same write may have been done.
        let perhaps_done = marks(self.user, |outcome| !certainly_not_done(outcome));
        for mark in refused.difference(&perhaps_done) {
            if let Some((version, seen_by)) = self.seen_with(mark, i64::MIN..=i64::MAX) {
                self.verdict.visible_refusals.push(VisibleRefusal {
                    user: self.id.to_owned(),
                    mark: (*mark).to_owned(),
                    version,
                    seen_by,
                });
            }
        }
    }

    pub(super) fn doubled_writes(&mut self) {
        let mut by_version: BTreeMap<i64, &Change> = BTreeMap::new();
        let mut by_mark: BTreeMap<&str, i64> = BTreeMap::new();
        let describe = |change: &Change, version: i64| format!("{change:?} made version {version}");
        for (write, version) in acknowledged(self.user) {
            let other = *by_version.entry(version).or_insert(&write.change);
            let first = write
                .change
                .mark()
                .map_or(version, |mark| *by_mark.entry(mark).or_insert(version));
            let contradiction = if *other != write.change {
                describe(other, version)
            } else if first != version {
                describe(&write.change, first)
            } else {
                continue;
            };
            self.verdict.doubled_writes.push(DoubledWrite {
                user: self.id.to_owned(),
                acknowledged: [contradiction, describe(&write.change, version)],
            });
        }
    }

    pub(super) fn torn_reads(&mut self) {
        for (version, states) in &self.user.states {
            if let [first, second, ..] = states.as_slice() {
                let difference: Vec<_> = first.marks.symmetric_difference(&second.marks).collect();
                let what = format!(
                    "differs by {difference:?} between {} and {}",
                    first.seen_by, second.seen_by
                );
                self.torn(*version, what);
            }
        }
        for (write, version) in acknowledged(self.user) {
            let Some(mark) = write.change.mark() else {
                continue;
            };
            if let Some((seen, seen_by)) = self.seen_with(mark, i64::MIN..version) {
                let what = format!("has mark {mark:?} of version {version} for {seen_by}");
                self.torn(seen, what);
            }
        }
    }

    fn torn(&mut self, version: i64, what: String) {
        let user = self.id.to_owned();
        self.verdict.torn_reads.push(TornRead {
            user,
            version,
            what,
        });
    }

    /// The first version in a range that was seen with a mark, and the read that saw it.
    fn seen_with(&self, mark: &str, of: impl Versions) -> Option<(i64, String)> {
        let mut states = self.user.states.range(of);
        states.find_map(|(version, states)| {
            let state = states.iter().find(|state| state.marks.contains(mark))?;
            Some((*version, state.seen_by.clone()))
        })
    }

    /// A description of the first version in a range that was seen without a mark.
    fn seen_without(&self, mark: &str, of: impl Versions) -> Option<String> {
        let mut states = self.user.states.range(of);
        states.find_map(|(version, states)| {
            let state = states.iter().find(|state| !state.marks.contains(mark))?;
            Some(format!("version {version}, seen by {}", state.seen_by))
        })
    }

    /// A description of the version of a deletion, if it was seen.
    fn seen_without_any(&self, version: i64) -> Option<String> {
        let state = self.user.states.get(&version)?.first()?;
        Some(format!("version {version}, seen by {}", state.seen_by))
    }
}

trait Versions: std::ops::RangeBounds<i64> {}
impl<T: std::ops::RangeBounds<i64>> Versions for T {}

fn marks(user: &UserRecords, of: impl Fn(&Outcome) -> bool) -> BTreeSet<&str> {
    let writes = user.writes.iter().filter(|write| of(&write.outcome));
    writes.filter_map(|write| write.change.mark()).collect()
}
