//! The fields of a user that can be written.

use super::ProfileField;

/// A field of a user that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`, and the password itself"
)]
pub enum Field {
    Username,
    Email,
    EmailVerified,
    PhoneNumber,
    PhoneNumberVerified,
    ExternalId,
    Status,
    Suspension,
    Roles,
    Profile(ProfileField),
    MetadataPublic,
    MetadataUser,
    MetadataPrivate,
    Password,
    TokensValidAfter,
    HasBlocks,
}

impl Field {
    /// The dotted path of the field, as events and faults name it.
    pub fn path(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::EmailVerified => "email_verified",
            Self::PhoneNumber => "phone_number",
            Self::PhoneNumberVerified => "phone_number_verified",
            Self::ExternalId => "external_id",
            Self::Status => "status",
            Self::Suspension => "suspension",
            Self::Roles => "roles",
            Self::Profile(field) => field.path(),
            Self::MetadataPublic => "metadata.public",
            Self::MetadataUser => "metadata.user",
            Self::MetadataPrivate => "metadata.private",
            Self::Password => "password",
            Self::TokensValidAfter => "tokens_valid_after",
            Self::HasBlocks => "has_blocks",
        }
    }
}

impl Field {
    /// Whether some view of the user shows the field, so that a change increments the version.
    ///
    /// A change of the other fields is internal and increments the revision only.
    pub fn is_shown(self) -> bool {
        match self {
            Self::Username
            | Self::Email
            | Self::EmailVerified
            | Self::PhoneNumber
            | Self::PhoneNumberVerified
            | Self::ExternalId
            | Self::Status
            | Self::Suspension
            | Self::Roles
            | Self::Profile(_)
            | Self::MetadataPublic
            | Self::MetadataUser
            | Self::MetadataPrivate => true,
            Self::Password | Self::TokensValidAfter | Self::HasBlocks => false,
        }
    }
}
