//! Applies edits to the fields of a user.

use super::change::{Edit, MetadataEdit, MetadataEdits, UserEdits};
use super::profile::edit_profile;
use super::{Field, Standing, UserMetadata, UserState};
use crate::values::{EmailAddress, ExternalId, Metadata, PhoneNumber, Username};
use crate::{Fault, Violation};

/// The fields that changed, in the fixed order of their edits.
#[derive(Debug, Default)]
pub(super) struct ChangedFields(pub(super) Vec<Field>);

impl ChangedFields {
    /// Sets a field, and records it if its value changed.
    pub(super) fn set<T: PartialEq>(&mut self, field: Field, slot: &mut T, value: T) {
        if *slot != value {
            *slot = value;
            // An import may change both the standing and the deletion, which are one field.
            if !self.0.contains(&field) {
                self.0.push(field);
            }
        }
    }

    pub(super) fn set_optional<T: PartialEq + Clone>(
        &mut self,
        field: Field,
        slot: &mut Option<T>,
        edit: &Edit<T>,
    ) {
        match edit {
            Edit::Keep => {}
            Edit::Clear => self.set(field, slot, None),
            Edit::Set(value) => self.set(field, slot, Some(value.clone())),
        }
    }

    /// Sets whether a contact is verified: to the requested value, or to false if the contact changed.
    fn set_verified(
        &mut self,
        field: Field,
        slot: &mut bool,
        requested: Option<bool>,
        contact_changed: bool,
    ) {
        match requested {
            Some(verified) => self.set(field, slot, verified),
            None if contact_changed => self.set(field, slot, false),
            None => {}
        }
    }
}

/// Edits a state in place and records the fields that changed.
///
/// Edits are destructured completely, here and below, so that an edit that is not applied does not compile.
///
/// # Errors
/// A fault for every rule that the result breaks. The state must then be discarded.
pub(super) fn edit(
    state: &mut UserState,
    edits: &UserEdits,
    changed: &mut ChangedFields,
) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    let UserEdits {
        username,
        email,
        email_verified,
        phone_number,
        phone_number_verified,
        external_id,
        standing,
        suspension,
        roles,
        profile,
        metadata,
    } = edits;
    if let Some(username) = username {
        if username.key() != state.username.key() {
            faults.extend(mixed_scripts(username));
        }
        changed.set(Field::Username, &mut state.username, username.clone());
    }
    edit_email(state, email.as_ref(), *email_verified, changed);
    edit_phone(
        state,
        phone_number,
        *phone_number_verified,
        changed,
        &mut faults,
    );
    edit_external_id(state, external_id, changed, &mut faults);
    if let Some(standing) = standing {
        changed.set(Field::Status, &mut state.standing, *standing);
    }
    if state.standing == Standing::Suspended {
        let slot = &mut state.suspension;
        changed.set_optional(Field::Suspension, slot, suspension);
    }
    if let Some(roles) = roles {
        changed.set(Field::Roles, &mut state.roles, roles.clone());
    }
    edit_profile(&mut state.profile, profile, changed);
    edit_metadata(&mut state.metadata, metadata, changed, &mut faults);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// Returns the fault of a username with mixed scripts, which a user may keep but not choose.
pub(super) fn mixed_scripts(username: &Username) -> Option<Fault> {
    let violation = username.check_scripts().err()?;
    Some(Fault::new(Field::Username.path(), &violation))
}

fn edit_email(
    state: &mut UserState,
    email: Option<&EmailAddress>,
    requested: Option<bool>,
    changed: &mut ChangedFields,
) {
    let before = state.email.key().to_owned();
    if let Some(email) = email {
        changed.set(Field::Email, &mut state.email, email.clone());
    }
    let contact_changed = state.email.key() != before;
    let verified = &mut state.email_verified;
    changed.set_verified(Field::EmailVerified, verified, requested, contact_changed);
}

fn edit_phone(
    state: &mut UserState,
    edit: &Edit<PhoneNumber>,
    requested: Option<bool>,
    changed: &mut ChangedFields,
    faults: &mut Vec<Fault>,
) {
    let before = state.phone_number.clone();
    let number = &mut state.phone_number;
    changed.set_optional(Field::PhoneNumber, number, edit);
    let contact_changed = state.phone_number != before;
    let verified = &mut state.phone_number_verified;
    changed.set_verified(
        Field::PhoneNumberVerified,
        verified,
        requested,
        contact_changed,
    );
    if state.phone_number_verified && state.phone_number.is_none() {
        let detail = "Is required while phone_number_verified is true.";
        let violation = Violation::new("required", detail);
        faults.push(Fault::new(Field::PhoneNumber.path(), &violation));
    }
}

fn edit_external_id(
    state: &mut UserState,
    edit: &Edit<ExternalId>,
    changed: &mut ChangedFields,
    faults: &mut Vec<Fault>,
) {
    let before = state.external_id.clone();
    let id = &mut state.external_id;
    changed.set_optional(Field::ExternalId, id, edit);
    if before.is_some() && state.external_id != before {
        let violation = Violation::new("read_only", "Is written once and cannot be changed.");
        faults.push(Fault::new(Field::ExternalId.path(), &violation));
    }
}

fn edit_metadata(
    metadata: &mut UserMetadata,
    edits: &MetadataEdits,
    changed: &mut ChangedFields,
    faults: &mut Vec<Fault>,
) {
    let UserMetadata {
        public,
        user,
        private,
    } = metadata;
    let MetadataEdits {
        public: public_edit,
        user: user_edit,
        private: private_edit,
    } = edits;
    let objects = [
        (Field::MetadataPublic, public, public_edit),
        (Field::MetadataUser, user, user_edit),
        (Field::MetadataPrivate, private, private_edit),
    ];
    for (field, object, edit) in objects {
        let next = match edit {
            MetadataEdit::Keep => continue,
            MetadataEdit::Set(next) if *next == *object => continue,
            MetadataEdit::Set(next) => {
                let violation = Metadata::out_of_range();
                let numbers = Metadata::numbers_out_of_range(next.as_map()).into_iter();
                faults.extend(numbers.map(|steps| Fault::nested(field.path(), steps, &violation)));
                Ok(next.clone())
            }
            MetadataEdit::Merge(patch) => object.merge(patch),
        };
        match next {
            Ok(next) => changed.set(field, object, next),
            Err(violation) => faults.push(Fault::new(field.path(), &violation)),
        }
    }
}
