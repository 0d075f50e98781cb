//! The passwords of users, in a table of their own, and the login attempts.
//!
//! The database deletes a password together with its user, because a release without passwords also erases users.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261123_000004_credentials",
    statements: STATEMENTS,
};

/// `draw` is a constant number for each user, evenly distributed and independent of its creation. A range of it is
/// therefore a representative sample of the passwords.
///
/// `source` is empty in the row of an account, and a keyed digest in the rows of its sources.
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
