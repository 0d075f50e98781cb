//! The tokens of services that are made and revoked while the service runs.

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::MigrationName;
use sea_orm_migration::prelude::{DbErr, SchemaManager, async_trait};
use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::dialect::Dialect;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261123_000005_service_tokens"
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

/// Of a secret only the digest is kept. `scopes` is a JSON array of names.
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
