//! The context, preconditions, idempotency and errors of writes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::user::{Actor, ChangeRefused, User};
use crate::values::{Timestamp, UserId};
use crate::{StoreError, Violation};

/// How long a released username stays reserved for its former owner, so that no other user can impersonate it: 90
/// days.
pub const USERNAME_RESERVATION: Duration = Duration::from_hours(90 * 24);

/// The maximum number of released usernames that stay reserved for one user. When it releases another, the oldest
/// becomes available, so that repeated renaming cannot reserve any number of names.
pub const MAX_RESERVED_NAMES: usize = 3;

/// The actor, time and conditions of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteContext {
    /// The actor that writes.
    pub actor: Actor,
    /// The time of the write, by the clock of the writing replica.
    pub at: Timestamp,
    /// The id of the write's event, if it has one.
    pub event_id: Uuid,
    /// The version that the writer expects.
    pub precondition: Precondition,
    /// The idempotency key, if the caller sent one.
    pub idempotency: Option<Idempotency>,
}

/// The version that a writer expects to change (RFC 9110, `If-Match`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// No precondition.
    #[default]
    None,
    /// Any version (`*`).
    Exists,
    /// One of these states; an empty list matches none.
    AnyOf(Vec<ExpectedState>),
}

/// The state of a user that a writer has read: a version, and optionally the validator of that user's representation.
#[derive(Debug, Clone)]
pub struct ExpectedState {
    /// The version. A number that is no valid version never matches.
    pub version: i64,
    /// The validator that the writer got with the state; none if it sent only a version.
    pub validator: Option<Arc<dyn Validator>>,
}

/// The validator (RFC 9110, section 8.8) that a client received with a representation of a user.
///
/// Its format belongs to the transport. Whether it matches the user of a write is checked while the user is locked.
pub trait Validator: fmt::Debug + Send + Sync {
    /// Whether the validator is of the user with this id that was created at this time.
    fn is_of(&self, id: UserId, created_at: Timestamp) -> bool;
}

impl Precondition {
    /// Whether the precondition holds for this user.
    pub fn admits(&self, user: &User) -> bool {
        match self {
            Self::None | Self::Exists => true,
            Self::AnyOf(states) => states.iter().any(|state| state.is_of(user)),
        }
    }

    /// Whether the writer sent a precondition.
    pub fn is_given(&self) -> bool {
        !matches!(self, Self::None)
    }
}

impl ExpectedState {
    fn is_of(&self, user: &User) -> bool {
        let is_its = |validator: &Arc<dyn Validator>| validator.is_of(user.id, user.created_at);
        self.version == user.version.get() && self.validator.as_ref().is_none_or(is_its)
    }
}

impl From<i64> for ExpectedState {
    /// Creates a state that matches this version of any user.
    fn from(version: i64) -> Self {
        Self {
            version,
            validator: None,
        }
    }
}

impl PartialEq for ExpectedState {
    /// Two states are equal if they have the same version and share the same validator.
    fn eq(&self, other: &Self) -> bool {
        let same_validator = match (&self.validator, &other.validator) {
            (None, None) => true,
            (Some(one), Some(another)) => Arc::ptr_eq(one, another),
            (None, Some(_)) | (Some(_), None) => false,
        };
        same_validator && self.version == other.version
    }
}

impl Eq for ExpectedState {}

/// The idempotency key of a write (`Idempotency-Key`) and the fingerprint of its request.
///
/// The same key with the same fingerprint is a repetition; with another fingerprint it is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key that the caller chose.
    pub key: IdempotencyKey,
    /// A keyed digest of the request.
    pub fingerprint: [u8; 32],
}

/// A write that was applied under an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedWrite {
    /// The id of the user or service token that was written.
    pub subject: Uuid,
    /// Whether the write voided the tokens of its own caller
    /// ([`User::ends_access_of`](crate::user::User::ends_access_of)).
    pub ended_access: bool,
}

/// An idempotency key: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// How long a store keeps a key.
    pub const RETENTION: Duration = Duration::from_hours(24);

    /// Parses a key.
    ///
    /// # Errors
    /// `format` unless it is 1 to 255 characters from U+0021 to U+007E.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        if (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Violation::new(
                "format",
                "Must be 1 to 255 visible ASCII characters.",
            ))
        }
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The result of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// The user changed; holds the user after the write.
    Applied(User),
    /// The write changed nothing; holds the user.
    Unchanged(User),
    /// The write was applied earlier under the same idempotency key; holds the current user, which other writes may
    /// have changed since.
    Replayed(User),
}

impl Written {
    /// The current user.
    pub fn user(&self) -> &User {
        match self {
            Self::Applied(user) | Self::Unchanged(user) | Self::Replayed(user) => user,
        }
    }

    /// The current user.
    pub fn into_user(self) -> User {
        match self {
            Self::Applied(user) | Self::Unchanged(user) | Self::Replayed(user) => user,
        }
    }

    /// Whether the write was applied earlier under the same idempotency key.
    pub fn is_replay(&self) -> bool {
        matches!(self, Self::Replayed(_))
    }
}

/// The result of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// The user was erased.
    Applied,
    /// The user was erased earlier under the same idempotency key.
    Replayed,
}

/// Why a write failed. Nothing was changed, except possibly for [`StoreError::OutcomeUnknown`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// Unique values belong to other users.
    #[error("taken: {0}")]
    Taken(TakenFields),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The user's current state does not permit the change.
    #[error(transparent)]
    Refused(#[from] ChangeRefused),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A field whose value is unique among users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueField {
    /// The username; it also conflicts with look-alikes and with reserved names.
    Username,
    /// The email address.
    Email,
    /// The id in the platform's earlier user store.
    ExternalId,
}

/// The fields of a write whose values belong to other users; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenFields {
    first: UniqueField,
    others: [Option<UniqueField>; 2],
}

impl TakenFields {
    /// Adds a field.
    #[must_use]
    pub fn and(self, field: UniqueField) -> Self {
        let is_taken = |other: UniqueField| other == field || self.iter().any(|own| own == other);
        let mut taken = UniqueField::ALL
            .into_iter()
            .filter(|other| is_taken(*other));
        Self {
            first: taken.next().unwrap_or(field),
            others: [taken.next(), taken.next()],
        }
    }

    /// Returns the first field: the username, else the email address, else the external id.
    pub fn first(self) -> UniqueField {
        self.first
    }

    /// Returns the fields, the username first and the external id last.
    pub fn iter(self) -> impl Iterator<Item = UniqueField> {
        std::iter::once(self.first).chain(self.others.into_iter().flatten())
    }
}

impl From<UniqueField> for TakenFields {
    fn from(field: UniqueField) -> Self {
        Self {
            first: field,
            others: [None; 2],
        }
    }
}

impl fmt::Display for TakenFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(UniqueField::as_str).collect();
        f.write_str(&names.join(", "))
    }
}

impl UniqueField {
    /// All fields. Of several taken ones, the first is reported as the code of the error.
    pub const ALL: [Self; 3] = [Self::Username, Self::Email, Self::ExternalId];

    /// The field's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::ExternalId => "external_id",
        }
    }
}
