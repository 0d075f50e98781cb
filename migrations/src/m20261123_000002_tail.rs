//! What lets replicas follow the outbox: the transaction of each event, on PostgreSQL.
//!
//! Events become visible in the order of commits, not of their numbers. With its transaction beside it, an event can be
//! told apart by whether a snapshot already saw it. SQLite has one writer at a time, so its numbers are the order.

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::MigrationName;
use sea_orm_migration::prelude::{DbErr, SchemaManager, async_trait};
use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::dialect::Dialect;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261123_000002_tail"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    #[expect(
        elided_lifetimes_in_paths,
        reason = "the trait leaves the lifetime out, and async_trait wants it so here too"
    )]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if Dialect::of(manager.get_database_backend()) == Dialect::Sqlite {
            return Ok(());
        }
        for statement in STATEMENTS {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}

/// The default comes by itself: together with the column it would rewrite the table. Older events have no transaction,
/// and nobody's position lies before them.
const STATEMENTS: &[&str] = &[
    "ALTER TABLE events ADD COLUMN xid xid8",
    "ALTER TABLE events ALTER COLUMN xid SET DEFAULT pg_current_xact_id()",
    "CREATE INDEX events_xid_ix ON events (xid)",
];
