//! Views of a user: the only code that decides which fields a caller sees.

use std::sync::Arc;

use crate::caller::Caller;
use crate::permissions::{Access, access};
use crate::user::{Profile, Standing, Status, Suspension, User, UserMetadata, UserState};
use crate::values::{
    Bio, Birthdate, EmailAddress, ExternalId, Locale, Metadata, PhoneNumber, Roles, ShortText,
    Timestamp, UserId, Username, Version, WebUrl, ZoneInfo,
};

/// A user as one caller may see it. Fields that the caller may not see are not accessible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    user: Arc<User>,
    access: Access,
}

/// The fields that every caller sees.
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

/// The part of a profile that every caller sees: all but the birthdate.
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

/// The fields that a user additionally sees of itself.
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
    /// When the password was last set; shown only in the list of credentials.
    pub password_changed_at: Option<Timestamp>,
    /// The time of the last sign-out; shown only in an export.
    pub tokens_valid_after: Option<Timestamp>,
}

/// The fields that services and administrators additionally see.
#[derive(Debug, Clone, Copy)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`"
)]
pub struct FullPart<'a> {
    pub private_metadata: &'a Metadata,
    /// The status, or the status after a restore if the user is deleted.
    pub standing: Standing,
    /// The suspension; none unless the standing is suspended.
    pub suspension: Option<&'a Suspension>,
    pub tokens_valid_after: Option<Timestamp>,
}

/// Returns the view of a user for a caller.
pub fn view(user: impl Into<Arc<User>>, caller: &Caller) -> UserView {
    let user = user.into();
    let access = access(caller, user.id);
    show(user, access)
}

/// Returns the public view of a user, independent of the caller.
pub fn public_view(user: impl Into<Arc<User>>) -> UserView {
    show(user.into(), Access::Public)
}

fn show(user: Arc<User>, access: Access) -> UserView {
    UserView { user, access }
}

impl<'a> From<&'a Profile> for PublicProfile<'a> {
    fn from(profile: &'a Profile) -> Self {
        let Profile {
            name,
            given_name,
            family_name,
            nickname,
            picture,
            website,
            bio,
            location,
            locale,
            zoneinfo,
            birthdate: _,
        } = profile;
        Self {
            name: name.as_ref(),
            given_name: given_name.as_ref(),
            family_name: family_name.as_ref(),
            nickname: nickname.as_ref(),
            picture: picture.as_ref(),
            website: website.as_ref(),
            bio: bio.as_ref(),
            location: location.as_ref(),
            locale: locale.as_ref(),
            zoneinfo: zoneinfo.as_ref(),
        }
    }
}

impl UserView {
    /// The access level of this view.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether the caller may see if the answer came from a cache.
    ///
    /// Every stored change voids cached copies, so a cache miss would reveal internal changes to callers with the
    /// public view.
    pub fn shows_source(&self) -> bool {
        self.access >= Access::Own
    }

    /// The fields of every view.
    pub fn public(&self) -> PublicPart<'_> {
        self.parts().0
    }

    /// The fields of the own and the full view.
    pub fn own(&self) -> Option<OwnPart<'_>> {
        (self.access >= Access::Own).then(|| self.parts().1)
    }

    /// The fields of the full view.
    pub fn full(&self) -> Option<FullPart<'_>> {
        (self.access >= Access::Full).then(|| self.parts().2)
    }

    /// Assigns every field of the user to a part. A new field that is in no part does not compile.
    #[inline]
    fn parts(&self) -> (PublicPart<'_>, OwnPart<'_>, FullPart<'_>) {
        let UserState {
            id,
            username,
            external_id,
            email,
            email_verified,
            phone_number,
            phone_number_verified,
            standing,
            suspension,
            roles,
            profile,
            metadata,
            revision: _,
            version,
            created_at,
            updated_at,
            deleted_at,
            tokens_valid_after,
            password_changed_at,
            has_blocks: _,
        } = &**self.user;
        let UserMetadata {
            public,
            user,
            private,
        } = metadata;
        let public = PublicPart {
            id: *id,
            username,
            status: self.user.status(),
            version: *version,
            profile: PublicProfile::from(profile),
            public_metadata: public,
            created_at: *created_at,
        };
        let own = OwnPart {
            birthdate: profile.birthdate.as_ref(),
            user_metadata: user,
            email,
            email_verified: *email_verified,
            phone_number: phone_number.as_ref(),
            phone_number_verified: *phone_number_verified,
            external_id: external_id.as_ref(),
            roles,
            updated_at: *updated_at,
            deleted_at: *deleted_at,
            password_changed_at: *password_changed_at,
            tokens_valid_after: *tokens_valid_after,
        };
        let full = FullPart {
            private_metadata: private,
            standing: *standing,
            suspension: match standing {
                Standing::Active => None,
                Standing::Suspended => Some(suspension.as_deref().unwrap_or(Suspension::PLAIN)),
            },
            tokens_valid_after: *tokens_valid_after,
        };
        (public, own, full)
    }
}

#[cfg(test)]
mod tests;
