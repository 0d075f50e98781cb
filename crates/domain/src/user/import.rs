//! Creates and changes users from imported records.

use super::apply::{Applied, PasswordWrite};
use super::change::{Presence, Record};
use super::edit::{self, ChangedFields};
use super::{Field, User, UserState};
use crate::values::{Timestamp, UserId};
use crate::write::WriteContext;
use crate::{Fault, Violation};

impl User {
    /// Creates a user from a record, with the history in the record.
    ///
    /// # Errors
    /// The faults of fields that are inconsistent with each other.
    pub fn register_record(
        id: UserId,
        record: &Record,
        context: &WriteContext,
    ) -> Result<Applied, Vec<Fault>> {
        let (mut state, mut changed) =
            Self::initial_state(id, &record.user, record.history, context)?;
        if let Presence::Deleted(since) = record.presence {
            let since = deleted_since(&state, since, context.at);
            changed.set(Field::Status, &mut state.deleted_at, Some(since));
        }
        Ok(Self::created(state, &changed, &record.user, context))
    }
}

/// Applies a record's password. The store decides whether it is written, because it can see the stored one.
pub(super) fn password(
    state: &mut UserState,
    record: &Record,
    changed: &mut ChangedFields,
    at: Timestamp,
) -> Option<PasswordWrite> {
    let stored = record.user.password.as_ref()?;
    state.password_changed_at = Some(at);
    changed.0.push(Field::Password);
    Some(PasswordWrite::Set(stored.clone()))
}

/// The time at which an imported user was deleted: that of the record, or else of the import, but never before the user
/// was created.
fn deleted_since(state: &UserState, since: Option<Timestamp>, at: Timestamp) -> Timestamp {
    since.unwrap_or(at).max(state.created_at)
}

/// Edits a user's state to match a record; its id and its history stay.
///
/// A record that does not contain whether its user is deleted never restores a user: it is refused for a deleted one.
pub(super) fn edit(
    state: &mut UserState,
    record: &Record,
    changed: &mut ChangedFields,
    at: Timestamp,
) -> Result<(), Vec<Fault>> {
    match record.presence {
        Presence::Unspecified if state.deleted_at.is_some() => {
            let detail = "Is required: the user is deleted. `active` or `suspended` restores it.";
            let violation = Violation::new("required", detail);
            return Err(vec![Fault::new(Field::Status.path(), &violation)]);
        }
        Presence::Unspecified => {}
        Presence::Present => changed.set(Field::Status, &mut state.deleted_at, None),
        Presence::Deleted(_) if state.deleted_at.is_some() => {}
        Presence::Deleted(since) => {
            let since = deleted_since(state, since, at);
            changed.set(Field::Status, &mut state.deleted_at, Some(since));
        }
    }
    edit::edit(state, &record.user.edits(), changed)
}
