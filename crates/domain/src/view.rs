//! `view`: the only code that shows a user.

use std::sync::Arc;

use crate::caller::Caller;
use crate::permissions::{Access, access};
use crate::user::{Profile, Standing, Status, User};
use crate::values::{
    Bio, Birthdate, EmailAddress, ExternalId, Locale, Metadata, PhoneNumber, Roles, ShortText,
    Timestamp, UserId, Username, Version, WebUrl, ZoneInfo,
};

/// A user as one caller may see it. What it may not see cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    user: Arc<User>,
    access: Access,
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
    pub profile: PublicProfile<'a>,
    pub public_metadata: &'a Metadata,
    pub created_at: Timestamp,
}

/// What everybody sees of a profile: all but the birthdate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `Profile`"
)]
pub struct PublicProfile<'a> {
    pub name: Option<&'a ShortText>,
    pub given_name: Option<&'a ShortText>,
    pub family_name: Option<&'a ShortText>,
    pub nickname: Option<&'a ShortText>,
    pub picture: Option<&'a WebUrl>,
    pub website: Option<&'a WebUrl>,
    pub bio: Option<&'a Bio>,
    pub location: Option<&'a ShortText>,
    pub locale: Option<&'a Locale>,
    pub zoneinfo: Option<&'a ZoneInfo>,
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
    UserView { user, access }
}

impl<'a> From<&'a Profile> for PublicProfile<'a> {
    fn from(profile: &'a Profile) -> Self {
        Self {
            name: profile.name.as_ref(),
            given_name: profile.given_name.as_ref(),
            family_name: profile.family_name.as_ref(),
            nickname: profile.nickname.as_ref(),
            picture: profile.picture.as_ref(),
            website: profile.website.as_ref(),
            bio: profile.bio.as_ref(),
            location: profile.location.as_ref(),
            locale: profile.locale.as_ref(),
            zoneinfo: profile.zoneinfo.as_ref(),
        }
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
            profile: PublicProfile::from(&self.user.profile),
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
