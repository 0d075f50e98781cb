//! The unvalidated record of an import: the input of a new user, and its history.

use garde::Validate;

use super::rules::{self, optional, parse_standing};
use super::{NewPassword, Raw, UserInput, WriteKind};
use crate::user::{
    Edit, Field, ImportedHistory, NewUser, Presence, Record, Standing, Status, Suspension,
    SuspensionInput, UserEdits,
};
use crate::values::{PasswordOrigin, StoredPassword, Timestamp, UserId, Version};
use crate::{Fault, Violation};

/// The unvalidated members of a record. Null equals absent, except in the members of the user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(WriteKind))]
pub struct RecordInput {
    /// The fields of a new user; `status` may also be `deleted`.
    #[garde(skip)]
    pub user: UserInput,
    /// The existing id of the user, if any.
    #[garde(custom(optional(UserId::parse_imported)))]
    pub id: Raw<String>,
    /// The version, from 1 to 2^52.
    #[garde(custom(valid_version))]
    pub version: Raw<i64>,
    /// When the user was created.
    #[garde(custom(optional(Timestamp::parse)))]
    pub created_at: Raw<String>,
    /// When the user was last changed.
    #[garde(custom(optional(Timestamp::parse)))]
    pub updated_at: Raw<String>,
    /// When the user was deleted.
    #[garde(custom(optional(Timestamp::parse)))]
    pub deleted_at: Raw<String>,
    /// The status of a deleted user after a restore.
    #[garde(custom(optional(parse_standing)))]
    pub standing: Raw<String>,
    /// Tokens issued before this time are invalid.
    #[garde(custom(optional(Timestamp::parse)))]
    pub tokens_valid_after: Raw<String>,
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
            self.user.password.password = Raw::Absent;
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
            id: value(&self.id, UserId::parse_imported),
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
        let fault = |(name, raw)| {
            let time = value(raw, Timestamp::parse)?;
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

    /// Splits the status into presence and standing. Only the standing stays in the user's input.
    fn take_presence(&mut self, faults: &mut Vec<Fault>) -> Presence {
        let status = match &self.user.status {
            Raw::Value(name) => Status::from_name(name),
            Raw::Absent | Raw::Null | Raw::WrongType(_) => None,
        };
        if status == Some(Status::Deleted) {
            self.user.status = match value(&self.standing, parse_standing) {
                Some(standing) => Raw::Value(standing.as_str().to_owned()),
                None => Raw::Absent,
            };
            return Presence::Deleted(value(&self.deleted_at, Timestamp::parse));
        }
        let for_deleted = [
            ("deleted_at", &self.deleted_at),
            ("standing", &self.standing),
        ];
        for (name, raw) in for_deleted {
            if matches!(raw, Raw::Value(_)) {
                let detail = "Is only for users with status deleted.";
                faults.push(Fault::new(name, &Violation::new("contradiction", detail)));
            }
        }
        if self.user.status.is_present() {
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
        let standing = value(&self.user.status, parse_standing);
        if standing != Some(Standing::Suspended) {
            let detail =
                "Is only for users that are suspended, or were suspended when they were deleted.";
            let violation = Violation::new("contradiction", detail);
            faults.push(Fault::new(Field::Suspension.path(), &violation));
            return Edit::Keep;
        }
        match input.parse(&[Field::Suspension.path()]) {
            Ok(suspension) if suspension.is_over(now) => {
                self.user.status = Raw::Value(Standing::Active.as_str().to_owned());
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
        let number = match self.version {
            Raw::Value(number) => Some(number),
            Raw::Absent | Raw::Null | Raw::WrongType(_) => None,
        };
        ImportedHistory {
            version: number.and_then(|number| Version::from_imported(number).ok()),
            created_at: value(&self.created_at, Timestamp::parse),
            updated_at: value(&self.updated_at, Timestamp::parse),
            tokens_valid_after: value(&self.tokens_valid_after, Timestamp::parse),
        }
    }
}

/// The rule of a version.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "garde hands its context to every rule by reference"
)]
fn valid_version(raw: &Raw<i64>, _: &WriteKind) -> garde::Result {
    match raw {
        Raw::Absent | Raw::Null => Ok(()),
        Raw::Value(number) => rules::check(Version::from_imported(*number)),
        Raw::WrongType(expected) => rules::check::<()>(Err(rules::wrong_type(expected))),
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

fn value<T>(raw: &Raw<String>, parse: impl FnOnce(&str) -> Result<T, Violation>) -> Option<T> {
    match raw {
        Raw::Value(text) => parse(text).ok(),
        Raw::Absent | Raw::Null | Raw::WrongType(_) => None,
    }
}

#[cfg(test)]
mod tests;
