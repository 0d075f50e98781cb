//! Reason and end of a suspension, and which recorded write ended its caller's own access.
//!
//! The columns are nullable or have a default, so that the previous release can ignore them. The previous release can
//! also activate a user. The trigger then removes the reason and the end, which would otherwise apply to the next
//! suspension.

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::MigrationName;
use sea_orm_migration::prelude::{DbErr, SchemaManager, async_trait};

use crate::dialect::Dialect;
use crate::repeatable::{Repeatable, Step, execute};
use crate::statements::Statements;

pub(crate) struct Migration;

/// Which recorded write ended its caller's own access.
///
/// A migration of its own: writers lock `idempotency_keys` before `users`, so one transaction must not lock both the
/// other way round.
pub(crate) const ENDED_ACCESS: Statements = Statements {
    name: "m20261130_000010_ended_access",
    statements: &[
        "ALTER TABLE idempotency_keys ADD COLUMN ended_access {bool} NOT NULL DEFAULT {false}",
    ],
};

/// The index by which suspensions that have ended are found.
pub(crate) const INDEX: Repeatable = Repeatable {
    name: "m20261130_000010_suspensions_index",
    only: None,
    steps: &[Step::Index {
        name: "users_suspended_until_ix",
        on: "users (suspended_until, id) WHERE suspended_until IS NOT NULL AND deleted_at IS NULL",
    }],
};

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261130_000010_suspensions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    #[expect(
        elided_lifetimes_in_paths,
        reason = "async_trait requires the signature of the trait, which elides the lifetime"
    )]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager.get_database_backend());
        let triggers = match dialect {
            Dialect::Postgres => POSTGRES_TRIGGER,
            Dialect::Sqlite => SQLITE_TRIGGER,
        };
        execute(manager.get_connection(), COLUMNS).await?;
        execute(manager.get_connection(), triggers).await
    }
}

const COLUMNS: &[&str] = &[
    "ALTER TABLE users ADD COLUMN suspension_reason text",
    "ALTER TABLE users ADD COLUMN suspended_until {time}",
];

const POSTGRES_TRIGGER: &[&str] = &[
    "CREATE FUNCTION clear_ended_suspension() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.suspension_reason := NULL;
        NEW.suspended_until := NULL;
        RETURN NEW;
    END
    $$",
    "CREATE TRIGGER users_suspension_ended BEFORE UPDATE OF standing ON users
        FOR EACH ROW WHEN (
            NEW.standing <> 'suspended'
            AND (NEW.suspension_reason IS NOT NULL OR NEW.suspended_until IS NOT NULL)
        )
        EXECUTE FUNCTION clear_ended_suspension()",
];

const SQLITE_TRIGGER: &[&str] = &[
    "CREATE TRIGGER users_suspension_ended AFTER UPDATE OF standing ON users
        FOR EACH ROW WHEN
            NEW.standing <> 'suspended'
            AND (NEW.suspension_reason IS NOT NULL OR NEW.suspended_until IS NOT NULL)
        BEGIN
            UPDATE users SET suspension_reason = NULL, suspended_until = NULL WHERE id = NEW.id;
        END",
];
