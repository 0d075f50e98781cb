//! From a checked input to what becomes of each field.

use serde_json::{Map, Value};

use super::rules::{missing, mistyped, parse_roles, parse_standing};
use super::{MetadataInput, ProfileInput, Raw, UserInput, Writing};
use crate::user::{
    Edit, Field, MetadataEdit, MetadataEdits, NewUser, ProfileEdits, ProfileField, Standing,
    UserEdits,
};
use crate::values::{EmailAddress, Metadata, Roles, Username};
use crate::{Fault, Violation};

/// Makes a user to be.
pub(super) fn new_user(input: &UserInput) -> Result<NewUser, Fault> {
    let rest = edits(input, Writing::Create, |_| false)?;
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

/// Makes the edits; `clears` tells which absent fields lose their value.
pub(super) fn edits(
    input: &UserInput,
    writing: Writing,
    clears: impl Fn(Field) -> bool,
) -> Result<UserEdits, Fault> {
    let from = Reader { clears: &clears };
    Ok(UserEdits {
        username: from.required(&input.username, Field::Username, Username::parse)?,
        email: from.required(&input.email, Field::Email, EmailAddress::parse)?,
        email_verified: from.flag(&input.email_verified, Field::EmailVerified)?,
        phone_number: from.optional(
            &input.phone_number,
            Field::PhoneNumber,
            crate::values::PhoneNumber::parse,
        )?,
        phone_number_verified: from
            .flag(&input.phone_number_verified, Field::PhoneNumberVerified)?,
        external_id: from.optional(
            &input.external_id,
            Field::ExternalId,
            crate::values::ExternalId::parse,
        )?,
        standing: from.required::<Standing>(&input.status, Field::Status, parse_standing)?,
        roles: roles(input)?,
        profile: profile(&input.profile, &from)?,
        metadata: metadata(&input.metadata, writing, &from)?,
    })
}

fn roles(input: &UserInput) -> Result<Option<Roles>, Fault> {
    let fault = |violation: &Violation| Fault::new(Field::Roles.path(), violation);
    match &input.roles.0 {
        Raw::Absent => Ok(None),
        Raw::Null => Ok(Some(Roles::default())),
        Raw::Mistyped(expected) => Err(fault(&mistyped(expected))),
        Raw::Value(names) => match parse_roles(names) {
            Ok(roles) => Ok(Some(roles)),
            Err(faults) => Err(faults
                .first()
                .map_or_else(|| fault(&missing()), |(_, violation)| fault(violation))),
        },
    }
}

fn profile(input: &ProfileInput, from: &Reader<'_>) -> Result<ProfileEdits, Fault> {
    use crate::values::{Bio, Birthdate, Locale, ShortText, WebUrl, ZoneInfo};
    use ProfileField as P;
    Ok(ProfileEdits {
        name: from.optional(&input.name, Field::Profile(P::Name), ShortText::parse)?,
        given_name: from.optional(
            &input.given_name,
            Field::Profile(P::GivenName),
            ShortText::parse,
        )?,
        family_name: from.optional(
            &input.family_name,
            Field::Profile(P::FamilyName),
            ShortText::parse,
        )?,
        nickname: from.optional(
            &input.nickname,
            Field::Profile(P::Nickname),
            ShortText::parse,
        )?,
        picture: from.optional(&input.picture, Field::Profile(P::Picture), WebUrl::parse)?,
        website: from.optional(&input.website, Field::Profile(P::Website), WebUrl::parse)?,
        bio: from.optional(&input.bio, Field::Profile(P::Bio), Bio::parse)?,
        location: from.optional(
            &input.location,
            Field::Profile(P::Location),
            ShortText::parse,
        )?,
        locale: from.optional(&input.locale, Field::Profile(P::Locale), Locale::parse)?,
        zoneinfo: from.optional(
            &input.zoneinfo,
            Field::Profile(P::Zoneinfo),
            ZoneInfo::parse,
        )?,
        birthdate: from.optional(
            &input.birthdate,
            Field::Profile(P::Birthdate),
            Birthdate::parse,
        )?,
    })
}

fn metadata(
    input: &MetadataInput,
    writing: Writing,
    from: &Reader<'_>,
) -> Result<MetadataEdits, Fault> {
    Ok(MetadataEdits {
        public: from.metadata(&input.public, Field::MetadataPublic, writing)?,
        user: from.metadata(&input.user, Field::MetadataUser, writing)?,
        private: from.metadata(&input.private, Field::MetadataPrivate, writing)?,
    })
}

struct Reader<'a> {
    clears: &'a dyn Fn(Field) -> bool,
}

impl Reader<'_> {
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
            Raw::Mistyped(expected) => Err(Fault::new(field.path(), &mistyped(expected))),
        }
    }

    fn flag(&self, raw: &Raw<bool>, field: Field) -> Result<Option<bool>, Fault> {
        match raw {
            Raw::Absent if (self.clears)(field) => Ok(Some(false)),
            Raw::Absent => Ok(None),
            Raw::Null => Ok(Some(false)),
            Raw::Value(flag) => Ok(Some(*flag)),
            Raw::Mistyped(expected) => Err(Fault::new(field.path(), &mistyped(expected))),
        }
    }

    fn metadata(
        &self,
        raw: &Raw<Map<String, Value>>,
        field: Field,
        writing: Writing,
    ) -> Result<MetadataEdit, Fault> {
        match raw {
            Raw::Absent if (self.clears)(field) => Ok(MetadataEdit::Set(Metadata::default())),
            Raw::Absent => Ok(MetadataEdit::Keep),
            Raw::Null => Ok(MetadataEdit::Set(Metadata::default())),
            Raw::Value(map) if writing == Writing::Merge => Ok(MetadataEdit::Merge(map.clone())),
            Raw::Value(map) => Metadata::from_map(map.clone())
                .map(MetadataEdit::Set)
                .map_err(|violation| Fault::new(field.path(), &violation)),
            Raw::Mistyped(expected) => Err(Fault::new(field.path(), &mistyped(expected))),
        }
    }
}
