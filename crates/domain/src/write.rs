//! What accompanies every write.

use std::time::Duration;

use uuid::Uuid;

use crate::user::{Actor, ChangeRefused, User};
use crate::values::{Timestamp, Version};
use crate::{StoreError, Violation};

/// How long nobody else may take a name that was given up: 90 days, so that nobody steps into another's shoes.
pub const NAME_REST: Duration = Duration::from_hours(90 * 24);

/// Who writes, when, and under which conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteContext {
    /// Who writes.
    pub actor: Actor,
    /// When, by the clock of the replica that writes.
    pub at: Timestamp,
    /// The id of the event that the write makes, if it makes one.
    pub event_id: Uuid,
    /// The version that the writer expects.
    pub precondition: Precondition,
    /// What makes a repetition of the write harmless.
    pub idempotency: Option<Idempotency>,
}

/// The version that a writer expects to change (RFC 9110, `If-Match`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Any will do.
    #[default]
    None,
    /// Any will do, said aloud (`*`).
    Exists,
    /// One of these; an empty list admits none.
    AnyOf(Vec<i64>),
}

impl Precondition {
    /// Tells whether a user at this version may be changed.
    pub fn admits(&self, version: Version) -> bool {
        match self {
            Self::None | Self::Exists => true,
            Self::AnyOf(versions) => versions.contains(&version.get()),
        }
    }

    /// Tells whether the writer has said anything.
    pub fn is_given(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// A caller's name for one write, and what the write was (`Idempotency-Key`).
///
/// The same name with the same fingerprint is the same write; with another it is a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's own choice.
    pub key: IdempotencyKey,
    /// A keyed digest of the request.
    pub fingerprint: [u8; 32],
}

/// 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// How long a store remembers a key.
    pub const KEPT: Duration = Duration::from_hours(24);

    /// Takes a key as the caller sent it.
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

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It changed the user; this is the user now.
    Applied(User),
    /// It would have changed nothing; this is the user as it was.
    Unchanged(User),
    /// It had been done before under the same idempotency key; this is the user now, which others may have changed since.
    Replayed(User),
}

impl Written {
    /// The user now.
    pub fn user(&self) -> &User {
        match self {
            Self::Applied(user) | Self::Unchanged(user) | Self::Replayed(user) => user,
        }
    }

    /// The user now.
    pub fn into_user(self) -> User {
        match self {
            Self::Applied(user) | Self::Unchanged(user) | Self::Replayed(user) => user,
        }
    }

    /// Tells whether the answer repeats an earlier one.
    pub fn is_replay(&self) -> bool {
        matches!(self, Self::Replayed(_))
    }
}

/// What an erasure did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// The user is gone.
    Applied,
    /// The user was gone already, by the same idempotency key.
    Replayed,
}

/// Why a write was not done. After each of these but an unknown outcome, nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// There is no such user.
    #[error("there is no such user")]
    NotFound,
    /// A unique value belongs to somebody else.
    #[error("the {} is taken", .0.as_str())]
    Taken(UniqueField),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The user as it is does not admit the change.
    #[error(transparent)]
    Refused(#[from] ChangeRefused),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A value that at most one user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueField {
    /// The name, a name that looks like it, or a name that still rests.
    Username,
    /// The address.
    Email,
    /// The platform's older id.
    ExternalId,
}

impl UniqueField {
    /// The field's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::ExternalId => "external_id",
        }
    }
}
