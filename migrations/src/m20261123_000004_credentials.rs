//! The passwords of users, beside them, and the failures of those who tried to be let in.
//!
//! A password goes with its user by the database itself: a release that knows nothing of passwords erases users too.

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::MigrationName;
use sea_orm_migration::prelude::{DbErr, SchemaManager, async_trait};
use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::dialect::Dialect;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261123_000004_credentials"
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

/// `draw` is a number that has nothing to do with when its user was made, so that some passwords stand for all. `source` is empty in the row of an account, and a keyed digest in those of its sources.
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
