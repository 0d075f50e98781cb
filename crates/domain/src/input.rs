//! The fields of a user as a caller sends them: parsed once, and validated all at once.

mod edits;
mod password;
mod profile;
mod record;
mod roles;
mod rules;

use std::str::FromStr;

use garde::Validate;
use serde_json::{Map, Value};

use crate::caller::Caller;
use crate::permissions::may_write;
use crate::user::{Field, NewUser, Standing, UserEdits};
use crate::values::{EmailAddress, ExternalId, PhoneNumber, Timestamp, Username};
use crate::{Fault, Violation};
pub use password::{Login, LoginInput, NewPassword, PasswordInput};
pub use profile::ProfileInput;
pub use record::RecordInput;
pub use roles::RolesInput;
use rules::wrong_type;

/// A field of an input: absent, or the result of parsing what was sent.
///
/// A text is parsed when the input is read, once. Validation reports what could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FieldInput<T> {
    /// The field is absent.
    #[default]
    Absent,
    /// The field is null.
    Null,
    /// A valid value.
    Value(T),
    /// A value of the wrong type, or one that violates a rule of its type.
    Invalid(Violation),
}

impl<T> FieldInput<T> {
    /// A value of the wrong type. `expected` names the expected type with its article (`a string`).
    pub fn wrong_type(expected: &str) -> Self {
        Self::Invalid(wrong_type(expected))
    }

    /// Whether the field is present, with any value.
    pub fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// The valid value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null | Self::Invalid(_) => None,
        }
    }
}

impl<T: FromStr<Err = Violation>> FieldInput<T> {
    /// Parses a text.
    pub fn parse(text: &str) -> Self {
        text.parse().into()
    }
}

impl<T> From<Result<T, Violation>> for FieldInput<T> {
    fn from(parsed: Result<T, Violation>) -> Self {
        match parsed {
            Ok(value) => Self::Value(value),
            Err(violation) => Self::Invalid(violation),
        }
    }
}

/// The kind of write that an input is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// A new user: an absent field is null or has its default.
    Create,
    /// A merge (RFC 7396): an absent field keeps its value, null clears it.
    Merge,
    /// A replacement: an absent field is null or has its default. `roles`, `external_id` and `status` keep their
    /// values.
    Replace,
}

/// The fields of a user that a caller may send.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(WriteKind))]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`"
)]
pub struct UserInput {
    #[garde(custom(rules::required))]
    pub username: FieldInput<Username>,
    #[garde(custom(rules::required))]
    pub email: FieldInput<EmailAddress>,
    #[garde(custom(rules::optional))]
    pub email_verified: FieldInput<bool>,
    #[garde(custom(rules::optional))]
    pub phone_number: FieldInput<PhoneNumber>,
    #[garde(custom(rules::optional))]
    pub phone_number_verified: FieldInput<bool>,
    #[garde(custom(rules::optional))]
    pub external_id: FieldInput<ExternalId>,
    #[garde(custom(rules::not_null))]
    pub status: FieldInput<Standing>,
    #[garde(dive)]
    pub roles: RolesInput,
    #[garde(dive)]
    pub profile: ProfileInput,
    #[garde(dive)]
    pub metadata: MetadataInput,
    /// The password, which only the creation of a user accepts.
    #[garde(skip)]
    pub password: PasswordInput,
    /// Unknown and read-only members, and objects of the wrong type.
    #[garde(skip)]
    pub unexpected_fields: Vec<Fault>,
}

/// The metadata objects of an input, or their patches. The kind of write determines their rules.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(WriteKind))]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserMetadata`"
)]
pub struct MetadataInput {
    #[garde(custom(rules::optional))]
    pub public: FieldInput<Map<String, Value>>,
    #[garde(custom(rules::optional))]
    pub user: FieldInput<Map<String, Value>>,
    #[garde(custom(rules::optional))]
    pub private: FieldInput<Map<String, Value>>,
}

impl UserInput {
    /// Returns the fields in the input, valid or not. The caller must be allowed to write each of them.
    pub fn named_fields(&self) -> Vec<Field> {
        // Full destructuring: a forgotten field could be written without permission.
        let Self {
            username,
            email,
            email_verified,
            phone_number,
            phone_number_verified,
            external_id,
            status,
            roles: RolesInput(roles),
            profile,
            metadata,
            password: _,
            unexpected_fields: _,
        } = self;
        let MetadataInput {
            public,
            user,
            private,
        } = metadata;
        let before_profile = [
            (Field::Username, username.is_present()),
            (Field::Email, email.is_present()),
            (Field::EmailVerified, email_verified.is_present()),
            (Field::PhoneNumber, phone_number.is_present()),
            (
                Field::PhoneNumberVerified,
                phone_number_verified.is_present(),
            ),
            (Field::ExternalId, external_id.is_present()),
            (Field::Status, status.is_present()),
            (Field::Roles, roles.is_present()),
        ];
        let after_profile = [
            (Field::MetadataPublic, public.is_present()),
            (Field::MetadataUser, user.is_present()),
            (Field::MetadataPrivate, private.is_present()),
        ];
        let named = |(field, is_present)| Some(field).filter(|_| is_present);
        before_profile
            .into_iter()
            .filter_map(named)
            .chain(profile.named_fields().map(Field::Profile))
            .chain(after_profile.into_iter().filter_map(named))
            .collect()
    }

    /// Validates the input for a new user. Dates are compared with `now`.
    ///
    /// # Errors
    /// All faults of the input.
    pub fn check_new(&self, now: Timestamp) -> Result<(NewUser, Option<NewPassword>), Vec<Fault>> {
        let password = self.password.check();
        let edits = self.check(WriteKind::Create, now, |_| false);
        let (edits, password) = match (edits, password) {
            (Ok(edits), Ok(password)) => (edits, password),
            (edits, password) => {
                let faults = [edits.err(), password.err()];
                return Err(faults.into_iter().flatten().flatten().collect());
            }
        };
        let missing = |field: Field| vec![Fault::new(field.path(), &rules::missing())];
        let new = NewUser {
            username: edits.username.clone().ok_or(missing(Field::Username))?,
            email: edits.email.clone().ok_or(missing(Field::Email))?,
            rest: edits,
            password: None,
        };
        Ok((new, password))
    }

    /// Validates an input to merge into a user. Dates are compared with `now`.
    ///
    /// # Errors
    /// All faults of the input.
    pub fn check_merge(&self, now: Timestamp) -> Result<UserEdits, Vec<Fault>> {
        self.check(WriteKind::Merge, now, |_| false)
    }

    /// Validates an input that replaces all fields that the caller may write. Dates are compared with `now`.
    ///
    /// # Errors
    /// All faults of the input.
    pub fn check_replacement(
        &self,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<UserEdits, Vec<Fault>> {
        self.check(WriteKind::Replace, now, |field| {
            may_write(caller, field)
                && !matches!(field, Field::Roles | Field::ExternalId | Field::Status)
        })
    }

    /// Validates all fields and returns their edits. `clears` decides which absent fields lose their value.
    fn check(
        &self,
        kind: WriteKind,
        now: Timestamp,
        clears: impl Fn(Field) -> bool,
    ) -> Result<UserEdits, Vec<Fault>> {
        let mut faults = self.unexpected_fields.clone();
        if let Err(report) = self.validate_with(&kind) {
            faults.extend(rules::faults(&report));
        }
        faults.extend(self.profile.birthdate_in_future(now));
        if kind == WriteKind::Create {
            faults.extend(self.username_of_mixed_scripts());
        } else {
            faults.extend(self.password.unexpected());
        }
        let edits = edits::edits(self, kind, &clears, &mut faults);
        if faults.is_empty() {
            Ok(edits)
        } else {
            Err(faults)
        }
    }

    /// The fault of a new user's username that mixes scripts. Other writes may repeat the current username, so
    /// `User::apply` checks only a changed one.
    fn username_of_mixed_scripts(&self) -> Option<Fault> {
        let violation = self.username.value()?.check_scripts().err()?;
        Some(Fault::new(Field::Username.path(), &violation))
    }
}

#[cfg(test)]
mod tests;
