//! `view`: the only code that shows a user.

use std::sync::Arc;

use crate::caller::Caller;
use crate::permissions::{Access, access};
use crate::user::{Profile, Standing, Status, User};
use crate::values::{
    Birthdate, EmailAddress, ExternalId, Metadata, PhoneNumber, Roles, Timestamp, UserId, Username,
    Version,
};

/// A user as one caller may see it. What it may not see cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    user: Arc<User>,
    access: Access,
    /// The profile without what the caller may not see of it; none where it may see all that there is.
    redacted_profile: Option<Box<Profile>>,
}

/// What everybody sees.
#[derive(Debug, Clone, Copy)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`"
)]
pub struct PublicPart<'a> {
    pub id: UserId,
    pub username: &'a Username,
    pub status: Status,
    pub version: Version,
    /// Has a birthdate only where [`OwnPart`] shows it too.
    pub profile: &'a Profile,
    pub public_metadata: &'a Metadata,
    pub created_at: Timestamp,
}

/// What the user sees of itself besides.
#[derive(Debug, Clone, Copy)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`"
)]
pub struct OwnPart<'a> {
    pub birthdate: Option<&'a Birthdate>,
    pub user_metadata: &'a Metadata,
    pub email: &'a EmailAddress,
    pub email_verified: bool,
    pub phone_number: Option<&'a PhoneNumber>,
    pub phone_number_verified: bool,
    pub external_id: Option<&'a ExternalId>,
    pub roles: &'a Roles,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    /// Shown only where somebody asks which credentials there are.
    pub password_changed_at: Option<Timestamp>,
}

/// What services and administrators see besides.
#[derive(Debug, Clone, Copy)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`"
)]
pub struct FullPart<'a> {
    pub private_metadata: &'a Metadata,
    /// What the status is, or would be if the user were restored.
    pub standing: Standing,
    pub tokens_valid_after: Option<Timestamp>,
}

/// Shows a user to a caller.
pub fn view(user: impl Into<Arc<User>>, caller: &Caller) -> UserView {
    let user = user.into();
    let access = access(caller, user.id);
    show(user, access)
}

/// Shows a user as everybody sees it, whoever asks.
pub fn public_view(user: impl Into<Arc<User>>) -> UserView {
    show(user.into(), Access::Public)
}

fn show(user: Arc<User>, access: Access) -> UserView {
    let hides_birthdate = access < Access::Own && user.profile.birthdate.is_some();
    let redacted_profile = hides_birthdate.then(|| {
        Box::new(Profile {
            birthdate: None,
            ..user.profile.clone()
        })
    });
    UserView {
        user,
        access,
        redacted_profile,
    }
}

impl UserView {
    /// How much this view shows.
    pub fn access(&self) -> Access {
        self.access
    }

    /// What every view shows.
    pub fn public(&self) -> PublicPart<'_> {
        PublicPart {
            id: self.user.id,
            username: &self.user.username,
            status: self.user.status(),
            version: self.user.version,
            profile: self
                .redacted_profile
                .as_deref()
                .unwrap_or(&self.user.profile),
            public_metadata: &self.user.metadata.public,
            created_at: self.user.created_at,
        }
    }

    /// What the own and the full view show.
    pub fn own(&self) -> Option<OwnPart<'_>> {
        (self.access >= Access::Own).then(|| OwnPart {
            birthdate: self.user.profile.birthdate.as_ref(),
            user_metadata: &self.user.metadata.user,
            email: &self.user.email,
            email_verified: self.user.email_verified,
            phone_number: self.user.phone_number.as_ref(),
            phone_number_verified: self.user.phone_number_verified,
            external_id: self.user.external_id.as_ref(),
            roles: &self.user.roles,
            updated_at: self.user.updated_at,
            deleted_at: self.user.deleted_at,
            password_changed_at: self.user.password_changed_at,
        })
    }

    /// What the full view shows.
    pub fn full(&self) -> Option<FullPart<'_>> {
        (self.access >= Access::Full).then(|| FullPart {
            private_metadata: &self.user.metadata.private,
            standing: self.user.standing,
            tokens_valid_after: self.user.tokens_valid_after,
        })
    }
}

#[cfg(test)]
mod tests;
