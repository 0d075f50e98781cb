//! The validated changes of a user.

use serde_json::{Map, Value};

use super::{ProfileEdits, Standing, Suspension};
use crate::Fault;
use crate::values::{
    EmailAddress, ExternalId, Metadata, PhoneNumber, Role, Roles, StoredPassword, Timestamp,
    UserId, Username, Version,
};

/// A change of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Edits fields.
    Edit(Box<UserEdits>),
    /// Adds one role.
    GrantRole(Role),
    /// Removes one role.
    RevokeRole(Role),
    /// Suspends the account; the reason and the end replace stored ones.
    Suspend(Suspension),
    /// Activates the account if its suspension has ended.
    EndSuspension,
    /// Activates the account.
    Activate,
    /// Deletes the user; it can be restored.
    Delete,
    /// Restores the user with its former standing.
    Restore,
    /// Sets the password.
    SetPassword(StoredPassword),
    /// Removes the password, if there is one.
    RemovePassword,
    /// Voids every token that was issued until now.
    SignOut,
    /// Sets whether the user blocks any user.
    SetHasBlocks(bool),
    /// Replaces the user's fields by those of an imported record.
    Import(Box<Record>),
}

impl Change {
    /// Returns a suspension without a reason, which lasts until an activation.
    pub fn suspend() -> Self {
        Self::Suspend(Suspension::default())
    }
}

/// Why a change cannot be applied to the current user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefused {
    /// The user is deleted, and the change does not apply to deleted users.
    #[error("there is no such user")]
    NotFound,
    /// The user's version is not the one that the writer expects.
    #[error("the user is not at the expected version")]
    PreconditionFailed,
    /// The change is safe only for an expected version; holds the fields that require it.
    #[error("the change needs an expected version")]
    PreconditionRequired(Vec<Fault>),
    /// The result would break a rule.
    #[error("the change breaks a rule")]
    Invalid(Vec<Fault>),
}

/// The edit of an optional value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Edit<T> {
    /// Keeps the value.
    #[default]
    Keep,
    /// Removes the value.
    Clear,
    /// Sets the value.
    Set(T),
}

/// The edit of one metadata object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MetadataEdit {
    /// Keeps the object.
    #[default]
    Keep,
    /// Replaces the object.
    Set(Metadata),
    /// Merges a patch into the object (RFC 7396).
    Merge(Map<String, Value>),
}

/// The edits of all fields; the default keeps every field.
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
    pub suspension: Edit<Box<Suspension>>,
    pub roles: Option<Roles>,
    pub profile: ProfileEdits,
    pub metadata: MetadataEdits,
}

/// The edits of the metadata objects; the default keeps each.
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

/// A user that is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// The unique username.
    pub username: Username,
    /// The unique email address.
    pub email: EmailAddress,
    /// The optional fields, as edits of an empty user; their `username` and `email` are ignored.
    pub rest: UserEdits,
    /// The password, if it has one.
    pub password: Option<StoredPassword>,
}

impl NewUser {
    /// All fields as edits.
    pub fn edits(&self) -> UserEdits {
        UserEdits {
            username: Some(self.username.clone()),
            email: Some(self.email.clone()),
            ..self.rest.clone()
        }
    }
}

/// A validated user record from another store, to be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The user's id, if the record has one.
    pub id: Option<UserId>,
    /// The user's fields. The password is applied only if the user has none, or has an imported one. A password that
    /// was set in this service, or was used for a login, is kept.
    pub user: NewUser,
    /// Whether the user is deleted.
    pub presence: Presence,
    /// The user's history; applied only if the import creates the user.
    pub history: ImportedHistory,
}

impl Record {
    /// The external id of the record, if it has one.
    pub fn external_id(&self) -> Option<&ExternalId> {
        match &self.user.rest.external_id {
            Edit::Set(id) => Some(id),
            Edit::Keep | Edit::Clear => None,
        }
    }
}

/// Whether the user of a record is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// The record does not contain it.
    #[default]
    Unspecified,
    /// The user is not deleted.
    Present,
    /// The user is deleted, since this time or, if none, since the import.
    Deleted(Option<Timestamp>),
}

/// The history of a user before its import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    missing_docs,
    reason = "each is the field of the same name of `UserState`"
)]
pub struct ImportedHistory {
    pub version: Option<Version>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub tokens_valid_after: Option<Timestamp>,
}
