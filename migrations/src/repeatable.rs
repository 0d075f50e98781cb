//! Migrations in several steps, none of which blocks writers for long.

use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::{DbErr, MigrationName, SchemaManager, async_trait};
use sea_orm_migration::sea_orm::prelude::Uuid;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseTransaction, Statement, TransactionTrait,
};

use crate::dialect::Dialect;
use crate::session::SHORT_TIMEOUTS;

/// A migration in several steps. On PostgreSQL each step runs in transactions of its own. If a step fails, all steps
/// are repeated, so each of them must be repeatable. On SQLite all steps run in one transaction.
pub(crate) struct Repeatable {
    /// The name under which a database records that the migration was applied.
    pub(crate) name: &'static str,
    /// The database that needs the migration; `None` for both.
    pub(crate) only: Option<Dialect>,
    /// The steps, in their order.
    pub(crate) steps: &'static [Step],
}

/// A step of a [`Repeatable`] migration.
pub(crate) enum Step {
    /// Statements in one short transaction, with the placeholders of [`Dialect::render`].
    Transaction(&'static [&'static str]),
    /// An index, which PostgreSQL creates concurrently.
    Index {
        /// The name of the index.
        name: &'static str,
        /// The table, and what follows it.
        on: &'static str,
    },
    /// A statement for PostgreSQL that copies a range of rows. It starts at the id `$1` and returns the id at which the
    /// next range starts. If it returns `$1` or no row, all rows are copied. Each range is a short transaction.
    Ranges(&'static str),
    /// A statement for PostgreSQL that may take long, because it does not block writers.
    Unblocking(&'static str),
}

impl MigrationName for Repeatable {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Repeatable {
    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }

    #[expect(
        elided_lifetimes_in_paths,
        reason = "async_trait requires the signature of the trait, which elides the lifetime"
    )]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dialect = Dialect::of(manager.get_database_backend());
        if self.only.is_some_and(|only| only != dialect) {
            return Ok(());
        }
        for step in self.steps {
            match dialect {
                Dialect::Postgres => step.run_on_postgres(manager).await?,
                Dialect::Sqlite => step.run_on_sqlite(manager).await?,
            }
        }
        Ok(())
    }
}

impl Step {
    async fn run_on_postgres(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        match self {
            Self::Transaction(statements) => {
                let tx = begin_short(manager).await?;
                execute(&tx, statements).await?;
                tx.commit().await
            }
            Self::Index { name, on } => create_concurrently(manager, name, on).await,
            Self::Ranges(statement) => copy_ranges(manager, statement).await,
            Self::Unblocking(statement) => {
                let connection = manager.get_connection();
                connection.execute_unprepared(statement).await.map(drop)
            }
        }
    }

    async fn run_on_sqlite(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        match self {
            Self::Transaction(statements) => execute(manager.get_connection(), statements).await,
            Self::Index { name, on } => {
                let create = format!("CREATE INDEX {name} ON {on}");
                execute(manager.get_connection(), &[&create]).await
            }
            Self::Ranges(_) | Self::Unblocking(_) => Ok(()),
        }
    }
}

async fn begin_short(manager: &SchemaManager<'_>) -> Result<DatabaseTransaction, DbErr> {
    let tx = manager.get_connection().begin().await?;
    tx.execute_unprepared(SHORT_TIMEOUTS).await?;
    Ok(tx)
}

/// Executes statements with placeholders.
pub(crate) async fn execute(db: &impl ConnectionTrait, statements: &[&str]) -> Result<(), DbErr> {
    let dialect = Dialect::of(db.get_database_backend());
    for statement in statements {
        db.execute_unprepared(&dialect.render(statement)).await?;
    }
    Ok(())
}

async fn copy_ranges(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    let mut start = Uuid::nil();
    loop {
        let tx = begin_short(manager).await?;
        let copy =
            Statement::from_sql_and_values(DatabaseBackend::Postgres, statement, [start.into()]);
        let row = tx.query_one_raw(copy).await?;
        tx.commit().await?;
        match row.map(|row| row.try_get_by_index(0)).transpose()? {
            Some(next) if next != start => start = next,
            _ => return Ok(()),
        }
    }
}

/// Creates an index. Drops it first if an interrupted creation left it invalid.
///
/// The creation may still be running on the server although its process has ended. Both statements wait for it.
async fn create_concurrently(
    manager: &SchemaManager<'_>,
    name: &str,
    on: &str,
) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let is_valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)";
    loop {
        let is_valid =
            Statement::from_sql_and_values(DatabaseBackend::Postgres, is_valid, [name.into()]);
        let row = connection.query_one_raw(is_valid).await?;
        let next = match row.map(|row| row.try_get_by_index(0)).transpose()? {
            Some(true) => return Ok(()),
            Some(false) => format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"),
            None => format!("CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}"),
        };
        connection.execute_unprepared(&next).await?;
    }
}
