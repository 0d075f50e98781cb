//! What the rest of the platform is told about a change.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::Field;
use crate::caller::Caller;
use crate::values::{Timestamp, UserId, Version};

/// One change, as the outbox keeps it: who did what to whom, and no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique, for receivers that must not count an event twice.
    pub id: Uuid,
    /// What happened.
    pub kind: EventKind,
    /// What it happened to.
    pub subject_kind: SubjectKind,
    /// Whom it happened to.
    pub subject_id: UserId,
    /// The version that the change made.
    pub version: Version,
    /// The dotted paths of the fields that changed, in a fixed order.
    pub changed: Vec<String>,
    /// Who did it.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

/// What happened to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was made.
    Created,
    /// Some of its fields changed.
    Updated,
    /// It was locked out.
    Suspended,
    /// It was let in again.
    Activated,
    /// It was deleted, restorably.
    Deleted,
    /// It was brought back.
    Restored,
    /// It was removed for good.
    Erased,
}

/// The kind of thing an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A user.
    User,
}

/// Who did it, in the words of logs and events: `user:<id>`, `service:<name>`, `operator` or, where time alone did it,
/// `retention`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor(String);

impl Event {
    /// How long an event is kept: 30 days.
    pub const KEPT: Duration = Duration::from_hours(30 * 24);
}

impl EventKind {
    const ALL: [Self; 7] = [
        Self::Created,
        Self::Updated,
        Self::Suspended,
        Self::Activated,
        Self::Deleted,
        Self::Restored,
        Self::Erased,
    ];

    /// The event's type on the wire and in the outbox.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "user.created",
            Self::Updated => "user.updated",
            Self::Suspended => "user.suspended",
            Self::Activated => "user.activated",
            Self::Deleted => "user.deleted",
            Self::Restored => "user.restored",
            Self::Erased => "user.erased",
        }
    }

    /// Finds an event's kind by its type.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl SubjectKind {
    /// The name in the outbox.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
        }
    }

    /// Finds a kind by its name in the outbox.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == Self::User.as_str()).then_some(Self::User)
    }
}

impl Actor {
    /// The service itself, where it removes what is over its time.
    pub fn retention() -> Self {
        Self("retention".to_owned())
    }

    /// Takes back what a store kept.
    pub fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Caller> for Actor {
    fn from(caller: &Caller) -> Self {
        Self(match caller {
            Caller::User(user) => format!("user:{}", user.id),
            Caller::Service(service) => format!("service:{}", service.name),
            Caller::Operator => "operator".to_owned(),
        })
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives the paths of the changed fields in a fixed order.
pub(super) fn paths(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| field.path().to_owned()).collect()
}
