//! What a record makes of a user: of a new one, and of one that is there.

use super::apply::{Applied, PasswordWrite};
use super::change::{Presence, Record};
use super::edit::{self, Changed};
use super::{Field, User, UserState};
use crate::values::{Timestamp, UserId};
use crate::write::WriteContext;
use crate::{Fault, Violation};

impl User {
    /// Makes a user of a record, with the past that the record tells of.
    ///
    /// # Errors
    /// The faults of fields that do not go together.
    pub fn register_record(
        id: UserId,
        record: &Record,
        context: &WriteContext,
    ) -> Result<Applied, Vec<Fault>> {
        let (mut state, mut changed) = Self::begin(id, &record.user, record.past, context)?;
        if let Presence::Deleted(since) = record.presence {
            let since = since.unwrap_or(context.at);
            changed.set(Field::Status, &mut state.deleted_at, Some(since));
        }
        Ok(Self::made(state, &changed, &record.user, context))
    }
}

/// Takes a record's password over. Whether it is to be taken is decided where the one that is there is known.
pub(super) fn password(
    state: &mut UserState,
    record: &Record,
    changed: &mut Changed,
    at: Timestamp,
) -> Option<PasswordWrite> {
    let stored = record.user.password.as_ref()?;
    state.password_changed_at = Some(at);
    changed.0.push(Field::Password);
    Some(PasswordWrite::Set(stored.clone()))
}

/// Edits a user's state to what a record says of it; its id and its past stay.
///
/// A record that does not say whether its user is deleted brings nobody back: of one that is, it is refused.
pub(super) fn edit(
    state: &mut UserState,
    record: &Record,
    changed: &mut Changed,
    at: Timestamp,
) -> Result<(), Vec<Fault>> {
    match record.presence {
        Presence::Untold if state.deleted_at.is_some() => {
            let detail = "Is required: the user is deleted. `active` or `suspended` restores it.";
            let violation = Violation::new("required", detail);
            return Err(vec![Fault::new(Field::Status.path(), &violation)]);
        }
        Presence::Untold => {}
        Presence::Present => changed.set(Field::Status, &mut state.deleted_at, None),
        Presence::Deleted(_) if state.deleted_at.is_some() => {}
        Presence::Deleted(since) => {
            let since = Some(since.unwrap_or(at));
            changed.set(Field::Status, &mut state.deleted_at, since);
        }
    }
    edit::edit(state, &record.user.edits(), changed)
}
