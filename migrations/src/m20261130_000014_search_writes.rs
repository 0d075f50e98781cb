//! Ends the merges of new entries into the search index during writes, in databases whose index was created with them.

use crate::dialect::Dialect;
use crate::repeatable::{Repeatable, Step};

/// The entries that are still to be merged are merged here, without a lock that blocks writers.
pub(crate) const MIGRATION: Repeatable = Repeatable {
    name: "m20261130_000014_search_writes",
    only: Some(Dialect::Postgres),
    steps: &[
        Step::Transaction(&["ALTER INDEX user_search_texts_ix SET (fastupdate = off)"]),
        Step::Unblocking("SELECT gin_clean_pending_list('user_search_texts_ix'::regclass)"),
    ],
};
