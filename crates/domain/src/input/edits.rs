//! Converts an input to the edit of each field.

use serde_json::{Map, Value};

use super::{FieldInput, MetadataInput, UserInput, WriteKind};
use crate::Fault;
use crate::user::{Edit, Field, MetadataEdit, MetadataEdits, UserEdits};
use crate::values::Metadata;

/// Creates the edits of the valid fields. Adds the faults of metadata, whose rules depend on the kind of write.
///
/// `clears` decides which absent fields lose their value.
pub(super) fn edits(
    input: &UserInput,
    kind: WriteKind,
    clears: &dyn Fn(Field) -> bool,
    faults: &mut Vec<Fault>,
) -> UserEdits {
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
    let flag = |input: &FieldInput<bool>, field| match input.edit(|| clears(field)) {
        Edit::Keep => None,
        Edit::Clear => Some(false),
        Edit::Set(flag) => Some(flag),
    };
    UserEdits {
        username: username.value().cloned(),
        email: email.value().cloned(),
        email_verified: flag(email_verified, Field::EmailVerified),
        phone_number: phone_number.edit(|| clears(Field::PhoneNumber)),
        phone_number_verified: flag(phone_number_verified, Field::PhoneNumberVerified),
        external_id: external_id.edit(|| clears(Field::ExternalId)),
        standing: status.value().copied(),
        // Only the suspension of a user sets it.
        suspension: Edit::Keep,
        roles: roles.edit(),
        profile: profile.edits(clears),
        metadata: metadata_edits(metadata, kind, clears, faults),
    }
}

fn metadata_edits(
    input: &MetadataInput,
    kind: WriteKind,
    clears: &dyn Fn(Field) -> bool,
    faults: &mut Vec<Fault>,
) -> MetadataEdits {
    let MetadataInput {
        public,
        user,
        private,
    } = input;
    let mut edit = |input: &FieldInput<Map<String, Value>>, field| {
        let map = match input.edit(|| clears(field)) {
            Edit::Keep => return MetadataEdit::Keep,
            Edit::Clear => return MetadataEdit::Set(Metadata::default()),
            Edit::Set(map) => map,
        };
        // A replacement may repeat stored numbers. Only `User::apply` can compare them.
        if kind != WriteKind::Replace {
            let numbers = Metadata::numbers_out_of_range(&map).into_iter();
            let violation = Metadata::out_of_range();
            faults.extend(numbers.map(|steps| Fault::nested(field.path(), steps, &violation)));
        }
        let edit = match kind {
            WriteKind::Merge => Metadata::check_form(&map).map(|()| MetadataEdit::Merge(map)),
            WriteKind::Create | WriteKind::Replace => {
                Metadata::replacement(map).map(MetadataEdit::Set)
            }
        };
        edit.unwrap_or_else(|violation| {
            faults.push(Fault::new(field.path(), &violation));
            MetadataEdit::Keep
        })
    };
    MetadataEdits {
        public: edit(public, Field::MetadataPublic),
        user: edit(user, Field::MetadataUser),
        private: edit(private, Field::MetadataPrivate),
    }
}

impl<T: Clone> FieldInput<T> {
    /// Returns the edit of an optional field. `clears` tells whether the field loses its value if it is absent. An
    /// invalid value, which validation reports, is no edit.
    pub(super) fn edit(&self, clears: impl FnOnce() -> bool) -> Edit<T> {
        match self {
            Self::Absent if clears() => Edit::Clear,
            Self::Absent | Self::Invalid(_) => Edit::Keep,
            Self::Null => Edit::Clear,
            Self::Value(value) => Edit::Set(value.clone()),
        }
    }
}
