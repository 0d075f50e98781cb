//! Indexes by which expired records are found, and the position up to which events were purged.
//!
//! Users already have such an index. Events are purged in the order of their numbers.

use crate::repeatable::{Repeatable, Step};

/// `events_purged_to` is the greatest position of a purged event, in the order in which the outbox is polled.
pub(crate) const MIGRATION: Repeatable = Repeatable {
    name: "m20261123_000003_retention",
    only: None,
    steps: &[
        Step::Index {
            name: "idempotency_keys_created_at_ix",
            on: "idempotency_keys (created_at)",
        },
        Step::Index {
            name: "released_usernames_released_at_ix",
            on: "released_usernames (released_at)",
        },
        Step::Transaction(&[
            "ALTER TABLE store ADD COLUMN {if_not_exists} events_purged_to {mark}",
        ]),
    ],
};
