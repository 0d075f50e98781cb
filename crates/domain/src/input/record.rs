//! The unvalidated record of an import: the input of a new user, and its history.

use garde::Validate;

use super::{FieldInput, NewPassword, UserInput, WriteKind, rules};
use crate::user::{
    Edit, Field, ImportedHistory, NewUser, Presence, Record, Standing, Status, Suspension,
    SuspensionInput, UserEdits,
};
use crate::values::{PasswordOrigin, StoredPassword, Timestamp, UserId, Version};
use crate::{Fault, Violation};

/// The members of a record. Null equals absent, except in the members of the user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(WriteKind))]
pub struct RecordInput {
    /// The fields of a new user, without the status.
    #[garde(skip)]
    pub user: UserInput,
    /// The status, which may also be `deleted`.
    #[garde(custom(rules::not_null))]
    pub status: FieldInput<Status>,
    /// The existing id of the user, if any.
    #[garde(custom(rules::imported_id))]
    pub id: FieldInput<UserId>,
    /// The version, from 1 to 2^52.
    #[garde(custom(rules::optional))]
    pub version: FieldInput<Version>,
    /// When the user was created.
    #[garde(custom(rules::optional))]
    pub created_at: FieldInput<Timestamp>,
    /// When the user was last changed.
    #[garde(custom(rules::optional))]
    pub updated_at: FieldInput<Timestamp>,
    /// When the user was deleted.
    #[garde(custom(rules::optional))]
    pub deleted_at: FieldInput<Timestamp>,
    /// The status of a deleted user after a restore.
    #[garde(custom(rules::optional))]
    pub standing: FieldInput<Standing>,
    /// Tokens issued before this time are invalid.
    #[garde(custom(rules::optional))]
    pub tokens_valid_after: FieldInput<Timestamp>,
    /// The suspension of a user with standing `suspended`.
    #[garde(skip)]
    pub suspension: Option<SuspensionInput>,
}

impl RecordInput {
    /// Validates a record. Its times and birthdate must not be later than `now`, with a tolerance for clocks and time
    /// zones.
    ///
    /// # Errors
    /// All faults of the record.
    pub fn check(mut self, now: Timestamp) -> Result<Record, Vec<Fault>> {
        let mut faults = Vec::new();
        if let Err(report) = self.validate_with(&WriteKind::Create) {
            faults.extend(rules::faults(&report));
        }
        faults.extend(self.implausible_times(now));
        if self.user.password.password.is_present() {
            let detail = "Cannot be imported. Use password_hash instead.";
            let violation = Violation::new("unknown_field", detail);
            faults.push(Fault::new("password", &violation));
            self.user.password.password = FieldInput::Absent;
        }
        let presence = self.take_presence(&mut faults);
        let suspension = self.take_suspension(now, &mut faults);
        let user = match self.user.check_new(now) {
            Ok((user, password)) if faults.is_empty() => NewUser {
                password: password.and_then(imported_hash),
                rest: UserEdits {
                    suspension,
                    ..user.rest
                },
                ..user
            },
            Ok(_) => return Err(faults),
            Err(more) => {
                faults.extend(more);
                return Err(faults);
            }
        };
        let history = self.history();
        let deleted_at = match presence {
            Presence::Deleted(at) => at,
            Presence::Unspecified | Presence::Present => None,
        };
        for (name, later) in [
            ("updated_at", history.updated_at),
            ("deleted_at", deleted_at),
        ] {
            if later.is_some() && later < history.created_at {
                let violation = Violation::new("contradiction", "Must not be before created_at.");
                faults.push(Fault::new(name, &violation));
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Record {
            id: self.id.value().copied(),
            user,
            presence,
            history,
        })
    }

    /// The faults of times in the future or before 1970.
    fn implausible_times(&self, now: Timestamp) -> Vec<Fault> {
        let times = [
            ("created_at", &self.created_at),
            ("updated_at", &self.updated_at),
            ("deleted_at", &self.deleted_at),
            ("tokens_valid_after", &self.tokens_valid_after),
        ];
        let fault = |(name, input): (_, &FieldInput<Timestamp>)| {
            let time = *input.value()?;
            let violation = if time > now.plus(Timestamp::CLOCK_TOLERANCE) {
                Violation::new("future", "Must not be in the future.")
            } else if time < Timestamp::UNIX_EPOCH {
                Violation::new("too_early", "Must not be before 1970.")
            } else {
                return None;
            };
            Some(Fault::new(name, &violation))
        };
        times.into_iter().filter_map(fault).collect()
    }

    /// Splits the status into presence and standing. The standing becomes the status of the user's input.
    fn take_presence(&mut self, faults: &mut Vec<Fault>) -> Presence {
        let standing = match self.status.value() {
            Some(Status::Deleted) => {
                self.user.status = match self.standing.value() {
                    Some(standing) => FieldInput::Value(*standing),
                    None => FieldInput::Absent,
                };
                return Presence::Deleted(self.deleted_at.value().copied());
            }
            Some(Status::Suspended) => FieldInput::Value(Standing::Suspended),
            Some(Status::Active) => FieldInput::Value(Standing::Active),
            None => FieldInput::Absent,
        };
        self.user.status = standing;
        let for_deleted = [
            ("deleted_at", self.deleted_at.value().is_some()),
            ("standing", self.standing.value().is_some()),
        ];
        for (name, is_present) in for_deleted {
            if is_present {
                let detail = "Is only for users with status deleted.";
                faults.push(Fault::new(name, &Violation::new("contradiction", detail)));
            }
        }
        if self.status.is_present() {
            Presence::Present
        } else {
            Presence::Unspecified
        }
    }

    /// Takes the suspension out of the record. Only a user with standing `suspended` may have one.
    ///
    /// A suspension that has already ended makes the user active, so a repeated import does not suspend the user again.
    fn take_suspension(
        &mut self,
        now: Timestamp,
        faults: &mut Vec<Fault>,
    ) -> Edit<Box<Suspension>> {
        let Some(input) = self.suspension.take() else {
            return Edit::Keep;
        };
        if self.user.status.value() != Some(&Standing::Suspended) {
            let detail =
                "Is only for users that are suspended, or were suspended when they were deleted.";
            let violation = Violation::new("contradiction", detail);
            faults.push(Fault::new(Field::Suspension.path(), &violation));
            return Edit::Keep;
        }
        match input.parse(&[Field::Suspension.path()]) {
            Ok(suspension) if suspension.is_over(now) => {
                self.user.status = FieldInput::Value(Standing::Active);
                Edit::Keep
            }
            Ok(suspension) => match suspension.into_stored(Standing::Suspended) {
                Some(suspension) => Edit::Set(suspension),
                None => Edit::Clear,
            },
            Err(more) => {
                faults.extend(more);
                Edit::Keep
            }
        }
    }

    fn history(&self) -> ImportedHistory {
        ImportedHistory {
            version: self.version.value().copied(),
            created_at: self.created_at.value().copied(),
            updated_at: self.updated_at.value().copied(),
            tokens_valid_after: self.tokens_valid_after.value().copied(),
        }
    }
}

/// Returns the stored form of an imported hash. A record contains no plaintext password.
fn imported_hash(password: NewPassword) -> Option<StoredPassword> {
    match password {
        NewPassword::Plaintext(_) => None,
        NewPassword::Hashed(hash) => Some(StoredPassword {
            hash,
            origin: PasswordOrigin::Imported,
        }),
    }
}

#[cfg(test)]
mod tests;
