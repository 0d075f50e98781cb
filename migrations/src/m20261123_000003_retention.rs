//! What lets old records be found and removed: indexes on their times, and how far events were removed.
//!
//! Users have their index already; events are removed from the low end of their numbers.

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::MigrationName;
use sea_orm_migration::prelude::{DbErr, SchemaManager, async_trait};
use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::dialect::Dialect;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261123_000003_retention"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    #[expect(
        elided_lifetimes_in_paths,
        reason = "the trait leaves the lifetime out, and async_trait wants it so here too"
    )]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager.get_database_backend());
        for statement in STATEMENTS {
            manager
                .get_connection()
                .execute_unprepared(&dialect.write(statement))
                .await?;
        }
        Ok(())
    }
}

/// `events_purged_to` is the greatest mark of a removed event, by which the outbox is followed.
const STATEMENTS: &[&str] = &[
    "CREATE INDEX idempotency_keys_created_at_ix ON idempotency_keys (created_at)",
    "CREATE INDEX released_usernames_released_at_ix ON released_usernames (released_at)",
    "ALTER TABLE store ADD COLUMN events_purged_to {mark}",
];
