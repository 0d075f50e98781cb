//! Decides the outcome of imported records with pure functions, the same for every store.

mod ledger;
mod planner;
mod unique_values;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

pub use ledger::{ImportLedger, MatchBy};

use crate::user::{Event, Record, User};
use crate::values::{ExternalId, PasswordHash, StoredPassword, Timestamp, UserId, Username};
use crate::write::{UniqueField, WriteContext};
use crate::{Fault, Violation};

/// The maximum number of records in a batch.
pub const MAX_IMPORT_BATCH: usize = 500;

/// A record to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The validated record.
    pub record: Record,
    /// The id of the new user if the record creates one and has no id.
    pub fresh_id: UserId,
    /// The importing actor and the time of the attempt. The precondition is ignored.
    pub context: WriteContext,
    /// The line number of the record in the file, for messages.
    pub line: u64,
}

/// The outcome of a record, or the reasons why it is rejected.
pub type ImportOutcome = Result<Imported, Vec<Fault>>;

/// The effect of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// It created this user.
    Created(UserId),
    /// It updated this user.
    Updated(UserId),
    /// This user already had the record's values.
    Unchanged(UserId),
}

impl Imported {
    /// The id of the record's user.
    pub fn id(self) -> UserId {
        match self {
            Self::Created(id) | Self::Updated(id) | Self::Unchanged(id) => id,
        }
    }
}

/// The stored data that is relevant to a batch.
#[derive(Debug, Clone, Default)]
pub struct StoreSnapshot {
    /// Each user, deleted or not, with the id, username, username skeleton, email address or external id of a record.
    pub users: Vec<User>,
    /// The released usernames with the key or skeleton of a record's username.
    pub released_usernames: Vec<ReleasedUsername>,
    /// The ids in the records that belonged to erased users.
    pub erased: HashSet<UserId>,
    /// The external ids in the records that belonged to erased users.
    pub erased_external_ids: HashSet<ExternalId>,
    /// The imported passwords of these users that have not been used yet.
    pub imported_passwords: HashMap<UserId, PasswordHash>,
}

/// A username that its user released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedUsername {
    /// The name's key.
    pub key: String,
    /// The name's skeleton.
    pub skeleton: String,
    /// The user that released it, and the only one that may take it again.
    pub owner: UserId,
    /// When it was released.
    pub released_at: Timestamp,
}

/// The writes of a batch, to be applied atomically.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The outcome of each record, in order.
    pub outcomes: Vec<ImportOutcome>,
    /// The users to create.
    pub created: Vec<User>,
    /// The users to update, each once.
    pub updated: Vec<User>,
    /// The events of the batch, in order: one for each created or updated user.
    pub events: Vec<Event>,
    /// The usernames that are released, with their user and time.
    pub released: Vec<(Username, UserId, Timestamp)>,
    /// The password hashes to store, one per user.
    pub passwords: Vec<(UserId, StoredPassword)>,
}

/// Decides the outcome of each record of a batch.
///
/// A record matches an existing user by its id, by its external id, and by the value that [`ImportLedger::match_by`]
/// allows. A record is rejected if it collides with a user that it does not match. It is also rejected if it matches or
/// collides with the user of an earlier record of the run. A record that equals the stored user changes nothing,
/// however it is matched, so repeating an import is harmless.
pub fn plan(batch: &[Import], snapshot: StoreSnapshot, ledger: &ImportLedger) -> Plan {
    planner::Planner::new(snapshot, ledger).plan(batch)
}

/// Returns the fault of a unique value that belongs to another user.
pub(crate) fn taken(field: UniqueField) -> Vec<Fault> {
    let detail = match field {
        UniqueField::Username => {
            "Belongs to another user, looks like another user's, or was released less than 90 days ago."
        }
        UniqueField::Email | UniqueField::ExternalId => "Belongs to another user.",
    };
    refused(field.as_str(), "taken", detail)
}

fn refused(path: &str, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Vec<Fault> {
    vec![fault(path, code, detail)]
}

fn fault(path: &str, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Fault {
    Fault::new(path, &Violation::new(code, detail))
}

#[cfg(test)]
mod tests;
