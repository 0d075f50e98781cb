//! The contexts of writes, and what a caller sends and receives of them.

use std::sync::Arc;

use crate::caller::Caller;
use crate::ports::{Clock, IdGenerator};
use crate::user::Actor;
use crate::values::Timestamp;
use crate::view::UserView;
use crate::write::{Idempotency, Precondition, WriteContext};

/// The conditions of a write that a caller sends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteConditions {
    /// The version that the caller expects.
    pub precondition: Precondition,
    /// The idempotency key.
    pub idempotency: Option<Idempotency>,
}

/// The user after a write, for the caller that wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenView {
    /// The view of the user for the caller.
    pub view: UserView,
    /// Whether the write was applied earlier under the same idempotency key.
    pub replayed: bool,
}

/// Creates the contexts of writes: actor, time, event id and conditions.
#[derive(Clone)]
pub(super) struct WriteContextFactory {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdGenerator>,
}

impl WriteContextFactory {
    /// The current time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn create(&self, caller: &Caller, conditions: WriteConditions) -> WriteContext {
        WriteContext {
            actor: Actor::from(caller),
            at: self.clock.now(),
            event_id: self.ids.event_id(),
            precondition: conditions.precondition,
            idempotency: conditions.idempotency,
        }
    }
}
