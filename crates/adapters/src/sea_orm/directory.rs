//! Lists, filters and counts users.

pub(super) mod count;
mod filter;
mod metadata;
pub(super) mod page;
mod page_query;
mod search;
mod sparse_matches;

pub use metadata::IndexOutcome;
pub(super) use metadata::update_indexes;
