//! What edits make of a user's fields.

use super::change::{Edit, MetadataEdit, MetadataEdits, ProfileEdits, UserEdits};
use super::{Field, Profile, ProfileField, UserMetadata, UserState};
use crate::{Fault, Violation};

/// The fields that became something else, in the order of their edits, which is always the same.
#[derive(Debug, Default)]
pub(super) struct Changed(pub(super) Vec<Field>);

impl Changed {
    /// Sets a field, and notes it if that makes a difference.
    pub(super) fn set<T: PartialEq>(&mut self, field: Field, slot: &mut T, value: T) {
        if *slot != value {
            *slot = value;
            // An import may change both what stands behind a status and whether it is shown.
            if !self.0.contains(&field) {
                self.0.push(field);
            }
        }
    }

    fn set_optional<T: PartialEq + Clone>(
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

    /// Sets whether a contact is verified: as asked, and otherwise not once the contact has moved.
    fn set_verified(&mut self, field: Field, slot: &mut bool, asked: Option<bool>, moved: bool) {
        match asked {
            Some(verified) => self.set(field, slot, verified),
            None if moved => self.set(field, slot, false),
            None => {}
        }
    }
}

/// Edits a state in place and notes which fields became something else.
///
/// # Errors
/// Every rule that the result would break; the state is worth nothing then.
pub(super) fn edit(
    state: &mut UserState,
    edits: &UserEdits,
    changed: &mut Changed,
) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    if let Some(username) = &edits.username {
        changed.set(Field::Username, &mut state.username, username.clone());
    }
    edit_email(state, edits, changed);
    edit_phone(state, edits, changed, &mut faults);
    edit_external_id(state, edits, changed, &mut faults);
    if let Some(standing) = edits.standing {
        changed.set(Field::Status, &mut state.standing, standing);
    }
    if let Some(roles) = &edits.roles {
        changed.set(Field::Roles, &mut state.roles, roles.clone());
    }
    edit_profile(&mut state.profile, &edits.profile, changed);
    edit_metadata(&mut state.metadata, &edits.metadata, changed, &mut faults);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

fn edit_email(state: &mut UserState, edits: &UserEdits, changed: &mut Changed) {
    let before = state.email.key().to_owned();
    if let Some(email) = &edits.email {
        changed.set(Field::Email, &mut state.email, email.clone());
    }
    let moved = state.email.key() != before;
    let verified = &mut state.email_verified;
    changed.set_verified(Field::EmailVerified, verified, edits.email_verified, moved);
}

fn edit_phone(
    state: &mut UserState,
    edits: &UserEdits,
    changed: &mut Changed,
    faults: &mut Vec<Fault>,
) {
    let before = state.phone_number.clone();
    let number = &mut state.phone_number;
    changed.set_optional(Field::PhoneNumber, number, &edits.phone_number);
    let moved = state.phone_number != before;
    let verified = &mut state.phone_number_verified;
    let asked = edits.phone_number_verified;
    changed.set_verified(Field::PhoneNumberVerified, verified, asked, moved);
    if state.phone_number_verified && state.phone_number.is_none() {
        let detail = "Is required while phone_number_verified is true.";
        let violation = Violation::new("required", detail);
        faults.push(Fault::new(Field::PhoneNumber.path(), &violation));
    }
}

fn edit_external_id(
    state: &mut UserState,
    edits: &UserEdits,
    changed: &mut Changed,
    faults: &mut Vec<Fault>,
) {
    let before = state.external_id.clone();
    let id = &mut state.external_id;
    changed.set_optional(Field::ExternalId, id, &edits.external_id);
    if before.is_some() && state.external_id != before {
        let violation = Violation::new("read_only", "Is written once and cannot be changed.");
        faults.push(Fault::new(Field::ExternalId.path(), &violation));
    }
}

fn edit_profile(profile: &mut Profile, edits: &ProfileEdits, changed: &mut Changed) {
    use ProfileField::{
        Bio, Birthdate, FamilyName, GivenName, Locale, Location, Name, Nickname, Picture, Website,
        Zoneinfo,
    };
    let of = Field::Profile;
    changed.set_optional(of(Name), &mut profile.name, &edits.name);
    changed.set_optional(of(GivenName), &mut profile.given_name, &edits.given_name);
    changed.set_optional(of(FamilyName), &mut profile.family_name, &edits.family_name);
    changed.set_optional(of(Nickname), &mut profile.nickname, &edits.nickname);
    changed.set_optional(of(Picture), &mut profile.picture, &edits.picture);
    changed.set_optional(of(Website), &mut profile.website, &edits.website);
    changed.set_optional(of(Bio), &mut profile.bio, &edits.bio);
    changed.set_optional(of(Location), &mut profile.location, &edits.location);
    changed.set_optional(of(Locale), &mut profile.locale, &edits.locale);
    changed.set_optional(of(Zoneinfo), &mut profile.zoneinfo, &edits.zoneinfo);
    changed.set_optional(of(Birthdate), &mut profile.birthdate, &edits.birthdate);
}

fn edit_metadata(
    metadata: &mut UserMetadata,
    edits: &MetadataEdits,
    changed: &mut Changed,
    faults: &mut Vec<Fault>,
) {
    let UserMetadata {
        public,
        user,
        private,
    } = metadata;
    let drawers = [
        (Field::MetadataPublic, public, &edits.public),
        (Field::MetadataUser, user, &edits.user),
        (Field::MetadataPrivate, private, &edits.private),
    ];
    for (field, drawer, edit) in drawers {
        let next = match edit {
            MetadataEdit::Keep => continue,
            MetadataEdit::Set(next) => Ok(next.clone()),
            MetadataEdit::Merge(patch) => drawer.merge(patch),
        };
        match next {
            Ok(next) => changed.set(field, drawer, next),
            Err(violation) => faults.push(Fault::new(field.path(), &violation)),
        }
    }
}
