//! Migrations that are a list of statements.

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::MigrationName;
use sea_orm_migration::prelude::{DbErr, SchemaManager, async_trait};
use sea_orm_migration::sea_orm::ConnectionTrait;

use crate::dialect::Dialect;

/// A migration that is a list of statements, in the words that [`Dialect::write`] knows.
pub(crate) struct Statements {
    /// The migration's name, by which databases remember it.
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
        reason = "the trait leaves the lifetime out, and async_trait wants it so here too"
    )]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager.get_database_backend());
        for statement in self.statements {
            manager
                .get_connection()
                .execute_unprepared(&dialect.write(statement))
                .await?;
        }
        Ok(())
    }
}

/// A migration that is a list of statements for PostgreSQL alone, as they stand; SQLite needs nothing of it.
pub(crate) struct PostgresStatements {
    /// The migration's name, by which databases remember it.
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
        reason = "the trait leaves the lifetime out, and async_trait wants it so here too"
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
