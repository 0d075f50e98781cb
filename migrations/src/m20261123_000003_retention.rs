//! Indexes by which expired records are found, and the position up to which events were purged.
//!
//! Users already have such an index. Events are purged in the order of their numbers.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261123_000003_retention",
    statements: STATEMENTS,
};

/// `events_purged_to` is the greatest position of a purged event, in the order in which the outbox is polled.
const STATEMENTS: &[&str] = &[
    "CREATE INDEX idempotency_keys_created_at_ix ON idempotency_keys (created_at)",
    "CREATE INDEX released_usernames_released_at_ix ON released_usernames (released_at)",
    "ALTER TABLE store ADD COLUMN events_purged_to {mark}",
];
