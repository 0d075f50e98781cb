//! The passwords of users, beside them, and the failures of those who tried to be let in.
//!
//! A password goes with its user by the database itself: a release that knows nothing of passwords erases users too.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261123_000004_credentials",
    statements: STATEMENTS,
};

/// `draw` is a number that has nothing to do with when its user was made, so that some passwords stand for all. `source` is
/// empty in the row of an account, and a keyed digest in those of its sources.
const STATEMENTS: &[&str] = &[
    "ALTER TABLE users ADD COLUMN password_changed_at {time}",
    "CREATE TABLE credentials (
        user_id {uuid} NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
        password_hash text NOT NULL,
        origin text NOT NULL,
        draw {version} NOT NULL
    ) {options}",
    "CREATE INDEX credentials_draw_ix ON credentials (draw)",
    "CREATE TABLE login_attempts (
        account {uuid} NOT NULL,
        source {bytes} NOT NULL,
        failures {version} NOT NULL,
        failed_at {time},
        blocked_until {time},
        succeeded_at {time},
        forgotten_at {time} NOT NULL,
        PRIMARY KEY (account, source)
    ) {options}",
    "CREATE INDEX login_attempts_forgotten_at_ix ON login_attempts (forgotten_at)",
];
