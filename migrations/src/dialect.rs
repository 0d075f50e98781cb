//! Where the two databases' words for the same thing differ.

use sea_orm_migration::sea_orm::DatabaseBackend;

/// The words of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// Finds the words of a connection; the service connects to no third kind.
    pub(crate) fn of(backend: DatabaseBackend) -> Self {
        if backend == DatabaseBackend::Postgres {
            Self::Postgres
        } else {
            Self::Sqlite
        }
    }

    /// Writes the types of a statement in this database's words.
    ///
    /// `{key}` is text that compares and sorts by its bytes, `{row_number}` a key that counts up by itself, `{mark}` what
    /// the order of events goes by.
    pub(crate) fn write(self, statement: &str) -> String {
        let words = match self {
            Self::Postgres => [
                ("{uuid}", "uuid"),
                ("{key}", "text COLLATE \"C\""),
                ("{bool}", "boolean"),
                ("{false}", "false"),
                ("{version}", "bigint"),
                ("{time}", "timestamptz"),
                ("{bytes}", "bytea"),
                (
                    "{row_number}",
                    "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
                ),
                ("{mark}", "xid8"),
                ("{new_uuid}", "gen_random_uuid()::text"),
                ("{options}", ""),
            ],
            Self::Sqlite => [
                ("{uuid}", "blob"),
                ("{key}", "text"),
                ("{bool}", "integer"),
                ("{false}", "0"),
                ("{version}", "integer"),
                ("{time}", "text"),
                ("{bytes}", "blob"),
                ("{row_number}", "integer PRIMARY KEY AUTOINCREMENT"),
                ("{mark}", "integer"),
                ("{new_uuid}", "lower(hex(randomblob(16)))"),
                ("{options}", "STRICT"),
            ],
        };
        words
            .iter()
            .fold(statement.to_owned(), |text, (word, meaning)| {
                text.replace(word, meaning)
            })
    }

    /// Finds a table by its name, where this connection would find it.
    pub(crate) fn table_exists(self) -> &'static str {
        match self {
            Self::Postgres => {
                "SELECT 1 AS found FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1"
            }
            Self::Sqlite => {
                "SELECT 1 AS found FROM sqlite_master WHERE type = 'table' AND name = ?"
            }
        }
    }

    /// Notes a migration as applied now.
    pub(crate) fn record_migration(self) -> &'static str {
        match self {
            Self::Postgres => {
                "INSERT INTO seaql_migrations (version, applied_at) VALUES ($1, extract(epoch FROM now())::bigint)"
            }
            Self::Sqlite => {
                "INSERT INTO seaql_migrations (version, applied_at) VALUES (?, unixepoch())"
            }
        }
    }
}
