//! Migrations that are a list of statements.

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::{DbErr, MigrationName, SchemaManager, async_trait};
use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::dialect::Dialect;

/// A migration that is a list of statements, with the placeholders of [`Dialect::render`].
pub(crate) struct Statements {
    /// The name under which a database records that the migration was applied.
    pub(crate) name: &'static str,
    /// The statements, in their order.
    pub(crate) statements: &'static [&'static str],
}

impl MigrationName for Statements {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Statements {
    #[expect(
        elided_lifetimes_in_paths,
        reason = "async_trait requires the signature of the trait, which elides the lifetime"
    )]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager.get_database_backend());
        for statement in self.statements {
            manager
                .get_connection()
                .execute_unprepared(&dialect.render(statement))
                .await?;
        }
        Ok(())
    }
}

/// A migration that is a list of statements for PostgreSQL only, without placeholders. It does nothing on SQLite.
pub(crate) struct PostgresStatements {
    /// The name under which a database records that the migration was applied.
    pub(crate) name: &'static str,
    /// The statements, in their order.
    pub(crate) statements: &'static [&'static str],
}

impl MigrationName for PostgresStatements {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for PostgresStatements {
    #[expect(
        elided_lifetimes_in_paths,
        reason = "async_trait requires the signature of the trait, which elides the lifetime"
    )]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if Dialect::of(manager.get_database_backend()) == Dialect::Sqlite {
            return Ok(());
        }
        for statement in self.statements {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}
