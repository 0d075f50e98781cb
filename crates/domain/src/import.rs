//! What becomes of imported records: decided here, by pure functions, for every store.

use std::collections::{HashMap, HashSet};

use crate::user::{Applied, Change, ChangeRefused, Event, Field, PasswordWrite, Record, User};
use crate::values::{PasswordHash, StoredPassword, Timestamp, UserId, Username};
use crate::write::{NAME_REST, UniqueField, WriteContext};
use crate::{Fault, Violation};

/// The most records of one batch.
pub const MAX_IMPORT_BATCH: usize = 500;

/// A record on its way into a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The user.
    pub record: Record,
    /// The id that the user gets if the record makes one and has none.
    pub fresh_id: UserId,
    /// Who imports, and when it is tried; conditions are not looked at.
    pub context: WriteContext,
}

/// What became of a record; a refused one has the reasons.
pub type ImportOutcome = Result<Imported, Vec<Fault>>;

/// What a record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// It made this user.
    Created(UserId),
    /// It changed this user.
    Updated(UserId),
    /// This user was as it says.
    Unchanged(UserId),
}

/// What a store holds that matters to a batch.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Each user, deleted or not, that has the id, username, look-alike of the username, address or external id of a
    /// record.
    pub users: Vec<User>,
    /// Each name of the records, or look-alike of one, that was given up.
    pub resting: Vec<RestingName>,
    /// The ids of the records that users had who were erased.
    pub erased: HashSet<UserId>,
    /// The passwords of these users that were imported, and not used since.
    pub imported_passwords: HashMap<UserId, PasswordHash>,
}

/// A name that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestingName {
    /// The name's key.
    pub key: String,
    /// The name's skeleton.
    pub skeleton: String,
    /// Who gave it up, and alone may take it back.
    pub owner: UserId,
    /// When.
    pub since: Timestamp,
}

/// What a store is to write for a batch, all or nothing.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What becomes of each record, in order.
    pub outcomes: Vec<ImportOutcome>,
    /// The users that are made, as the whole batch leaves them.
    pub created: Vec<User>,
    /// The users that are changed, as the whole batch leaves them.
    pub updated: Vec<User>,
    /// The events of the batch, in order.
    pub events: Vec<Event>,
    /// Names that are given up: by whom and when.
    pub released: Vec<(Username, UserId, Timestamp)>,
    /// The passwords that are taken over, one a user.
    pub passwords: Vec<(UserId, StoredPassword)>,
}

/// Decides what becomes of each record of a batch; a later one sees what an earlier one does.
pub fn plan(batch: &[Import], known: Known) -> Plan {
    let mut planner = Planner::new(known);
    for import in batch {
        let outcome = planner.decide(import);
        planner.plan.outcomes.push(outcome);
    }
    planner.finish()
}

/// Says why a record is refused whose value belongs to another.
pub(crate) fn taken(field: UniqueField) -> Vec<Fault> {
    let detail = match field {
        UniqueField::Username => {
            "Is another user's, looks like another user's, or was given up less than 90 days ago."
        }
        UniqueField::Email | UniqueField::ExternalId => "Is another user's.",
    };
    refused(field.as_str(), "taken", detail)
}

fn refused(path: &str, code: &'static str, detail: &'static str) -> Vec<Fault> {
    vec![Fault::new(path, &Violation::new(code, detail))]
}

#[derive(Default)]
struct Planner {
    users: HashMap<UserId, User>,
    names: HashMap<String, UserId>,
    skeletons: HashMap<String, UserId>,
    emails: HashMap<String, UserId>,
    external_ids: HashMap<String, UserId>,
    resting: Vec<RestingName>,
    erased: HashSet<UserId>,
    imported_passwords: HashMap<UserId, PasswordHash>,
    /// The users made and changed, each once, in order.
    created: Vec<UserId>,
    updated: Vec<UserId>,
    touched: HashSet<UserId>,
    plan: Plan,
}

impl Planner {
    fn new(known: Known) -> Self {
        let mut planner = Self {
            resting: known.resting,
            erased: known.erased,
            imported_passwords: known.imported_passwords,
            ..Self::default()
        };
        for user in known.users {
            planner.hold(user);
        }
        planner
    }

    fn decide(&mut self, import: &Import) -> ImportOutcome {
        match self.find(&import.record)? {
            None => self.create(import),
            Some(id) => self.update(id, import),
        }
    }

    /// Finds the one user that the keys of a record name.
    fn find(&self, record: &Record) -> Result<Option<UserId>, Vec<Fault>> {
        let by_id = record.id.filter(|id| self.users.contains_key(id));
        let external_id = external_id(record);
        let found = [
            ("id", by_id),
            (
                "external_id",
                external_id.and_then(|id| self.external_ids.get(id).copied()),
            ),
            (
                "username",
                self.names.get(record.user.username.key()).copied(),
            ),
            ("email", self.emails.get(record.user.email.key()).copied()),
        ];
        let mut named = found
            .into_iter()
            .filter_map(|(key, user)| Some((key, user?)));
        let Some((_, user)) = named.next() else {
            return Ok(None);
        };
        if let Some((other, _)) = named.find(|(_, other)| *other != user) {
            return Err(refused(other, "conflict", ANOTHER));
        }
        // The keys that name nobody must not be those of somebody else than the one that is named.
        if record.id.is_some_and(|id| id != user) {
            return Err(refused("id", "conflict", NOT_THE_SAME));
        }
        let stored = self
            .users
            .get(&user)
            .and_then(|user| user.external_id.as_ref());
        if let (Some(stored), Some(wanted)) = (stored, external_id)
            && stored.as_str() != wanted
        {
            return Err(refused("external_id", "conflict", NOT_THE_SAME));
        }
        Ok(Some(user))
    }

    fn create(&mut self, import: &Import) -> ImportOutcome {
        let id = import.record.id.unwrap_or(import.fresh_id);
        if self.erased.contains(&id) {
            let detail = "Was the id of a user who was erased, and is not used again.";
            return Err(refused("id", "erased", detail));
        }
        let made = User::register_record(id, &import.record, &import.context)?;
        self.expect_free(&made.user, import.context.at)?;
        self.created.push(id);
        self.touched.insert(id);
        self.note(made, import);
        Ok(Imported::Created(id))
    }

    fn update(&mut self, id: UserId, import: &Import) -> ImportOutcome {
        let Some(user) = self.users.get(&id) else {
            return Ok(Imported::Unchanged(id));
        };
        let mut record = import.record.clone();
        record.user.password = record
            .user
            .password
            .filter(|password| self.takes_over(user, password));
        let change = Change::Import(Box::new(record));
        let Some(changed) = user
            .apply(&change, &unconditional(&import.context))
            .map_err(faults)?
        else {
            return Ok(if id == import.fresh_id {
                // Nobody else has this id: an earlier try made the user, whose outcome was unknown.
                Imported::Created(id)
            } else {
                Imported::Unchanged(id)
            });
        };
        if changed.released.is_some() {
            self.expect_free(&changed.user, import.context.at)?;
        }
        if self.touched.insert(id) {
            self.updated.push(id);
        }
        self.note(changed, import);
        Ok(Imported::Updated(id))
    }

    /// Tells whether a record's password takes the place of the user's: not of one that was set here, nor of the same.
    fn takes_over(&self, user: &User, password: &StoredPassword) -> bool {
        match self.imported_passwords.get(&user.id) {
            Some(known) => *known != password.hash,
            None => user.password_changed_at.is_none(),
        }
    }

    /// Refuses a name that looks like another user's or still rests; whose other values are another's was found by them.
    fn expect_free(&self, user: &User, at: Timestamp) -> Result<(), Vec<Fault>> {
        let name = &user.username;
        let held = self
            .skeletons
            .get(name.skeleton())
            .is_some_and(|holder| *holder != user.id);
        let rests = self.resting.iter().any(|resting| {
            (resting.key == name.key() || resting.skeleton == name.skeleton())
                && resting.owner != user.id
                && resting.since > at.minus(NAME_REST)
        });
        if held || rests {
            Err(taken(UniqueField::Username))
        } else {
            Ok(())
        }
    }

    fn note(&mut self, applied: Applied, import: &Import) {
        let Applied {
            user,
            event,
            released,
            password,
        } = applied;
        if let Some(PasswordWrite::Set(stored)) = password {
            self.imported_passwords.insert(user.id, stored.hash.clone());
            self.plan.passwords.retain(|(other, _)| *other != user.id);
            self.plan.passwords.push((user.id, stored));
        }
        if let Some(name) = released {
            self.resting.retain(|resting| resting.key != name.key());
            self.resting.push(RestingName {
                key: name.key().to_owned(),
                skeleton: name.skeleton().to_owned(),
                owner: user.id,
                since: import.context.at,
            });
            let of_others =
                |(other, _, _): &(Username, UserId, Timestamp)| other.key() != name.key();
            self.plan.released.retain(of_others);
            self.plan.released.push((name, user.id, import.context.at));
        }
        self.plan.events.push(event);
        self.release(user.id);
        self.hold(user);
    }

    fn hold(&mut self, user: User) {
        self.names.insert(user.username.key().to_owned(), user.id);
        self.skeletons
            .insert(user.username.skeleton().to_owned(), user.id);
        self.emails.insert(user.email.key().to_owned(), user.id);
        if let Some(external_id) = &user.external_id {
            self.external_ids
                .insert(external_id.as_str().to_owned(), user.id);
        }
        self.users.insert(user.id, user);
    }

    fn release(&mut self, id: UserId) {
        let Some(user) = self.users.remove(&id) else {
            return;
        };
        self.names.remove(user.username.key());
        self.skeletons.remove(user.username.skeleton());
        self.emails.remove(user.email.key());
        if let Some(external_id) = &user.external_id {
            self.external_ids.remove(external_id.as_str());
        }
    }

    fn finish(mut self) -> Plan {
        let users = &mut self.users;
        let mut take = |ids: &[UserId]| ids.iter().filter_map(|id| users.remove(id)).collect();
        self.plan.created = take(&self.created);
        self.plan.updated = take(&self.updated);
        self.plan
    }
}

const ANOTHER: &str = "Names another user than the keys before it do.";
const NOT_THE_SAME: &str = "Is not the one of the user whom the other keys name.";

fn external_id(record: &Record) -> Option<&str> {
    match &record.user.rest.external_id {
        crate::user::Edit::Set(id) => Some(id.as_str()),
        crate::user::Edit::Keep | crate::user::Edit::Clear => None,
    }
}

fn unconditional(context: &WriteContext) -> WriteContext {
    WriteContext {
        precondition: crate::write::Precondition::None,
        ..context.clone()
    }
}

fn faults(refused: ChangeRefused) -> Vec<Fault> {
    match refused {
        ChangeRefused::Invalid(faults) | ChangeRefused::PreconditionRequired(faults) => faults,
        ChangeRefused::NotFound | ChangeRefused::PreconditionFailed => {
            let violation = Violation::new("refused", refused.to_string());
            vec![Fault::new(Field::Status.path(), &violation)]
        }
    }
}

#[cfg(test)]
mod tests;
