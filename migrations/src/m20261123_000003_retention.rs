//! What lets old records be found and removed: indexes on their times, and how far events were removed.
//!
//! Users have their index already; events are removed from the low end of their numbers.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261123_000003_retention",
    statements: STATEMENTS,
};

/// `events_purged_to` is the greatest mark of a removed event, by which the outbox is followed.
const STATEMENTS: &[&str] = &[
    "CREATE INDEX idempotency_keys_created_at_ix ON idempotency_keys (created_at)",
    "CREATE INDEX released_usernames_released_at_ix ON released_usernames (released_at)",
    "ALTER TABLE store ADD COLUMN events_purged_to {mark}",
];
