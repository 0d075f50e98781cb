//! Converts a validated input to the edit of each field.

use serde_json::{Map, Value};

use super::rules::{missing, parse_roles, parse_standing, wrong_type};
use super::{MetadataInput, ProfileInput, Raw, RolesInput, UserInput, WriteKind};
use crate::user::{
    Edit, Field, MetadataEdit, MetadataEdits, NewUser, ProfileEdits, ProfileField, Standing,
    UserEdits,
};
use crate::values::{EmailAddress, Metadata, Roles, Username};
use crate::{Fault, Violation};

/// Creates a new user from an input.
pub(super) fn new_user(input: &UserInput) -> Result<NewUser, Fault> {
    let rest = edits(input, WriteKind::Create, |_| false)?;
    let required = |field: Field| Fault::new(field.path(), &missing());
    Ok(NewUser {
        username: rest
            .username
            .clone()
            .ok_or_else(|| required(Field::Username))?,
        email: rest.email.clone().ok_or_else(|| required(Field::Email))?,
        rest,
        password: None,
    })
}

/// Creates the edits. `clears` decides which absent fields lose their value.
pub(super) fn edits(
    input: &UserInput,
    kind: WriteKind,
    clears: impl Fn(Field) -> bool,
) -> Result<UserEdits, Fault> {
    let from = FieldReader { clears: &clears };
    let UserInput {
        username,
        email,
        email_verified,
        phone_number,
        phone_number_verified,
        external_id,
        status,
        roles,
        profile,
        metadata,
        password: _,
        unexpected_fields: _,
    } = input;
    Ok(UserEdits {
        username: from.required(username, Field::Username, Username::parse)?,
        email: from.required(email, Field::Email, EmailAddress::parse)?,
        email_verified: from.flag(email_verified, Field::EmailVerified)?,
        phone_number: from.optional(
            phone_number,
            Field::PhoneNumber,
            crate::values::PhoneNumber::parse,
        )?,
        phone_number_verified: from.flag(phone_number_verified, Field::PhoneNumberVerified)?,
        external_id: from.optional(
            external_id,
            Field::ExternalId,
            crate::values::ExternalId::parse,
        )?,
        standing: from.required::<Standing>(status, Field::Status, parse_standing)?,
        // Only the suspension of a user sets it.
        suspension: Edit::Keep,
        roles: read_roles(roles)?,
        profile: read_profile(profile, &from)?,
        metadata: read_metadata(metadata, kind, &from)?,
    })
}

fn read_roles(RolesInput(roles): &RolesInput) -> Result<Option<Roles>, Fault> {
    let fault = |violation: &Violation| Fault::new(Field::Roles.path(), violation);
    match roles {
        Raw::Absent => Ok(None),
        Raw::Null => Ok(Some(Roles::default())),
        Raw::WrongType(expected) => Err(fault(&wrong_type(expected))),
        Raw::Value(names) => match parse_roles(names) {
            Ok(roles) => Ok(Some(roles)),
            Err(faults) => Err(faults
                .first()
                .map_or_else(|| fault(&missing()), |(_, violation)| fault(violation))),
        },
    }
}

fn read_profile(input: &ProfileInput, from: &FieldReader<'_>) -> Result<ProfileEdits, Fault> {
    use crate::values::{Bio, Birthdate, Locale, ShortText, WebUrl, ZoneInfo};
    use ProfileField as P;
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
    } = input;
    Ok(ProfileEdits {
        name: from.optional(name, Field::Profile(P::Name), ShortText::parse)?,
        given_name: from.optional(given_name, Field::Profile(P::GivenName), ShortText::parse)?,
        family_name: from.optional(family_name, Field::Profile(P::FamilyName), ShortText::parse)?,
        nickname: from.optional(nickname, Field::Profile(P::Nickname), ShortText::parse)?,
        picture: from.optional(picture, Field::Profile(P::Picture), WebUrl::parse)?,
        website: from.optional(website, Field::Profile(P::Website), WebUrl::parse)?,
        bio: from.optional(bio, Field::Profile(P::Bio), Bio::parse)?,
        location: from.optional(location, Field::Profile(P::Location), ShortText::parse)?,
        locale: from.optional(locale, Field::Profile(P::Locale), Locale::parse)?,
        zoneinfo: from.optional(zoneinfo, Field::Profile(P::Zoneinfo), ZoneInfo::parse)?,
        birthdate: from.optional(birthdate, Field::Profile(P::Birthdate), Birthdate::parse)?,
    })
}

fn read_metadata(
    input: &MetadataInput,
    kind: WriteKind,
    from: &FieldReader<'_>,
) -> Result<MetadataEdits, Fault> {
    let MetadataInput {
        public,
        user,
        private,
    } = input;
    Ok(MetadataEdits {
        public: from.metadata(public, Field::MetadataPublic, kind)?,
        user: from.metadata(user, Field::MetadataUser, kind)?,
        private: from.metadata(private, Field::MetadataPrivate, kind)?,
    })
}

struct FieldReader<'a> {
    clears: &'a dyn Fn(Field) -> bool,
}

impl FieldReader<'_> {
    fn required<T>(
        &self,
        raw: &Raw<String>,
        field: Field,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Result<Option<T>, Fault> {
        match self.optional(raw, field, parse)? {
            Edit::Keep => Ok(None),
            Edit::Set(value) => Ok(Some(value)),
            Edit::Clear => Err(Fault::new(field.path(), &missing())),
        }
    }

    fn optional<T>(
        &self,
        raw: &Raw<String>,
        field: Field,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Result<Edit<T>, Fault> {
        match raw {
            Raw::Absent if (self.clears)(field) => Ok(Edit::Clear),
            Raw::Absent => Ok(Edit::Keep),
            Raw::Null => Ok(Edit::Clear),
            Raw::Value(text) => parse(text)
                .map(Edit::Set)
                .map_err(|violation| Fault::new(field.path(), &violation)),
            Raw::WrongType(expected) => Err(Fault::new(field.path(), &wrong_type(expected))),
        }
    }

    fn flag(&self, raw: &Raw<bool>, field: Field) -> Result<Option<bool>, Fault> {
        match raw {
            Raw::Absent if (self.clears)(field) => Ok(Some(false)),
            Raw::Absent => Ok(None),
            Raw::Null => Ok(Some(false)),
            Raw::Value(flag) => Ok(Some(*flag)),
            Raw::WrongType(expected) => Err(Fault::new(field.path(), &wrong_type(expected))),
        }
    }

    fn metadata(
        &self,
        raw: &Raw<Map<String, Value>>,
        field: Field,
        kind: WriteKind,
    ) -> Result<MetadataEdit, Fault> {
        match raw {
            Raw::Absent if (self.clears)(field) => Ok(MetadataEdit::Set(Metadata::default())),
            Raw::Absent => Ok(MetadataEdit::Keep),
            Raw::Null => Ok(MetadataEdit::Set(Metadata::default())),
            Raw::Value(map) => {
                let whole = match kind {
                    WriteKind::Merge => return Ok(MetadataEdit::Merge(map.clone())),
                    WriteKind::Create => Metadata::from_map(map.clone()),
                    WriteKind::Replace => Metadata::replacement(map.clone()),
                };
                whole
                    .map(MetadataEdit::Set)
                    .map_err(|violation| Fault::new(field.path(), &violation))
            }
            Raw::WrongType(expected) => Err(Fault::new(field.path(), &wrong_type(expected))),
        }
    }
}
