//! The machine's time and randomness: the only place that asks for them.

use chrono::Utc;
use user_domain::ports::{Clock, IdGenerator};
use user_domain::values::{Timestamp, UserId};
use uuid::Uuid;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else is handed"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::from_utc(Utc::now())
    }
}

/// UUIDs of version 7 (RFC 9562), from the machine's clock and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct UuidV7Ids;

impl IdGenerator for UuidV7Ids {
    fn user_id(&self) -> UserId {
        UserId::from_uuid(self.event_id())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the generator that everything else is handed"
    )]
    fn event_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
