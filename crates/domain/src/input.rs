//! The fields of a user as a caller sends them, validated all at once.

mod edits;
mod password;
mod record;
mod rules;

use garde::Validate;
use serde_json::{Map, Value};

use crate::Fault;
use crate::caller::Caller;
use crate::permissions::may_write;
use crate::user::{Field, NewUser, ProfileField, UserEdits};
use crate::values::{
    Bio, Birthdate, EmailAddress, ExternalId, Locale, Metadata, PhoneNumber, ShortText, Timestamp,
    Username, WebUrl, ZoneInfo,
};
pub use password::{Login, LoginInput, NewPassword, PasswordInput};
pub use record::RecordInput;
use rules::{optional, required, standing, typed};

/// An unvalidated value of an input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Raw<T> {
    /// The field is absent.
    #[default]
    Absent,
    /// The field is null.
    Null,
    /// A value of the right type.
    Value(T),
    /// A value of the wrong type. Names the expected type with its article (`a string`).
    WrongType(&'static str),
}

impl<T> Raw<T> {
    /// Whether the field is present, with any value.
    pub fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
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

/// The unvalidated fields of a user that a caller may send.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(WriteKind))]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`"
)]
pub struct UserInput {
    #[garde(custom(required(Username::parse)))]
    pub username: Raw<String>,
    #[garde(custom(required(EmailAddress::parse)))]
    pub email: Raw<String>,
    #[garde(custom(typed))]
    pub email_verified: Raw<bool>,
    #[garde(custom(optional(PhoneNumber::parse)))]
    pub phone_number: Raw<String>,
    #[garde(custom(typed))]
    pub phone_number_verified: Raw<bool>,
    #[garde(custom(optional(ExternalId::parse)))]
    pub external_id: Raw<String>,
    #[garde(custom(standing))]
    pub status: Raw<String>,
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

/// The unvalidated fields of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(WriteKind))]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `Profile`"
)]
pub struct ProfileInput {
    #[garde(custom(optional(ShortText::parse)))]
    pub name: Raw<String>,
    #[garde(custom(optional(ShortText::parse)))]
    pub given_name: Raw<String>,
    #[garde(custom(optional(ShortText::parse)))]
    pub family_name: Raw<String>,
    #[garde(custom(optional(ShortText::parse)))]
    pub nickname: Raw<String>,
    #[garde(custom(optional(WebUrl::parse)))]
    pub picture: Raw<String>,
    #[garde(custom(optional(WebUrl::parse)))]
    pub website: Raw<String>,
    #[garde(custom(optional(Bio::parse)))]
    pub bio: Raw<String>,
    #[garde(custom(optional(ShortText::parse)))]
    pub location: Raw<String>,
    #[garde(custom(optional(Locale::parse)))]
    pub locale: Raw<String>,
    #[garde(custom(optional(ZoneInfo::parse)))]
    pub zoneinfo: Raw<String>,
    #[garde(custom(optional(Birthdate::parse)))]
    pub birthdate: Raw<String>,
}

/// The unvalidated metadata objects.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(WriteKind))]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserMetadata`"
)]
pub struct MetadataInput {
    #[garde(custom(rules::metadata))]
    pub public: Raw<Map<String, Value>>,
    #[garde(custom(rules::metadata))]
    pub user: Raw<Map<String, Value>>,
    #[garde(custom(rules::metadata))]
    pub private: Raw<Map<String, Value>>,
}

/// The unvalidated names of roles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RolesInput(pub Raw<Vec<Raw<String>>>);

impl UserInput {
    /// Returns the fields in the input, valid or not. The caller must be allowed to write each of them.
    pub fn named_fields(&self) -> Vec<Field> {
        use ProfileField as P;
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
        let ProfileInput {
            name,
            given_name,
            family_name,
            nickname,
            picture,
            website,
            bio,
            location,
            locale,
            zoneinfo,
            birthdate,
        } = profile;
        let MetadataInput {
            public,
            user,
            private,
        } = metadata;
        let named = [
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
            (Field::Profile(P::Name), name.is_present()),
            (Field::Profile(P::GivenName), given_name.is_present()),
            (Field::Profile(P::FamilyName), family_name.is_present()),
            (Field::Profile(P::Nickname), nickname.is_present()),
            (Field::Profile(P::Picture), picture.is_present()),
            (Field::Profile(P::Website), website.is_present()),
            (Field::Profile(P::Bio), bio.is_present()),
            (Field::Profile(P::Location), location.is_present()),
            (Field::Profile(P::Locale), locale.is_present()),
            (Field::Profile(P::Zoneinfo), zoneinfo.is_present()),
            (Field::Profile(P::Birthdate), birthdate.is_present()),
            (Field::MetadataPublic, public.is_present()),
            (Field::MetadataUser, user.is_present()),
            (Field::MetadataPrivate, private.is_present()),
        ];
        named
            .into_iter()
            .filter_map(|(field, named)| named.then_some(field))
            .collect()
    }

    /// Validates the input for a new user. Dates are compared with `now`.
    ///
    /// # Errors
    /// All faults of the input.
    pub fn check_new(&self, now: Timestamp) -> Result<(NewUser, Option<NewPassword>), Vec<Fault>> {
        let password = self.password.check();
        match (self.check(WriteKind::Create, now), password) {
            (Ok(()), Ok(password)) => {
                let new = edits::new_user(self).map_err(|fault| vec![fault])?;
                Ok((new, password))
            }
            (user, password) => {
                let faults = [user.err(), password.err()];
                Err(faults.into_iter().flatten().flatten().collect())
            }
        }
    }

    /// Validates an input to merge into a user. Dates are compared with `now`.
    ///
    /// # Errors
    /// All faults of the input.
    pub fn check_merge(&self, now: Timestamp) -> Result<UserEdits, Vec<Fault>> {
        self.check(WriteKind::Merge, now)?;
        edits::edits(self, WriteKind::Merge, |_| false).map_err(|fault| vec![fault])
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
        self.check(WriteKind::Replace, now)?;
        let clears = |field| {
            may_write(caller, field)
                && !matches!(field, Field::Roles | Field::ExternalId | Field::Status)
        };
        edits::edits(self, WriteKind::Replace, clears).map_err(|fault| vec![fault])
    }

    fn check(&self, kind: WriteKind, now: Timestamp) -> Result<(), Vec<Fault>> {
        let mut faults = self.unexpected_fields.clone();
        if let Err(report) = self.validate_with(&kind) {
            faults.extend(rules::faults(&report));
        }
        faults.extend(self.profile.birthdate_in_future(now));
        // A replacement may repeat stored numbers. Only the edit can compare them.
        if kind != WriteKind::Replace {
            faults.extend(self.metadata.numbers_out_of_range());
        }
        if kind == WriteKind::Create {
            faults.extend(self.username_of_mixed_scripts());
        } else {
            faults.extend(self.password.unexpected());
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }
}

impl UserInput {
    /// The fault of a new user's username that mixes scripts. Other writes may repeat the current username, so
    /// `User::apply` checks only a changed one.
    fn username_of_mixed_scripts(&self) -> Option<Fault> {
        let Raw::Value(text) = &self.username else {
            return None;
        };
        let username = Username::parse(text).ok()?;
        let violation = username.check_scripts().err()?;
        Some(Fault::new(Field::Username.path(), &violation))
    }
}

impl MetadataInput {
    fn numbers_out_of_range(&self) -> Vec<Fault> {
        let Self {
            public,
            user,
            private,
        } = self;
        let objects = [
            (Field::MetadataPublic, public),
            (Field::MetadataUser, user),
            (Field::MetadataPrivate, private),
        ];
        let faults = objects.into_iter().flat_map(|(field, object)| {
            let numbers = match object {
                Raw::Value(map) => Metadata::numbers_out_of_range(map),
                Raw::Absent | Raw::Null | Raw::WrongType(_) => Vec::new(),
            };
            let violation = Metadata::out_of_range();
            let numbers = numbers.into_iter();
            numbers.map(move |steps| Fault::nested(field.path(), steps, &violation))
        });
        faults.collect()
    }
}

impl ProfileInput {
    fn birthdate_in_future(&self, now: Timestamp) -> Option<Fault> {
        let Raw::Value(text) = &self.birthdate else {
            return None;
        };
        let birthdate = Birthdate::parse(text).ok()?;
        birthdate.is_in_future(now).then(|| {
            let field = Field::Profile(ProfileField::Birthdate);
            Fault::new(field.path(), &Birthdate::in_future())
        })
    }
}

#[cfg(test)]
mod tests;
