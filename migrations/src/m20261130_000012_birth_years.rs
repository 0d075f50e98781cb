//! Whether only the year of a user's birthdate is known.
//!
//! The column `birthdate` then holds the first day of the year, which the previous release can read. If that release
//! stores another date, the flag has no effect.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261130_000012_birth_years",
    statements: STATEMENTS,
};

const STATEMENTS: &[&str] =
    &["ALTER TABLE users ADD COLUMN birthdate_is_year {bool} NOT NULL DEFAULT {false}"];
