//! The user service's schema: one list of migrations for PostgreSQL and SQLite, and what applies it.
//!
//! Each migration runs in a transaction of its own, under a lock that all replicas share, and is never changed once
//! released. See `README.md` beside this crate for how a change reaches a running platform (expand, then contract).

mod dialect;
mod m20261123_000001_users;
mod m20261123_000002_tail;
mod m20261123_000003_retention;
mod m20261123_000004_credentials;
mod m20261123_000005_service_tokens;
mod m20261123_000006_relationships;
mod m20261124_000007_search;
mod statements;

use std::collections::HashSet;

pub use sea_orm_migration::MigrationTrait;
use sea_orm_migration::SchemaManager;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use dialect::Dialect;

/// The key of the advisory lock that migrating replicas of one PostgreSQL database take in turn.
const ADVISORY_LOCK: i64 = 0x7573_6572_7376_6331;

/// Why the schema was not brought up to date; what had been applied before stays.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// There is a table `users` that is not this service's.
    #[error(
        "the database already has a table named users that is not this service's; \
         set DATABASE_SCHEMA to a schema of its own, or use a new database"
    )]
    ForeignTable,
    /// The database failed.
    #[error("the database failed: {0}")]
    Database(#[from] DbErr),
}

/// Every migration this release knows, oldest first.
pub fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261123_000001_users::Migration),
        Box::new(m20261123_000002_tail::MIGRATION),
        Box::new(m20261123_000003_retention::MIGRATION),
        Box::new(m20261123_000004_credentials::MIGRATION),
        Box::new(m20261123_000005_service_tokens::MIGRATION),
        Box::new(m20261123_000006_relationships::MIGRATION),
        Box::new(m20261124_000007_search::MIGRATION),
    ]
}

/// Applies what is pending and gives the names of what it applied.
///
/// Replicas may call it at once: one applies, the others wait and find nothing pending. Migrations of a newer release
/// are left alone. `schema` is the PostgreSQL schema to create first, the one the connection's search path names.
///
/// # Errors
/// [`MigrateError`]; a migration is applied whole or not at all.
pub async fn up(
    db: &DatabaseConnection,
    schema: Option<&str>,
) -> Result<Vec<String>, MigrateError> {
    // A role that may not make tables can still start a release for which there is nothing to make.
    if pending(db).await?.is_empty() {
        return Ok(Vec::new());
    }
    let mut done = Vec::new();
    loop {
        let tx = begin(db).await?;
        prepare(&tx, schema).await?;
        let applied = applied(&tx).await?;
        if applied.is_empty() && has_table(&tx, "users").await? {
            return Err(MigrateError::ForeignTable);
        }
        let Some(next) = all()
            .into_iter()
            .find(|migration| !applied.contains(migration.name()))
        else {
            tx.commit().await?;
            return Ok(done);
        };
        next.up(&SchemaManager::new(&tx)).await?;
        record(&tx, next.name()).await?;
        tx.commit().await?;
        done.push(next.name().to_owned());
    }
}

/// Gives the names of the migrations that this release knows and the database lacks.
///
/// # Errors
/// The database's.
pub async fn pending(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let applied = if has_table(db, LEDGER).await? {
        applied(db).await?
    } else {
        HashSet::new()
    };
    Ok(all()
        .iter()
        .map(|migration| migration.name().to_owned())
        .filter(|name| !applied.contains(name))
        .collect())
}

/// The table of applied migrations, as sea-orm's own tools keep it.
const LEDGER: &str = "seaql_migrations";

/// Begins a transaction that keeps other migrators out.
async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let tx = db.begin_with_options(options).await?;
    if tx.get_database_backend() == DatabaseBackend::Postgres {
        tx.execute_unprepared("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
            .await?;
        tx.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            .await?;
    }
    Ok(tx)
}

async fn prepare(tx: &DatabaseTransaction, schema: Option<&str>) -> Result<(), DbErr> {
    if let (Some(schema), DatabaseBackend::Postgres) = (schema, tx.get_database_backend()) {
        tx.execute_unprepared(&format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\""))
            .await?;
    }
    tx.execute_unprepared(&format!(
        "CREATE TABLE IF NOT EXISTS {LEDGER} (version text NOT NULL PRIMARY KEY, applied_at bigint NOT NULL)"
    ))
    .await?;
    Ok(())
}

async fn applied(db: &impl ConnectionTrait) -> Result<HashSet<String>, DbErr> {
    let rows = db
        .query_all_raw(Statement::from_string(
            db.get_database_backend(),
            format!("SELECT version FROM {LEDGER}"),
        ))
        .await?;
    let known = all();
    let mut applied = HashSet::new();
    for row in rows {
        let name: String = row.try_get("", "version")?;
        if known.iter().any(|migration| migration.name() == name) {
            applied.insert(name);
        }
    }
    Ok(applied)
}

async fn has_table(db: &impl ConnectionTrait, name: &str) -> Result<bool, DbErr> {
    let backend = db.get_database_backend();
    let sql = Dialect::of(backend).table_exists();
    Ok(db
        .query_one_raw(Statement::from_sql_and_values(backend, sql, [name.into()]))
        .await?
        .is_some())
}

async fn record(tx: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
    let backend = tx.get_database_backend();
    let sql = Dialect::of(backend).record_migration();
    tx.execute_raw(Statement::from_sql_and_values(backend, sql, [name.into()]))
        .await?;
    Ok(())
}
