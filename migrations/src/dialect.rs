//! The SQL dialects of PostgreSQL and SQLite, where they differ.

use sea_orm_migration::sea_orm::DatabaseBackend;

/// The SQL dialect of one database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// Returns the dialect of a backend. The service supports no third database.
    pub(crate) fn of(backend: DatabaseBackend) -> Self {
        if backend == DatabaseBackend::Postgres {
            Self::Postgres
        } else {
            Self::Sqlite
        }
    }

    /// Replaces the placeholders of a statement with the types of this database.
    ///
    /// `{key}` is text that is compared and sorted by its bytes. `{row_number}` is an auto-incremented primary key.
    /// `{mark}` is the type of the value by which events are ordered. `{if_not_exists}` makes the addition of a column
    /// repeatable on PostgreSQL. SQLite does not have it and does not need it.
    pub(crate) fn render(self, statement: &str) -> String {
        let placeholders = match self {
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
                ("{if_not_exists}", "IF NOT EXISTS"),
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
                ("{if_not_exists}", ""),
            ],
        };
        placeholders
            .iter()
            .fold(statement.to_owned(), |text, (placeholder, value)| {
                text.replace(placeholder, value)
            })
    }

    /// The query for a table by its name, in the schema that this connection uses.
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

    /// The statement that records a migration as applied now.
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
