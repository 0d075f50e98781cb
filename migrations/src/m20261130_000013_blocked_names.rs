//! The username of a blocked user at the time of the block. The blocking user sees this name in its list.
//!
//! The column is nullable, so that the previous release can ignore it. Blocks of that release are listed by id only.

use crate::repeatable::{Repeatable, Step};
use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261130_000013_blocked_names",
    statements: STATEMENTS,
};

/// The index by which the count audit finds stored names of users that no longer exist. It excludes blocks without a
/// name.
pub(crate) const INDEX: Repeatable = Repeatable {
    name: "m20261130_000013_blocked_names_index",
    only: None,
    steps: &[Step::Index {
        name: "blocks_named_ix",
        on: "blocks (target_id, blocker_id) WHERE target_username IS NOT NULL",
    }],
};

const STATEMENTS: &[&str] = &["ALTER TABLE blocks ADD COLUMN target_username text"];
