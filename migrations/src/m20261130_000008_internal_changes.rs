//! The number of internal changes of each user, which clients must not see.
//!
//! The column `version` still counts every stored change (the revision), as releases without this migration expect. The
//! version that clients see is the revision minus the internal changes. A release without this column adds one to
//! `version` with each change, so all its changes count as visible.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261130_000008_internal_changes",
    statements: STATEMENTS,
};

/// A constant default does not rewrite the table.
const STATEMENTS: &[&str] = &[
    "ALTER TABLE users ADD COLUMN internal_changes {version} NOT NULL DEFAULT 0",
    "ALTER TABLE events ADD COLUMN internal_changes {version} NOT NULL DEFAULT 0",
];
