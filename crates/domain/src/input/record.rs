//! A user as another store words it: the input of a new user, and what that store knows besides.

use garde::Validate;

use super::rules::{self, optional, parse_standing};
use super::{NewPassword, Raw, UserInput, Writing};
use crate::user::{NewUser, Past, Presence, Record, Status};
use crate::values::{PasswordOrigin, StoredPassword, Timestamp, UserId, Version};
use crate::{Fault, Violation};

/// The members of a record, as they came in; null is as good as absence in all but those of the user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(Writing))]
pub struct RecordInput {
    /// What a caller may name of a new user; `status` may be `deleted` too.
    #[garde(skip)]
    pub user: UserInput,
    /// The id, if the user has one already.
    #[garde(custom(optional(UserId::parse)))]
    pub id: Raw<String>,
    /// From 1 to 2^52.
    #[garde(custom(counted))]
    pub version: Raw<i64>,
    /// When the user was made.
    #[garde(custom(optional(Timestamp::parse)))]
    pub created_at: Raw<String>,
    /// When the user last changed.
    #[garde(custom(optional(Timestamp::parse)))]
    pub updated_at: Raw<String>,
    /// When the user was deleted.
    #[garde(custom(optional(Timestamp::parse)))]
    pub deleted_at: Raw<String>,
    /// The status that a deleted user has again once it is restored.
    #[garde(custom(optional(parse_standing)))]
    pub standing: Raw<String>,
    /// Tokens issued before this moment are void.
    #[garde(custom(optional(Timestamp::parse)))]
    pub tokens_valid_after: Raw<String>,
}

impl RecordInput {
    /// Checks a record.
    ///
    /// # Errors
    /// Every fault of the record.
    pub fn check(mut self) -> Result<Record, Vec<Fault>> {
        let mut faults = Vec::new();
        if let Err(report) = self.validate_with(&Writing::Create) {
            faults.extend(rules::faults(&report));
        }
        if self.user.password.password.is_named() {
            let detail = "Is not imported; password_hash is.";
            let violation = Violation::new("unknown_field", detail);
            faults.push(Fault::new("password", &violation));
            self.user.password.password = Raw::Absent;
        }
        let presence = self.take_presence(&mut faults);
        let user = match self.user.check_new() {
            Ok((user, password)) if faults.is_empty() => NewUser {
                password: password.and_then(imported),
                ..user
            },
            Ok(_) => return Err(faults),
            Err(more) => {
                faults.extend(more);
                return Err(faults);
            }
        };
        let past = self.past();
        if past.updated_at.is_some() && past.updated_at < past.created_at {
            let violation = Violation::new("contradiction", "Must not be before created_at.");
            return Err(vec![Fault::new("updated_at", &violation)]);
        }
        Ok(Record {
            id: value(&self.id, UserId::parse),
            user,
            presence,
            past,
        })
    }

    /// Splits the status into whether the user is deleted and the standing, which alone is left to the user's input.
    fn take_presence(&mut self, faults: &mut Vec<Fault>) -> Presence {
        let status = match &self.user.status {
            Raw::Value(name) => Status::from_name(name),
            Raw::Absent | Raw::Null | Raw::Mistyped(_) => None,
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
                let detail = "Is for users whose status is deleted.";
                faults.push(Fault::new(name, &Violation::new("contradiction", detail)));
            }
        }
        if self.user.status.is_named() {
            Presence::Present
        } else {
            Presence::Untold
        }
    }

    fn past(&self) -> Past {
        let number = match self.version {
            Raw::Value(number) => Some(number),
            Raw::Absent | Raw::Null | Raw::Mistyped(_) => None,
        };
        Past {
            version: number.and_then(|number| Version::imported(number).ok()),
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
fn counted(raw: &Raw<i64>, _: &Writing) -> garde::Result {
    match raw {
        Raw::Absent | Raw::Null => Ok(()),
        Raw::Value(number) => rules::check(Version::imported(*number)),
        Raw::Mistyped(expected) => rules::check::<()>(Err(rules::mistyped(expected))),
    }
}

/// Takes the hash of a password; a record holds no password itself.
fn imported(password: NewPassword) -> Option<StoredPassword> {
    match password {
        NewPassword::Chosen(_) => None,
        NewPassword::Hashed(hash) => Some(StoredPassword {
            hash,
            origin: PasswordOrigin::Imported,
        }),
    }
}

fn value<T>(raw: &Raw<String>, parse: impl FnOnce(&str) -> Result<T, Violation>) -> Option<T> {
    match raw {
        Raw::Value(text) => parse(text).ok(),
        Raw::Absent | Raw::Null | Raw::Mistyped(_) => None,
    }
}

#[cfg(test)]
mod tests;
