//! Keeps digests of the ids and external ids of erased users, so that no import uses one again.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261130_000011_erased_ids",
    statements: STATEMENTS,
};

/// At most two rows for each erased user; they are never removed.
const STATEMENTS: &[&str] = &["CREATE TABLE erased_ids (
        digest {bytes} NOT NULL PRIMARY KEY
    ) {options}"];
