//! Views of a user: which fields belong to each level of access. `permissions.rs` decides the level of a caller.

use std::sync::Arc;

use crate::caller::Caller;
use crate::permissions::{Access, access};
use crate::user::{Profile, Standing, Status, Suspension, User, UserMetadata, UserState};
use crate::values::{
    EmailAddress, ExternalId, Metadata, PhoneNumber, Roles, Timestamp, UserId, Username, Version,
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

macro_rules! define_profile_views {
    (
        { $($(#[$public_doc:meta])* $public:ident: $public_field:ident($public_type:ident),)* }
        { $($(#[$own_doc:meta])* $own:ident: $own_field:ident($own_type:ident),)* }
    ) => {
        /// The part of a profile that every caller sees.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct PublicProfile<'a> {
            $($(#[$public_doc])* pub $public: Option<&'a crate::values::$public_type>,)*
        }

        /// The part of a profile that a user additionally sees of itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct OwnProfile<'a> {
            $($(#[$own_doc])* pub $own: Option<&'a crate::values::$own_type>,)*
        }

        impl<'a> From<&'a Profile> for PublicProfile<'a> {
            fn from(profile: &'a Profile) -> Self {
                Self {
                    $($public: profile.$public.as_ref(),)*
                }
            }
        }

        impl<'a> From<&'a Profile> for OwnProfile<'a> {
            fn from(profile: &'a Profile) -> Self {
                Self {
                    $($own: profile.$own.as_ref(),)*
                }
            }
        }
    };
}

crate::profile_fields!(define_profile_views);

/// The fields that a user additionally sees of itself.
#[derive(Debug, Clone, Copy)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`"
)]
pub struct OwnPart<'a> {
    pub profile: OwnProfile<'a>,
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
            profile: OwnProfile::from(profile),
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
