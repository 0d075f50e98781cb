//! The events that other services receive about changes of users.

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use super::Field;
use crate::caller::Caller;
use crate::values::{Revision, Timestamp, UserId, Version};

/// The outbox event of one change, without personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The unique id, by which receivers detect duplicates.
    pub id: Uuid,
    /// What happened.
    pub kind: EventKind,
    /// The kind of the subject.
    pub subject_kind: SubjectKind,
    /// The user that changed.
    pub subject_id: UserId,
    /// The revision after the change.
    pub revision: Revision,
    /// The version after the change; an internal change does not increment it.
    pub version: Version,
    /// The dotted paths of the fields that changed, in a fixed order.
    pub changed: Vec<String>,
    /// The actor of the change.
    pub actor: Actor,
    /// The time of the change.
    pub at: Timestamp,
}

/// What happened to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The user was created.
    Created,
    /// Fields of the user changed.
    Updated,
    /// The user was suspended.
    Suspended,
    /// The user was activated.
    Activated,
    /// The user was deleted, and can be restored.
    Deleted,
    /// The user was restored.
    Restored,
    /// The user was removed permanently.
    Erased,
}

/// The kind of an event's subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A user.
    User,
}

/// The actor of a write, as in logs and events: `user:<id>`, `service:<name>`, `operator`, or `retention` and
/// `schedule` for background jobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Actor(String);

impl Event {
    /// How long an event is kept: 30 days.
    pub const RETENTION: Duration = Duration::from_hours(30 * 24);

    /// Whether the change only records whether the user blocks any other user.
    pub(crate) fn is_only_about_blocks(&self) -> bool {
        self.changed == [Field::HasBlocks.path()]
    }
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
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

    /// Finds an event kind by its type.
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
    /// The retention worker, which removes expired data.
    pub fn retention() -> Self {
        Self("retention".to_owned())
    }

    /// The scheduler, which ends suspensions.
    pub fn schedule() -> Self {
        Self("schedule".to_owned())
    }

    /// A user.
    pub fn of_user(id: UserId) -> Self {
        Self(format!("user:{id}"))
    }

    /// Whether the actor is a user other than the given one.
    pub fn is_user_other_than(&self, id: UserId) -> bool {
        self.0.starts_with("user:") && *self != Self::of_user(id)
    }

    /// Creates an actor from its stored text.
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
        match caller {
            Caller::User(user) => Self::of_user(user.id),
            Caller::Service(service) => Self(format!("service:{}", service.name)),
            Caller::Operator => Self("operator".to_owned()),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The paths of the changed fields, in order.
pub(super) fn paths(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| field.path().to_owned()).collect()
}
