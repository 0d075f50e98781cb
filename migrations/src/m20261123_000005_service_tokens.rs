//! The service tokens that are issued and revoked while the service runs.

use crate::statements::Statements;

pub(crate) const MIGRATION: Statements = Statements {
    name: "m20261123_000005_service_tokens",
    statements: STATEMENTS,
};

/// Only the digest of a secret is stored. `scopes` is a JSON array of names.
const STATEMENTS: &[&str] = &[
    "CREATE TABLE service_tokens (
        id {uuid} NOT NULL PRIMARY KEY,
        digest {bytes} NOT NULL,
        name {key} NOT NULL,
        scopes text NOT NULL,
        created_at {time} NOT NULL,
        created_by text NOT NULL,
        expires_at {time},
        revoked_at {time},
        last_used_at {time}
    ) {options}",
    "CREATE INDEX service_tokens_created_at_ix ON service_tokens (created_at, id)",
];
