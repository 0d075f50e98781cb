//! The transaction id of each event on PostgreSQL, which replicas need to poll the outbox.
//!
//! Events become visible in the order of commits, not of their numbers. The transaction id shows whether a snapshot has
//! already seen an event. SQLite has one writer at a time, so its numbers are in commit order.

use crate::dialect::Dialect;
use crate::repeatable::{Repeatable, Step};

/// The default is set in a statement of its own: together with the column it would rewrite the table.
///
/// Older events have no transaction id, and no stored position is before them.
pub(crate) const MIGRATION: Repeatable = Repeatable {
    name: "m20261123_000002_tail",
    only: Some(Dialect::Postgres),
    steps: &[
        Step::Transaction(&[
            "ALTER TABLE events ADD COLUMN {if_not_exists} xid xid8",
            "ALTER TABLE events ALTER COLUMN xid SET DEFAULT pg_current_xact_id()",
        ]),
        Step::Index {
            name: "events_xid_ix",
            on: "events (xid)",
        },
    ],
};
