//! What lets replicas follow the outbox: the transaction of each event, on PostgreSQL.
//!
//! Events become visible in the order of commits, not of their numbers. With its transaction beside it, an event can be
//! told apart by whether a snapshot already saw it. SQLite has one writer at a time, so its numbers are the order.

use crate::statements::PostgresStatements;

pub(crate) const MIGRATION: PostgresStatements = PostgresStatements {
    name: "m20261123_000002_tail",
    statements: STATEMENTS,
};

/// The default comes by itself: together with the column it would rewrite the table. Older events have no transaction,
/// and nobody's position lies before them.
const STATEMENTS: &[&str] = &[
    "ALTER TABLE events ADD COLUMN xid xid8",
    "ALTER TABLE events ALTER COLUMN xid SET DEFAULT pg_current_xact_id()",
    "CREATE INDEX events_xid_ix ON events (xid)",
];
