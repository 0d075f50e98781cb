//! Migrations that are a list of statements in one transaction.

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::{DbErr, MigrationName, SchemaManager, async_trait};

use crate::repeatable::execute;

/// A migration that is a list of statements in one transaction, with the placeholders of
/// [`Dialect::render`](crate::dialect::Dialect::render). The transaction holds the locks of all its statements until
/// its end, so none of them may read or write many rows.
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
        execute(manager.get_connection(), self.statements).await
    }
}
