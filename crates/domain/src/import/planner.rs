//! Plans a batch record by record.

use std::collections::{HashMap, HashSet};

use super::ledger::DryRunState;
use super::unique_values::UniqueValueIndex;
use super::{
    Import, ImportLedger, ImportOutcome, Imported, MatchBy, Plan, ReleasedUsername, StoreSnapshot,
    fault, refused, taken,
};
use crate::user::{Applied, Change, ChangeRefused, Field, PasswordWrite, Record, User};
use crate::values::{ExternalId, PasswordHash, StoredPassword, Timestamp, UserId};
use crate::write::{Precondition, USERNAME_RESERVATION, UniqueField, WriteContext};
use crate::{Fault, Violation};

pub(super) struct Planner<'a> {
    ledger: &'a ImportLedger,
    /// The stored users that no record of the batch has updated yet.
    users: HashMap<UserId, User>,
    index: UniqueValueIndex,
    /// The line of this batch that names each user.
    lines: HashMap<UserId, u64>,
    released_usernames: Vec<ReleasedUsername>,
    erased: HashSet<UserId>,
    erased_external_ids: HashSet<ExternalId>,
    imported_passwords: HashMap<UserId, PasswordHash>,
    plan: Plan,
}

impl<'a> Planner<'a> {
    pub(super) fn new(snapshot: StoreSnapshot, ledger: &'a ImportLedger) -> Self {
        let mut planner = Self {
            ledger,
            users: HashMap::new(),
            index: UniqueValueIndex::default(),
            lines: HashMap::new(),
            released_usernames: snapshot.released_usernames,
            erased: snapshot.erased,
            erased_external_ids: snapshot.erased_external_ids,
            imported_passwords: snapshot.imported_passwords,
            plan: Plan::default(),
        };
        for user in snapshot.users {
            if ledger.dry_run().replaces(user.id) {
                continue;
            }
            planner.index.insert(&user);
            planner.users.insert(user.id, user);
        }
        planner
    }

    pub(super) fn plan(mut self, batch: &[Import]) -> Plan {
        for import in batch {
            let outcome = self.decide(import);
            if let Ok(imported) = &outcome {
                self.lines.insert(imported.id(), import.line);
            }
            self.plan.outcomes.push(outcome);
        }
        self.plan
    }

    fn decide(&mut self, import: &Import) -> ImportOutcome {
        match self.find(import) {
            Ok(None) => self.create(import),
            Ok(Some(id)) => self.update(id, import),
            Err(faults) => self.unchanged_repeat(import).ok_or(faults),
        }
    }

    /// Returns the user that a record names. Rejects a record that collides with another user.
    fn find(&self, import: &Import) -> Result<Option<UserId>, Vec<Fault>> {
        let record = &import.record;
        let username = self.by_username(record).map(|user| ("username", user));
        let email = self.by_email(record).map(|user| ("email", user));
        let external_id = self
            .by_external_id(record)
            .map(|user| ("external_id", user));
        let (matched, other_values) = match self.ledger.match_by {
            None => (None, [username, email]),
            Some(MatchBy::Email) => (email, [username, None]),
            Some(MatchBy::Username) => (username, [email, None]),
        };
        let mut named = [self.by_id(import), external_id, matched]
            .into_iter()
            .flatten();
        let Some((key, user)) = named.next() else {
            let faults = self.collisions(import, other_values, None);
            return if faults.is_empty() {
                Ok(None)
            } else {
                Err(faults)
            };
        };
        if let Some(earlier) = self.line_of(user) {
            return Err(refused(
                key,
                "duplicate",
                duplicate_detail(import.line, earlier),
            ));
        }
        let mut faults = self.collisions(
            import,
            named.chain(other_values.into_iter().flatten()).map(Some),
            Some(user),
        );
        faults.extend(self.mismatched_keys(record, user));
        if faults.is_empty() {
            Ok(Some(user))
        } else {
            Err(faults)
        }
    }

    /// The faults of values that belong to users other than the one that the record names.
    fn collisions(
        &self,
        import: &Import,
        values: impl IntoIterator<Item = Option<(&'static str, UserId)>>,
        named: Option<UserId>,
    ) -> Vec<Fault> {
        let others = values.into_iter().flatten();
        others
            .filter(|(_, holder)| Some(*holder) != named)
            .map(|(path, holder)| self.collision(import, path, holder, named))
            .collect()
    }

    fn collision(
        &self,
        import: &Import,
        path: &str,
        holder: UserId,
        named: Option<UserId>,
    ) -> Fault {
        if let Some(earlier) = self.line_of(holder) {
            let line = import.line;
            let detail = format!("Line {line} repeats the {path} of the user of line {earlier}.");
            return fault(path, "duplicate", detail);
        }
        let Some(named) = named else {
            let detail = format!(
                "Belongs to user {holder}, which the record names neither by id nor by external_id."
            );
            return fault(path, "taken", detail);
        };
        let detail =
            format!("Belongs to user {holder}, but another key of the record names user {named}.");
        fault(path, "conflict", detail)
    }

    /// The fault of a key that differs from that of the named user and belongs to no other user.
    fn mismatched_keys(&self, record: &Record, user: UserId) -> Option<Fault> {
        let fault = |path| {
            let detail = format!("Differs from that of user {user}, which the other keys name.");
            Some(fault(path, "conflict", detail))
        };
        if record.id.is_some_and(|id| id != user) {
            return fault("id");
        }
        let stored = self.users.get(&user)?.external_id.as_ref()?;
        let wanted = record.external_id()?;
        // An external id of another user is already reported as a collision.
        if stored == wanted || self.by_external_id(record).is_some() {
            return None;
        }
        fault("external_id")
    }

    /// Returns the outcome of a record that an earlier run already stored and that therefore changes nothing.
    ///
    /// Such a record may be matched by its email alone, whatever `match_by` is: it changes no value of any user.
    fn unchanged_repeat(&self, import: &Import) -> Option<Imported> {
        let record = &import.record;
        let user = self.users.get(&self.by_email(record)?)?;
        if self.line_of(user.id).is_some() || record.id.is_some_and(|id| id != user.id) {
            return None;
        }
        let unchanged = matches!(self.change(user, import), Ok(None));
        unchanged.then_some(Imported::Unchanged(user.id))
    }

    fn create(&mut self, import: &Import) -> ImportOutcome {
        let record = &import.record;
        let id = record.id.unwrap_or(import.fresh_id);
        if self.erased.contains(&id) {
            return Err(refused("id", "erased", ERASED));
        }
        if record
            .external_id()
            .is_some_and(|id| self.erased_external_ids.contains(id))
        {
            return Err(refused("external_id", "erased", ERASED));
        }
        let made = User::register_record(id, record, &import.context)?;
        self.check_username_free(&made.user, import)?;
        self.plan.created.push(made.user.clone());
        self.record_change(made, import);
        Ok(Imported::Created(id))
    }

    fn update(&mut self, id: UserId, import: &Import) -> ImportOutcome {
        let Some(user) = self.users.get(&id) else {
            return Ok(Imported::Unchanged(id));
        };
        let Some(changed) = self.change(user, import).map_err(faults)? else {
            return Ok(if id == import.fresh_id {
                // No other record has this id: an earlier attempt of unknown outcome created the user.
                Imported::Created(id)
            } else {
                Imported::Unchanged(id)
            });
        };
        if changed.released.is_some() {
            self.check_username_free(&changed.user, import)?;
        }
        if let Some(user) = self.users.remove(&id) {
            self.index.remove(&user);
        }
        self.plan.updated.push(changed.user.clone());
        self.record_change(changed, import);
        Ok(Imported::Updated(id))
    }

    /// Applies a record to a stored user.
    fn change(&self, user: &User, import: &Import) -> Result<Option<Applied>, ChangeRefused> {
        let mut record = import.record.clone();
        record.user.password = record
            .user
            .password
            .filter(|password| self.replaces_password(user, password));
        let context = WriteContext {
            precondition: Precondition::None,
            ..import.context.clone()
        };
        user.apply(&Change::Import(Box::new(record)), &context)
    }

    /// Whether a record's password replaces the stored one. A password that was set in this service stays.
    fn replaces_password(&self, user: &User, password: &StoredPassword) -> bool {
        match self.imported_passwords.get(&user.id) {
            Some(known) => *known != password.hash,
            None => user.password_changed_at.is_none(),
        }
    }

    /// Rejects a username that looks like another user's, or is reserved for the user that released it.
    fn check_username_free(&self, user: &User, import: &Import) -> Result<(), Vec<Fault>> {
        let name = &user.username;
        let skeletons = |index: &UniqueValueIndex| index.skeletons.get(name.skeleton()).copied();
        let holder = skeletons(&self.index).or_else(|| skeletons(&self.dry_run().index));
        if let Some(holder) = holder.filter(|holder| *holder != user.id) {
            let detail = match self.line_of(holder) {
                Some(earlier) => format!(
                    "The username of line {} looks like that of line {earlier}.",
                    import.line
                ),
                None => format!("Looks like the username of user {holder}."),
            };
            return Err(refused("username", "taken", detail));
        }
        let now = import.context.at;
        let is_reserved = self.dry_run().reserves(name, user)
            || self.released_usernames.iter().any(|released| {
                (released.key == name.key() || released.skeleton == name.skeleton())
                    && released.owner != user.id
                    && released.released_at > now.minus(USERNAME_RESERVATION)
            });
        if is_reserved {
            return Err(taken(UniqueField::Username));
        }
        Ok(())
    }

    fn record_change(&mut self, applied: Applied, import: &Import) {
        let Applied {
            user,
            event,
            released,
            password,
        } = applied;
        if let Some(PasswordWrite::Set(stored)) = password {
            self.plan.passwords.push((user.id, stored));
        }
        if let Some(name) = released {
            let released_at: Timestamp = import.context.at;
            self.released_usernames
                .retain(|released| released.key != name.key());
            self.released_usernames.push(ReleasedUsername {
                key: name.key().to_owned(),
                skeleton: name.skeleton().to_owned(),
                owner: user.id,
                released_at,
            });
            self.plan.released.push((name, user.id, released_at));
        }
        self.plan.events.push(event);
        self.index.insert(&user);
    }

    fn dry_run(&self) -> &DryRunState {
        self.ledger.dry_run()
    }

    /// The earlier line of the run that named a user.
    fn line_of(&self, user: UserId) -> Option<u64> {
        let in_batch = self.lines.get(&user).copied();
        in_batch.or_else(|| self.ledger.line_of(user))
    }

    fn by_id(&self, import: &Import) -> Option<(&'static str, UserId)> {
        // The fresh id exists if an earlier attempt of this record created the user.
        let id = import.record.id.unwrap_or(import.fresh_id);
        let is_known = self.users.contains_key(&id) || self.line_of(id).is_some();
        is_known.then_some(("id", id))
    }

    fn by_external_id(&self, record: &Record) -> Option<UserId> {
        let id = record.external_id()?.as_str();
        self.holder_of(|index| index.external_ids.get(id))
    }

    fn by_username(&self, record: &Record) -> Option<UserId> {
        self.holder_of(|index| index.usernames.get(record.user.username.key()))
    }

    fn by_email(&self, record: &Record) -> Option<UserId> {
        self.holder_of(|index| index.emails.get(record.user.email.key()))
    }

    /// The owner of a value according to the store and the earlier records.
    fn holder_of<'b>(
        &'b self,
        find: impl Fn(&'b UniqueValueIndex) -> Option<&'b UserId>,
    ) -> Option<UserId> {
        find(&self.index)
            .or_else(|| find(&self.dry_run().index))
            .copied()
    }
}

const ERASED: &str = "Belonged to an erased user and cannot be used again.";

fn duplicate_detail(line: u64, earlier: u64) -> String {
    format!(
        "Line {line} names the user of line {earlier} again. An import changes a user at most once."
    )
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
