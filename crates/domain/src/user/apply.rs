//! `User::register` and `User::apply`: pure, and the only code that makes or changes a user.

use super::change::{Change, ChangeRefused, Edit, NewUser, Past, UserEdits};
use super::edit::{Changed, edit};
use super::event::{Event, EventKind, SubjectKind, paths};
use super::import;
use super::{Field, Profile, Standing, User, UserMetadata, UserState};
use crate::values::{Roles, StoredPassword, UserId, Username, Version};
use crate::write::{Precondition, WriteContext};
use crate::{Fault, Violation};

/// A user as a change leaves it, and what the change tells the world; both are stored or neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The user after the change.
    pub user: User,
    /// What the outbox is told.
    pub event: Event,
    /// The name that the change gave up, which now rests.
    pub released: Option<Username>,
    /// What becomes of the password, which is no part of the user.
    pub password: Option<PasswordWrite>,
}

/// What becomes of a stored password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordWrite {
    /// It becomes this one.
    Set(StoredPassword),
    /// It goes.
    Remove,
}

impl User {
    /// Makes a user, at version 1.
    ///
    /// # Errors
    /// The faults of fields that do not go together.
    pub fn register(
        id: UserId,
        new: &NewUser,
        context: &WriteContext,
    ) -> Result<Applied, Vec<Fault>> {
        let (state, changed) = Self::begin(id, new, Past::default(), context)?;
        Ok(Self::made(state, &changed, new, context))
    }

    /// Gives the state that a user begins with, and the fields that are told of it.
    pub(super) fn begin(
        id: UserId,
        new: &NewUser,
        past: Past,
        context: &WriteContext,
    ) -> Result<(UserState, Changed), Vec<Fault>> {
        let created_at = past.created_at.unwrap_or(context.at);
        let mut state = UserState {
            id,
            username: new.username.clone(),
            external_id: None,
            email: new.email.clone(),
            email_verified: false,
            phone_number: None,
            phone_number_verified: false,
            standing: Standing::Active,
            roles: Roles::default(),
            profile: Profile::default(),
            metadata: UserMetadata::default(),
            version: past.version.unwrap_or(Version::FIRST),
            created_at,
            updated_at: past.updated_at.unwrap_or(context.at).max(created_at),
            deleted_at: None,
            tokens_valid_after: past.tokens_valid_after,
            password_changed_at: None,
            has_blocks: false,
        };
        let mut changed = Changed(vec![Field::Username, Field::Email]);
        let rest = UserEdits {
            username: None,
            email: None,
            ..new.rest.clone()
        };
        edit(&mut state, &rest, &mut changed)?;
        if new.password.is_some() {
            changed.set(
                Field::Password,
                &mut state.password_changed_at,
                Some(context.at),
            );
        }
        Ok((state, changed))
    }

    pub(super) fn made(
        state: UserState,
        changed: &Changed,
        new: &NewUser,
        context: &WriteContext,
    ) -> Applied {
        let event = event(EventKind::Created, &state, &changed.0, context);
        Applied {
            user: Self { state },
            event,
            released: None,
            password: new.password.clone().map(PasswordWrite::Set),
        }
    }

    /// Applies a change, or tells by `None` that it would change nothing.
    ///
    /// A user that is deleted can only be restored, deleted again or imported. The precondition is looked at first.
    ///
    /// # Errors
    /// [`ChangeRefused`], in the order of its variants.
    pub fn apply(
        &self,
        change: &Change,
        context: &WriteContext,
    ) -> Result<Option<Applied>, ChangeRefused> {
        let reaches_deleted =
            matches!(change, Change::Restore | Change::Delete | Change::Import(_));
        if self.is_deleted() && !reaches_deleted {
            return Err(ChangeRefused::NotFound);
        }
        self.expect_version(context)?;

        let mut next = self.state.clone();
        let mut changed = Changed::default();
        let mut password = None;
        match change {
            Change::Edit(edits) => {
                self.expect_known_contacts(edits, context)?;
                edit(&mut next, edits, &mut changed).map_err(ChangeRefused::Invalid)?;
            }
            Change::GrantRole(role) => {
                let roles = next.roles.with(role.clone()).map_err(|violation| {
                    ChangeRefused::Invalid(vec![Fault::new(Field::Roles.path(), &violation)])
                })?;
                changed.set(Field::Roles, &mut next.roles, roles);
            }
            Change::Suspend => {
                changed.set(Field::Status, &mut next.standing, Standing::Suspended);
            }
            Change::Activate => changed.set(Field::Status, &mut next.standing, Standing::Active),
            Change::Delete if self.is_deleted() => {}
            Change::Delete => {
                changed.set(Field::Status, &mut next.deleted_at, Some(context.at));
            }
            Change::Restore => changed.set(Field::Status, &mut next.deleted_at, None),
            Change::SetPassword(stored) => {
                next.password_changed_at = Some(context.at);
                // Set again in the same moment it is another one all the same.
                changed.0.push(Field::Password);
                password = Some(PasswordWrite::Set(stored.clone()));
            }
            Change::RemovePassword => {
                changed.set(Field::Password, &mut next.password_changed_at, None);
                password = Some(PasswordWrite::Remove);
            }
            Change::SignOut => {
                // Nobody is let in again by a clock that went back.
                let limit = next.tokens_valid_after.max(Some(context.at));
                changed.set(Field::TokensValidAfter, &mut next.tokens_valid_after, limit);
            }
            Change::SetHasBlocks(has) => {
                changed.set(Field::HasBlocks, &mut next.has_blocks, *has);
            }
            Change::Import(record) => {
                import::edit(&mut next, record, &mut changed, context.at)
                    .map_err(ChangeRefused::Invalid)?;
                password = import::password(&mut next, record, &mut changed, context.at);
            }
        }
        if changed.0.is_empty() {
            return Ok(None);
        }
        next.version = self.state.version.next();
        next.updated_at = context.at.max(self.state.updated_at);
        let event = event(self.kind_of(&next), &next, &changed.0, context);
        let released =
            (next.username.key() != self.state.username.key()).then(|| self.state.username.clone());
        Ok(Some(Applied {
            user: Self { state: next },
            event,
            released,
            password,
        }))
    }

    /// Gives the event of the user's removal for good, deleted before or not.
    ///
    /// # Errors
    /// [`ChangeRefused::PreconditionFailed`].
    pub fn erase(&self, context: &WriteContext) -> Result<Event, ChangeRefused> {
        self.expect_version(context)?;
        let mut last = self.state.clone();
        last.version = last.version.next();
        Ok(event(EventKind::Erased, &last, &[], context))
    }

    /// Gives the event of the removal of a user that has been deleted for [`User::RESTORABLE`], and none for any other.
    pub fn expire(&self, context: &WriteContext) -> Option<Event> {
        let deleted_at = self.state.deleted_at?;
        if context.at < deleted_at.plus(Self::RESTORABLE) {
            return None;
        }
        self.erase(context).ok()
    }

    fn expect_version(&self, context: &WriteContext) -> Result<(), ChangeRefused> {
        if context.precondition.admits(self.state.version) {
            Ok(())
        } else {
            Err(ChangeRefused::PreconditionFailed)
        }
    }

    /// Holds a confirmation of an address or number to the one it was made for.
    ///
    /// `If-Match: *` names no version, and so does not say which address was confirmed.
    fn expect_known_contacts(
        &self,
        edits: &UserEdits,
        context: &WriteContext,
    ) -> Result<(), ChangeRefused> {
        if let Precondition::AnyOf(_) = &context.precondition {
            return Ok(());
        }
        let same_email = edits
            .email
            .as_ref()
            .is_some_and(|email| email.key() == self.state.email.key());
        let stored_phone = self.state.phone_number.as_ref();
        let same_phone =
            matches!(&edits.phone_number, Edit::Set(number) if Some(number) == stored_phone);
        let unsure = |confirmed: Option<bool>, same: bool| confirmed == Some(true) && !same;

        let mut faults = Vec::new();
        if unsure(edits.email_verified, same_email) {
            faults.push(Field::EmailVerified);
        }
        if unsure(edits.phone_number_verified, same_phone) {
            faults.push(Field::PhoneNumberVerified);
        }
        if faults.is_empty() {
            return Ok(());
        }
        let violation = Violation::new(
            "precondition_required",
            "Needs the stored value beside it in the same body, or If-Match with a version.",
        );
        Err(ChangeRefused::PreconditionRequired(
            faults
                .into_iter()
                .map(|field| Fault::new(field.path(), &violation))
                .collect(),
        ))
    }

    fn kind_of(&self, next: &UserState) -> EventKind {
        match (self.state.deleted_at.is_some(), next.deleted_at.is_some()) {
            (false, true) => EventKind::Deleted,
            (true, false) => EventKind::Restored,
            _ if self.state.standing != next.standing => match next.standing {
                Standing::Active => EventKind::Activated,
                Standing::Suspended => EventKind::Suspended,
            },
            _ => EventKind::Updated,
        }
    }
}

fn event(kind: EventKind, state: &UserState, changed: &[Field], context: &WriteContext) -> Event {
    Event {
        id: context.event_id,
        kind,
        subject_kind: SubjectKind::User,
        subject_id: state.id,
        version: state.version,
        changed: paths(changed),
        actor: context.actor.clone(),
        at: context.at,
    }
}

#[cfg(test)]
mod tests;
