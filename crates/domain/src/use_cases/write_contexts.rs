//! Creates the contexts of writes.

use std::sync::Arc;

use super::WriteConditions;
use crate::caller::Caller;
use crate::ports::{Clock, IdGenerator};
use crate::user::Actor;
use crate::values::Timestamp;
use crate::write::WriteContext;

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
