//! The schema of the user service: one list of migrations for PostgreSQL and SQLite, and the runner that applies it.
//!
//! Each migration is applied once, under a lock that all replicas share, and delays no writer for long. `README.md` in
//! this crate explains how to write one, and how a change is spread over releases (expand, then contract).

mod describe;
mod dialect;
mod m20261123_000001_users;
mod m20261123_000002_tail;
mod m20261123_000003_retention;
mod m20261123_000004_credentials;
mod m20261123_000005_service_tokens;
mod m20261123_000006_relationships;
mod m20261124_000007_search;
mod m20261130_000008_internal_changes;
mod m20261130_000009_released_names;
mod m20261130_000010_suspensions;
mod m20261130_000011_erased_ids;
mod m20261130_000012_birth_years;
mod m20261130_000013_blocked_names;
mod m20261130_000014_search_writes;
mod m20261201_000015_events_purged_seq;
mod m20261201_000016_relays;
mod m20261201_000017_erasures;
mod repeatable;
mod session;
mod statements;

use std::collections::HashSet;
use std::time::Duration;

use sea_orm_migration::sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, Statement,
};
pub use sea_orm_migration::{MigrationTrait, SchemaManager};
use tokio::time::sleep;

pub use describe::{describe, describe_driver};
use dialect::Dialect;
pub use session::CONCURRENT_SESSION;
use session::{begin_exclusive, connect_concurrent, is_lock_conflict};

/// How long to wait before a migration that could not get a lock is tried again. Writers that queued behind it catch up
/// meanwhile.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// The maximum number of attempts of a migration: half an hour of waiting.
const MAX_ATTEMPTS: u32 = 900;
/// How long to wait before looking again whether another process has finished its migration.
const BUSY_INTERVAL: Duration = Duration::from_millis(100);

/// Why the schema could not be migrated. Migrations that were applied before the error remain.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database has a table `users` of another service.
    #[error(
        "the database already has a table named users of another service; \
         set DATABASE_SCHEMA to a schema of its own, or use a new database"
    )]
    ForeignTable,
    /// The database failed.
    #[error("the database failed: {}", describe(.0))]
    Database(#[from] DbErr),
}

/// Every migration of this release, oldest first.
pub fn all() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261123_000001_users::Migration),
        Box::new(m20261123_000002_tail::MIGRATION),
        Box::new(m20261123_000003_retention::MIGRATION),
        Box::new(m20261123_000004_credentials::MIGRATION),
        Box::new(m20261123_000005_service_tokens::MIGRATION),
        Box::new(m20261123_000006_relationships::MIGRATION),
        Box::new(m20261124_000007_search::MIGRATION),
        Box::new(m20261130_000008_internal_changes::MIGRATION),
        Box::new(m20261130_000009_released_names::MIGRATION),
        Box::new(m20261130_000010_suspensions::ENDED_ACCESS),
        Box::new(m20261130_000010_suspensions::Migration),
        Box::new(m20261130_000010_suspensions::INDEX),
        Box::new(m20261130_000011_erased_ids::MIGRATION),
        Box::new(m20261130_000012_birth_years::MIGRATION),
        Box::new(m20261130_000013_blocked_names::MIGRATION),
        Box::new(m20261130_000013_blocked_names::INDEX),
        Box::new(m20261130_000014_search_writes::MIGRATION),
        Box::new(m20261201_000015_events_purged_seq::MIGRATION),
        Box::new(m20261201_000016_relays::MIGRATION),
        Box::new(m20261201_000017_erasures::MIGRATION),
    ]
}

/// Applies all pending migrations and returns their names.
///
/// Processes may call it concurrently: one applies, the others wait and find nothing pending. Migrations of a newer
/// release are ignored. `schema` is the PostgreSQL schema to create first. It is the one in the connection's search
/// path.
///
/// # Errors
/// [`MigrateError`]. The migrations before the error remain applied. The one that failed is repeated by the next call.
pub async fn up(
    db: &DatabaseConnection,
    schema: Option<&str>,
) -> Result<Vec<String>, MigrateError> {
    // A role without the right to create tables can start a release that has no pending migration.
    if pending(db).await?.is_empty() {
        return Ok(Vec::new());
    }
    let (mut names, mut attempts) = (Vec::new(), 1);
    loop {
        match apply_next(db, schema).await {
            Ok(Attempt::Applied(name)) => {
                names.push(name);
                attempts = 1;
            }
            Ok(Attempt::NothingPending) => return Ok(names),
            Ok(Attempt::Busy) => sleep(BUSY_INTERVAL).await,
            Err(MigrateError::Database(error))
                if is_lock_conflict(&error) && attempts < MAX_ATTEMPTS =>
            {
                let error = describe(&error);
                tracing::warn!(%error, attempts, "a migration could not get a lock; it is retried");
                attempts += 1;
                sleep(RETRY_INTERVAL).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The result of an attempt to apply a migration.
enum Attempt {
    /// The migration with this name is applied.
    Applied(String),
    /// All migrations are applied.
    NothingPending,
    /// Another process is applying migrations.
    Busy,
}

/// Applies the oldest pending migration.
async fn apply_next(
    db: &DatabaseConnection,
    schema: Option<&str>,
) -> Result<Attempt, MigrateError> {
    let Some(tx) = begin_exclusive(db).await? else {
        return Ok(Attempt::Busy);
    };
    prepare(&tx, schema).await?;
    let applied = applied(&tx).await?;
    if applied.is_empty() && has_table(&tx, "users").await? {
        return Err(MigrateError::ForeignTable);
    }
    let mut migrations = all().into_iter();
    let Some(next) = migrations.find(|migration| !applied.contains(migration.name())) else {
        tx.commit().await?;
        return Ok(Attempt::NothingPending);
    };
    let is_postgres = tx.get_database_backend() == DatabaseBackend::Postgres;
    if is_postgres && next.use_transaction() == Some(false) {
        let concurrent = connect_concurrent(db, schema);
        let outcome = next.up(&SchemaManager::new(&concurrent)).await;
        let closed = concurrent.close().await;
        outcome.and(closed)?;
    } else {
        next.up(&SchemaManager::new(&tx)).await?;
    }
    record(&tx, next.name()).await?;
    tx.commit().await?;
    Ok(Attempt::Applied(next.name().to_owned()))
}

/// Returns the names of the migrations of this release that are not applied yet.
///
/// # Errors
/// If the database fails.
pub async fn pending(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let applied = if has_table(db, MIGRATIONS_TABLE).await? {
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

/// The table of applied migrations, in the format of sea-orm's own tools.
const MIGRATIONS_TABLE: &str = "seaql_migrations";

async fn prepare(tx: &DatabaseTransaction, schema: Option<&str>) -> Result<(), DbErr> {
    if let (Some(schema), DatabaseBackend::Postgres) = (schema, tx.get_database_backend()) {
        tx.execute_unprepared(&format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\""))
            .await?;
    }
    tx.execute_unprepared(&format!(
        "CREATE TABLE IF NOT EXISTS {MIGRATIONS_TABLE} (version text NOT NULL PRIMARY KEY, applied_at bigint NOT NULL)"
    ))
    .await?;
    Ok(())
}

async fn applied(db: &impl ConnectionTrait) -> Result<HashSet<String>, DbErr> {
    let rows = db
        .query_all_raw(Statement::from_string(
            db.get_database_backend(),
            format!("SELECT version FROM {MIGRATIONS_TABLE}"),
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
