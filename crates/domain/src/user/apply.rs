//! `User::register` and `User::apply`: the pure functions that create and change every user.

use std::time::Duration;

use super::change::{Change, ChangeRefused, Edit, ImportedHistory, NewUser, UserEdits};
use super::edit::{ChangedFields, edit, mixed_scripts};
use super::event::{Event, EventKind, SubjectKind, paths};
use super::import;
use super::{Field, Profile, Standing, Status, Suspension, User, UserMetadata, UserState};
use crate::values::{Revision, Roles, StoredPassword, Timestamp, UserId, Username, Version};
use crate::write::{Precondition, WriteContext};
use crate::{Fault, Violation};

/// The result of a change: the user and its event, which are stored in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The user after the change.
    pub user: User,
    /// The event for the outbox.
    pub event: Event,
    /// The username that the change released, which is reserved from now on.
    pub released: Option<Username>,
    /// The change of the password, which is stored apart from the user.
    pub password: Option<PasswordWrite>,
}

/// A change of a stored password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordWrite {
    /// The password is set or replaced.
    Set(StoredPassword),
    /// The password is removed.
    Remove,
}

impl User {
    /// Creates a user, at version 1.
    ///
    /// # Errors
    /// The faults of fields that are inconsistent with each other.
    pub fn register(
        id: UserId,
        new: &NewUser,
        context: &WriteContext,
    ) -> Result<Applied, Vec<Fault>> {
        let (state, changed) = Self::initial_state(id, new, ImportedHistory::default(), context)?;
        Ok(Self::created(state, &changed, new, context))
    }

    /// Returns the initial state of a user, and the fields that its event lists.
    pub(super) fn initial_state(
        id: UserId,
        new: &NewUser,
        history: ImportedHistory,
        context: &WriteContext,
    ) -> Result<(UserState, ChangedFields), Vec<Fault>> {
        let ImportedHistory {
            version,
            created_at,
            updated_at,
            tokens_valid_after,
        } = history;
        let created_at = created_at.unwrap_or(context.at);
        let version = version.unwrap_or(Version::FIRST);
        let mut state = UserState {
            id,
            username: new.username.clone(),
            external_id: None,
            email: new.email.clone(),
            email_verified: false,
            phone_number: None,
            phone_number_verified: false,
            standing: Standing::Active,
            suspension: None,
            roles: Roles::default(),
            profile: Profile::default(),
            metadata: UserMetadata::default(),
            revision: Revision::from(version),
            version,
            created_at,
            updated_at: updated_at.unwrap_or(context.at).max(created_at),
            deleted_at: None,
            tokens_valid_after,
            password_changed_at: None,
            has_blocks: false,
        };
        let mut changed = ChangedFields(vec![Field::Username, Field::Email]);
        let rest = UserEdits {
            username: None,
            email: None,
            ..new.rest.clone()
        };
        let mut faults: Vec<Fault> = mixed_scripts(&new.username).into_iter().collect();
        if let Err(more) = edit(&mut state, &rest, &mut changed) {
            faults.extend(more);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if new.password.is_some() {
            changed.set(
                Field::Password,
                &mut state.password_changed_at,
                Some(context.at),
            );
        }
        Ok((state, changed))
    }

    pub(super) fn created(
        state: UserState,
        changed: &ChangedFields,
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

    /// Applies a change; `None` if nothing changes.
    ///
    /// A deleted user can only be restored, deleted again or imported. The precondition is checked before the rules.
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
        self.ensure_version(context)?;

        let mut next = self.state.clone();
        let mut changed = ChangedFields::default();
        let mut password = None;
        match change {
            Change::Edit(edits) => {
                self.ensure_known_contacts(edits, context)?;
                edit(&mut next, edits, &mut changed).map_err(ChangeRefused::Invalid)?;
            }
            Change::GrantRole(role) => {
                let roles = next.roles.with(role.clone()).map_err(|violation| {
                    ChangeRefused::Invalid(vec![Fault::new(Field::Roles.path(), &violation)])
                })?;
                changed.set(Field::Roles, &mut next.roles, roles);
            }
            Change::RevokeRole(role) => {
                let roles = next.roles.without(role);
                changed.set(Field::Roles, &mut next.roles, roles);
            }
            // A repetition without a reason and an end keeps the stored ones.
            Change::Suspend(plain)
                if next.standing == Standing::Suspended && plain == Suspension::PLAIN => {}
            Change::Suspend(suspension) => {
                changed.set(Field::Status, &mut next.standing, Standing::Suspended);
                let suspension = suspension.clone().into_stored(Standing::Suspended);
                changed.set(Field::Suspension, &mut next.suspension, suspension);
            }
            Change::EndSuspension => {
                let suspension = self.state.suspension.as_ref();
                if suspension.is_some_and(|suspension| suspension.is_over(context.at)) {
                    changed.set(Field::Status, &mut next.standing, Standing::Active);
                }
            }
            Change::Activate => changed.set(Field::Status, &mut next.standing, Standing::Active),
            Change::Delete if self.is_deleted() => {}
            Change::Delete => {
                changed.set(Field::Status, &mut next.deleted_at, Some(context.at));
            }
            Change::Restore => changed.set(Field::Status, &mut next.deleted_at, None),
            Change::SetPassword(stored) => {
                next.password_changed_at = Some(context.at);
                // The field has changed even if the time is the same as before.
                changed.0.push(Field::Password);
                password = Some(PasswordWrite::Set(stored.clone()));
            }
            Change::RemovePassword => {
                changed.set(Field::Password, &mut next.password_changed_at, None);
                password = Some(PasswordWrite::Remove);
            }
            Change::SignOut => {
                // A clock that moved backwards must not make void tokens valid again.
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
        if next.standing == Standing::Active {
            changed.set(Field::Suspension, &mut next.suspension, None);
        }
        // Tokens that a suspension or a deletion voided stay void when the user becomes active again.
        if self.status() != Status::Active && next.status() == Status::Active {
            let limit = last_void_time(self.state.updated_at, context.at);
            let limit = next.tokens_valid_after.max(Some(limit));
            changed.set(Field::TokensValidAfter, &mut next.tokens_valid_after, limit);
        }
        if changed.0.is_empty() {
            return Ok(None);
        }
        next.revision = self.state.revision.next();
        if changed.0.iter().any(|field| field.is_shown()) {
            next.version = self.state.version.next();
            next.updated_at = next_updated_at(self.state.updated_at, context.at);
        }
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

    /// Returns the event of the user's erasure. The user may be deleted or not.
    ///
    /// # Errors
    /// [`ChangeRefused::PreconditionFailed`].
    pub fn erase(&self, context: &WriteContext) -> Result<Event, ChangeRefused> {
        self.ensure_version(context)?;
        let mut last = self.state.clone();
        last.revision = last.revision.next();
        last.version = last.version.next();
        Ok(event(EventKind::Erased, &last, &[], context))
    }

    /// Returns the event of the erasure of a user that has been deleted for [`User::RESTORE_PERIOD`]; none for any other.
    pub fn expire(&self, context: &WriteContext) -> Option<Event> {
        let deleted_at = self.state.deleted_at?;
        if context.at < deleted_at.plus(Self::RESTORE_PERIOD) {
            return None;
        }
        self.erase(context).ok()
    }

    fn ensure_version(&self, context: &WriteContext) -> Result<(), ChangeRefused> {
        if context.precondition.admits(self) {
            Ok(())
        } else {
            Err(ChangeRefused::PreconditionFailed)
        }
    }

    /// Checks that the confirmation of an email address or phone number refers to the stored value.
    ///
    /// `If-Match: *` contains no version, and so does not show which value was confirmed.
    fn ensure_known_contacts(
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
        let is_unconfirmed = |confirmed: Option<bool>, same: bool| confirmed == Some(true) && !same;

        let mut faults = Vec::new();
        if is_unconfirmed(edits.email_verified, same_email) {
            faults.push(Field::EmailVerified);
        }
        if is_unconfirmed(edits.phone_number_verified, same_phone) {
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

/// The `updated_at` of a change: never before the stored one, unless that is in the future.
///
/// A stored time in the future would otherwise hide every later change from callers that ask for changes since a time.
fn next_updated_at(stored: Timestamp, now: Timestamp) -> Timestamp {
    if stored > now.plus(Timestamp::CLOCK_TOLERANCE) {
        return now;
    }
    now.max(stored)
}

/// The latest time of issue at which tokens are void when a suspension or deletion ends at this moment.
///
/// Tokens contain their time of issue in whole seconds, so a token issued right after the end contains the start of
/// that second. It is valid unless the suspension or deletion started in the same second, because then the user may
/// have signed in before it. Every suspension and deletion sets `updated_at`, which shows that case.
fn last_void_time(updated_at: Timestamp, ended: Timestamp) -> Timestamp {
    let second = Duration::from_secs(1);
    let before_second = ended.next_second().minus(second + Duration::from_micros(1));
    if updated_at > before_second {
        ended
    } else {
        before_second
    }
}

fn event(kind: EventKind, state: &UserState, changed: &[Field], context: &WriteContext) -> Event {
    Event {
        id: context.event_id,
        kind,
        subject_kind: SubjectKind::User,
        subject_id: state.id,
        revision: state.revision,
        version: state.version,
        changed: paths(changed),
        actor: context.actor.clone(),
        at: context.at,
    }
}

#[cfg(test)]
mod tests;
