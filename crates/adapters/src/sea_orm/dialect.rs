//! The SQL dialects of PostgreSQL and SQLite, where their statements differ. Only this file matches on the driver's
//! `DatabaseBackend`.

use sea_orm::{ConnectionTrait, DatabaseBackend};

use crate::operations::System;

/// The history of a PostgreSQL database, as an expression: the start of the server, and the table of events with the file
/// that holds it.
macro_rules! postgres_history {
    () => {
        "extract(epoch FROM pg_postmaster_start_time()) || '-' || 'events'::regclass::oid
            || '-' || pg_relation_filenode('events')"
    };
}
pub(super) use postgres_history;

/// The SQL dialect of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// Returns the dialect of a connection. The service supports no third database.
    pub(super) fn of(db: &impl ConnectionTrait) -> Self {
        match db.get_database_backend() {
            DatabaseBackend::Postgres => Self::Postgres,
            _ => Self::Sqlite,
        }
    }

    /// Returns the value for this database.
    pub(super) fn choose<T>(self, postgres: T, sqlite: T) -> T {
        match self {
            Self::Postgres => postgres,
            Self::Sqlite => sqlite,
        }
    }

    /// The system in metrics and traces.
    pub(super) fn system(self) -> System {
        self.choose(System::Postgres, System::Sqlite)
    }

    /// The clause that locks the selected rows until the transaction ends. SQLite has no row locks: its write
    /// transaction is the only writer.
    pub(super) fn for_update(self) -> &'static str {
        self.choose("FOR UPDATE", "")
    }

    /// The clause that locks the selected rows, and skips those that another transaction has locked.
    pub(super) fn for_update_skip_locked(self) -> &'static str {
        self.choose("FOR UPDATE SKIP LOCKED", "")
    }

    /// The column with the physical place of a row.
    pub(super) fn row_place(self) -> &'static str {
        self.choose("ctid", "rowid")
    }

    /// Whether several transactions write at the same time, and may need locks between them.
    pub(super) fn has_concurrent_writers(self) -> bool {
        self == Self::Postgres
    }

    /// Whether a statement can write to two tables.
    pub(super) fn has_writing_ctes(self) -> bool {
        self == Self::Postgres
    }

    /// Whether a parameter can be an array.
    pub(super) fn has_arrays(self) -> bool {
        self == Self::Postgres
    }

    /// Whether some statements must restrict the planner, which otherwise plans by outdated or averaged statistics.
    pub(super) fn needs_plan_hints(self) -> bool {
        self == Self::Postgres
    }

    /// Whether search texts can have an index.
    pub(super) fn has_search_index(self) -> bool {
        self == Self::Postgres
    }

    /// Whether the database has a clock of its own, and not that of this machine.
    pub(super) fn has_own_clock(self) -> bool {
        self == Self::Postgres
    }
}
