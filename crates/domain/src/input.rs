//! A user as a caller words it: raw values, checked all at once.

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
    Bio, Birthdate, EmailAddress, ExternalId, Locale, PhoneNumber, ShortText, Username, WebUrl,
    ZoneInfo,
};
pub use password::{Login, LoginInput, NewPassword, PasswordInput};
pub use record::RecordInput;
use rules::{optional, required, standing, typed};

/// A value as it came in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Raw<T> {
    /// It was not there.
    #[default]
    Absent,
    /// It was there, and null.
    Null,
    /// It was there, and of the right type.
    Value(T),
    /// It was there, and of another type than this one, named with its article (`a string`).
    Mistyped(&'static str),
}

impl<T> Raw<T> {
    /// Tells whether the value was there, whatever it was.
    pub fn is_named(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}

/// The kind of write that an input is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// A new user: what is absent is null or its default.
    Create,
    /// A merge (RFC 7396): what is absent stays, null clears.
    Merge,
    /// A replacement: what is absent is null or its default, but `roles`, `external_id` and `status` stay.
    Replace,
}

/// The fields of a user that a caller may name, as they came in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(Writing))]
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
    /// Only a new user's is written with the rest of it.
    #[garde(skip)]
    pub password: PasswordInput,
    /// What was found where no field is: unknown and read-only members, objects of another type.
    #[garde(skip)]
    pub misfits: Vec<Fault>,
}

/// The fields of a profile, as they came in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(Writing))]
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

/// The drawers of metadata, as they came in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
#[garde(context(Writing))]
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

/// The names of roles, as they came in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RolesInput(pub Raw<Vec<Raw<String>>>);

impl UserInput {
    /// The fields that the input names, faulty or not: what a caller must be allowed to write.
    pub fn named(&self) -> Vec<Field> {
        use ProfileField as P;
        let Self {
            profile, metadata, ..
        } = self;
        let named = [
            (Field::Username, self.username.is_named()),
            (Field::Email, self.email.is_named()),
            (Field::EmailVerified, self.email_verified.is_named()),
            (Field::PhoneNumber, self.phone_number.is_named()),
            (
                Field::PhoneNumberVerified,
                self.phone_number_verified.is_named(),
            ),
            (Field::ExternalId, self.external_id.is_named()),
            (Field::Status, self.status.is_named()),
            (Field::Roles, self.roles.0.is_named()),
            (Field::Profile(P::Name), profile.name.is_named()),
            (Field::Profile(P::GivenName), profile.given_name.is_named()),
            (
                Field::Profile(P::FamilyName),
                profile.family_name.is_named(),
            ),
            (Field::Profile(P::Nickname), profile.nickname.is_named()),
            (Field::Profile(P::Picture), profile.picture.is_named()),
            (Field::Profile(P::Website), profile.website.is_named()),
            (Field::Profile(P::Bio), profile.bio.is_named()),
            (Field::Profile(P::Location), profile.location.is_named()),
            (Field::Profile(P::Locale), profile.locale.is_named()),
            (Field::Profile(P::Zoneinfo), profile.zoneinfo.is_named()),
            (Field::Profile(P::Birthdate), profile.birthdate.is_named()),
            (Field::MetadataPublic, metadata.public.is_named()),
            (Field::MetadataUser, metadata.user.is_named()),
            (Field::MetadataPrivate, metadata.private.is_named()),
        ];
        named
            .into_iter()
            .filter_map(|(field, named)| named.then_some(field))
            .collect()
    }

    /// Checks an input for a new user.
    ///
    /// # Errors
    /// Every fault of the input.
    pub fn check_new(&self) -> Result<(NewUser, Option<NewPassword>), Vec<Fault>> {
        let password = self.password.check();
        match (self.check(Writing::Create), password) {
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

    /// Checks an input that is merged into a user.
    ///
    /// # Errors
    /// Every fault of the input.
    pub fn check_merge(&self) -> Result<UserEdits, Vec<Fault>> {
        self.check(Writing::Merge)?;
        edits::edits(self, Writing::Merge, |_| false).map_err(|fault| vec![fault])
    }

    /// Checks an input that replaces what the caller may write of a user.
    ///
    /// # Errors
    /// Every fault of the input.
    pub fn check_replacement(&self, caller: &Caller) -> Result<UserEdits, Vec<Fault>> {
        self.check(Writing::Replace)?;
        let clears = |field| {
            may_write(caller, field)
                && !matches!(field, Field::Roles | Field::ExternalId | Field::Status)
        };
        edits::edits(self, Writing::Replace, clears).map_err(|fault| vec![fault])
    }

    fn check(&self, writing: Writing) -> Result<(), Vec<Fault>> {
        let mut faults = self.misfits.clone();
        if let Err(report) = self.validate_with(&writing) {
            faults.extend(rules::faults(&report));
        }
        if writing != Writing::Create {
            faults.extend(self.password.misplaced());
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }
}

#[cfg(test)]
mod tests;
