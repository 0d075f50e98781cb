//! The transaction id of each event on PostgreSQL, which replicas need to poll the outbox.
//!
//! Events become visible in the order of commits, not of their numbers. The transaction id shows whether a snapshot has
//! already seen an event. SQLite has one writer at a time, so its numbers are in commit order.

use crate::statements::PostgresStatements;

pub(crate) const MIGRATION: PostgresStatements = PostgresStatements {
    name: "m20261123_000002_tail",
    statements: STATEMENTS,
};

/// The default is set in a statement of its own: together with the column it would rewrite the table.
///
/// Older events have no transaction id, and no stored position is before them.
const STATEMENTS: &[&str] = &[
    "ALTER TABLE events ADD COLUMN xid xid8",
    "ALTER TABLE events ALTER COLUMN xid SET DEFAULT pg_current_xact_id()",
    "CREATE INDEX events_xid_ix ON events (xid)",
];
