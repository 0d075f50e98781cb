//! The index by which the released usernames of one user are found.
//!
//! Their number is limited for each user, and digests replace them when the user is erased.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261130_000009_released_names",
    statements: STATEMENTS,
};

const STATEMENTS: &[&str] =
    &["CREATE INDEX released_usernames_user_ix ON released_usernames (user_id, released_at)"];
