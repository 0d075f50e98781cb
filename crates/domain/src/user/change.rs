//! The changes a user can undergo, checked and ready to apply.

use serde_json::{Map, Value};

use super::Standing;
use crate::Fault;
use crate::values::{
    Bio, Birthdate, EmailAddress, ExternalId, Locale, Metadata, PhoneNumber, Role, Roles,
    ShortText, StoredPassword, Timestamp, UserId, Username, Version, WebUrl, ZoneInfo,
};

/// What is to happen to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Some fields get other values.
    Edit(Box<UserEdits>),
    /// One role is added to those there are.
    GrantRole(Role),
    /// The account is locked out.
    Suspend,
    /// The account is let in again.
    Activate,
    /// The user is deleted, restorably.
    Delete,
    /// The user is brought back with the standing it had.
    Restore,
    /// The password becomes this one.
    SetPassword(StoredPassword),
    /// The password goes, if there is one.
    RemovePassword,
    /// Every token that was issued until now is void.
    SignOut,
    /// The user blocks somebody, or nobody any more.
    SetHasBlocks(bool),
    /// The user becomes what a record of it says, deleted or not.
    Import(Box<Record>),
}

/// Why a change cannot be applied to the user as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// The user is deleted, and this change is not its restoration.
    #[error("there is no such user")]
    NotFound,
    /// The user is not at a version the writer expects.
    #[error("the user is not at the expected version")]
    PreconditionFailed,
    /// The change is only safe for a known version; the fields that make it so.
    #[error("the change needs an expected version")]
    PreconditionRequired(Vec<Fault>),
    /// The result would break a rule.
    #[error("the change breaks a rule")]
    Invalid(Vec<Fault>),
}

/// What becomes of one optional value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Edit<T> {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

/// What becomes of one drawer of metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MetadataEdit {
    /// It stays.
    #[default]
    Keep,
    /// It becomes this.
    Set(Metadata),
    /// It is merged with this (RFC 7396).
    Merge(Map<String, Value>),
}

/// What becomes of each field; all stay by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`"
)]
pub struct UserEdits {
    pub username: Option<Username>,
    pub email: Option<EmailAddress>,
    pub email_verified: Option<bool>,
    pub phone_number: Edit<PhoneNumber>,
    pub phone_number_verified: Option<bool>,
    pub external_id: Edit<ExternalId>,
    pub standing: Option<Standing>,
    pub roles: Option<Roles>,
    pub profile: ProfileEdits,
    pub metadata: MetadataEdits,
}

/// What becomes of each field of the profile; all stay by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `Profile`"
)]
pub struct ProfileEdits {
    pub name: Edit<ShortText>,
    pub given_name: Edit<ShortText>,
    pub family_name: Edit<ShortText>,
    pub nickname: Edit<ShortText>,
    pub picture: Edit<WebUrl>,
    pub website: Edit<WebUrl>,
    pub bio: Edit<Bio>,
    pub location: Edit<ShortText>,
    pub locale: Edit<Locale>,
    pub zoneinfo: Edit<ZoneInfo>,
    pub birthdate: Edit<Birthdate>,
}

/// What becomes of each drawer of metadata; all stay by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserMetadata`"
)]
pub struct MetadataEdits {
    pub public: MetadataEdit,
    pub user: MetadataEdit,
    pub private: MetadataEdit,
}

/// A user to be: the two fields nobody is without, and what else is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The unique name.
    pub username: Username,
    /// The unique address.
    pub email: EmailAddress,
    /// The rest, as edits of an otherwise empty user; its `username` and `email` are not looked at.
    pub rest: UserEdits,
    /// The password, if there is to be one.
    pub password: Option<StoredPassword>,
}

impl NewUser {
    /// All that is known, as edits.
    pub fn edits(&self) -> UserEdits {
        UserEdits {
            username: Some(self.username.clone()),
            email: Some(self.email.clone()),
            ..self.rest.clone()
        }
    }
}

/// A user as another store knew it, checked and ready to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The user's id, if it has one already.
    pub id: Option<UserId>,
    /// What the user is. Its password is taken over where the user has none, or one that was imported too: whoever has
    /// set one here, or was let in by the one that there is, keeps it.
    pub user: NewUser,
    /// Whether the user is deleted.
    pub presence: Presence,
    /// What was before; only a user that is made by the import takes it over.
    pub past: Past,
}

/// Whether a record says that its user is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// It does not say.
    #[default]
    Untold,
    /// It is not.
    Present,
    /// It is, since this moment or since the import.
    Deleted(Option<Timestamp>),
}

/// What a record tells of a user's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`"
)]
pub struct Past {
    pub version: Option<Version>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub tokens_valid_after: Option<Timestamp>,
}
