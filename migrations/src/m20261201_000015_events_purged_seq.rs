//! The number of the last purged event, by which a reader of the event feed learns that it has missed events.
//!
//! The column is nullable, so that the previous release can ignore it. After a purge by that release, the position of a
//! reader at a purged event counts as lost, because the event is no longer there.

use crate::repeatable::{Repeatable, Step};

pub(crate) const MIGRATION: Repeatable = Repeatable {
    name: "m20261201_000015_events_purged_seq",
    only: None,
    steps: &[Step::Transaction(&[
        "ALTER TABLE store ADD COLUMN {if_not_exists} events_purged_seq {version}",
    ])],
};
