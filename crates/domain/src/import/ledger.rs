//! The effects of the earlier lines of an import run.

use std::collections::{HashMap, HashSet};

use super::unique_values::UniqueValueIndex;
use super::{Import, ImportOutcome, Plan};
use crate::user::User;
use crate::values::{UserId, Username};

/// A value by which a record may match an existing user, in addition to id and external id.
///
/// Neither value proves that two records belong to one person. Anyone can register with an email address, and a
/// username may have been taken by another person. An operator enables one for an import that is known to be safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchBy {
    /// The email address, compared without case.
    Email,
    /// The username, compared without case.
    Username,
}

/// The state of one import run: how its records are matched, and the users of its earlier records.
///
/// A dry run also keeps the unique values that its users would have by now, because they are not in the store. This
/// takes a few hundred bytes for each user that it would create or update.
#[derive(Debug, Clone, Default)]
pub struct ImportLedger {
    /// The additional value by which records match users. By default only id and external id match.
    pub match_by: Option<MatchBy>,
    lines: HashMap<UserId, u64>,
    dry_run: DryRunState,
}

/// The data that a dry run would have written so far.
#[derive(Debug, Clone, Default)]
pub(super) struct DryRunState {
    /// The users with outdated values in the store.
    users: HashSet<UserId>,
    pub(super) index: UniqueValueIndex,
    /// The user that released each username, by key and by skeleton.
    released: HashMap<String, UserId>,
}

impl ImportLedger {
    /// Starts a run, or resumes one with the users of its earlier lines.
    pub fn new(
        match_by: Option<MatchBy>,
        earlier: impl IntoIterator<Item = (UserId, u64)>,
    ) -> Self {
        Self {
            match_by,
            lines: earlier.into_iter().collect(),
            dry_run: DryRunState::default(),
        }
    }

    /// Records the users of a batch.
    pub fn record(&mut self, batch: &[Import], outcomes: &[ImportOutcome]) {
        for (import, outcome) in batch.iter().zip(outcomes) {
            if let Ok(imported) = outcome {
                self.lines.insert(imported.id(), import.line);
            }
        }
    }

    /// Records the users of a dry-run batch and the values that it would have written.
    pub fn record_dry_run(&mut self, batch: &[Import], plan: &Plan) {
        self.record(batch, &plan.outcomes);
        for user in plan.created.iter().chain(&plan.updated) {
            self.dry_run.users.insert(user.id);
            self.dry_run.index.insert(user);
        }
        for (name, owner, _) in &plan.released {
            for text in [name.key(), name.skeleton()] {
                self.dry_run.released.insert(text.to_owned(), *owner);
            }
        }
    }

    /// The earlier line of the run with this user.
    pub(super) fn line_of(&self, user: UserId) -> Option<u64> {
        self.lines.get(&user).copied()
    }

    pub(super) fn dry_run(&self) -> &DryRunState {
        &self.dry_run
    }
}

impl DryRunState {
    /// Whether a dry run would have replaced this user's stored values.
    pub(super) fn replaces(&self, user: UserId) -> bool {
        self.users.contains(&user)
    }

    /// Whether another user released this username earlier in the dry run.
    pub(super) fn reserves(&self, name: &Username, user: &User) -> bool {
        [name.key(), name.skeleton()]
            .iter()
            .filter_map(|text| self.released.get(*text))
            .any(|owner| *owner != user.id)
    }
}
