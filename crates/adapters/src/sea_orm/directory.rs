//! Walks the users.

pub(super) mod count;
mod filter;
pub(super) mod page;
mod search;
