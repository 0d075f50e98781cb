//! SQL expressions for metadata members, and their indexes.
//!
//! The indexes are not part of a migration, since a setting selects them. They are built while the service runs, on
//! PostgreSQL without blocking writers. Until then a filter scans all users. Earlier releases are not affected by them.

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};
use sea_orm::{ConnectionTrait, DbErr, sqlx};
use sha2::{Digest as _, Sha256};
use user_domain::directory::{MetadataKey, MetadataObject, MetadataValue};
use user_migrations::CONCURRENT_SESSION;

use crate::sea_orm::connection::{Pool, exec_error};
use crate::sea_orm::dialect::Dialect;
use crate::sea_orm::digests::hexadecimal;
use crate::sea_orm::raw_sql;

/// The prefix of the names of these indexes, and of no others.
const NAME_PREFIX: &str = "users_metadata_";

/// The key of the advisory lock that lets only one replica build indexes.
const ADVISORY_LOCK: i64 = 0x7573_6572_6d65_7461;

/// The number of characters of a value that are indexed. It is one more than the maximum of a filter's value, so that
/// values with an equal prefix match exactly. The prefix fits into an index entry, independent of the length of the
/// value.
const INDEXED_CHARS: usize = MetadataValue::MAX_CHARS + 1;

/// The result of an attempt to build the indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexOutcome {
    /// All indexes exist; holds the number of new ones.
    Ready(usize),
    /// Another replica is building them, or migrations are pending.
    Deferred,
}

/// Returns the SQL expression for the value of a member, which index and filter share. It is the text of a string, the
/// stored JSON of any other value, or NULL; truncated to [`INDEXED_CHARS`].
///
/// The key is part of the SQL text: with a parameter, the expression would not match that of the index.
pub(super) fn member_expression(key: &MetadataKey, dialect: Dialect) -> String {
    let column = match key.object() {
        MetadataObject::Public => "metadata_public",
        MetadataObject::Private => "metadata_private",
    };
    let name = key.name().replace('\'', "''");
    match dialect {
        Dialect::Postgres => {
            // json, not jsonb, which rewrites numbers. Only with the inner collation are the statistics of the index
            // used.
            let value = format!("({column}::json ->> '{name}'::text) COLLATE \"C\"");
            format!("left({value}, {INDEXED_CHARS})")
        }
        Dialect::Sqlite => {
            let path = format!("'$.\"{name}\"'");
            format!(
                "substr(CASE json_type({column}, {path}) WHEN 'text' THEN {column} ->> {path} \
                 WHEN 'null' THEN NULL ELSE {column} -> {path} END, 1, {INDEXED_CHARS})"
            )
        }
    }
}

/// Builds the missing or invalid indexes of these keys. With `drop_others`, also drops those of all other keys.
///
/// # Errors
/// Those of the database. Indexes that were built before the error stay.
pub(crate) async fn update_indexes(
    writes: &Pool,
    keys: &[MetadataKey],
    drop_others: bool,
) -> Result<IndexOutcome, DbErr> {
    let dialect = Dialect::of(writes);
    let wanted: Vec<Index> = keys.iter().map(|key| Index::of(key, dialect)).collect();
    match dialect {
        Dialect::Postgres => {
            let updated = update_on_postgres(writes, &wanted, drop_others).await;
            updated.map_err(exec_error)
        }
        Dialect::Sqlite => update_on_sqlite(writes, &wanted, drop_others).await,
    }
}

/// An index of one key.
struct Index {
    /// Derived from the expression, so that an index on a different expression has a different name.
    name: String,
    expression: String,
}

impl Index {
    fn of(key: &MetadataKey, dialect: Dialect) -> Self {
        let expression = member_expression(key, dialect);
        let digest = Sha256::digest(&expression);
        let name = hexadecimal(NAME_PREFIX, digest.get(..8).unwrap_or(&digest));
        Self { name, expression }
    }

    fn create(&self, concurrently: &str) -> String {
        let Self { name, expression } = self;
        // Not a partial index: the planner would not use its statistics.
        format!("CREATE INDEX {concurrently} IF NOT EXISTS {name} ON users (({expression}))")
    }
}

/// Returns the names of the indexes to drop and the indexes to create. `existing` holds each name and whether the index
/// is valid.
fn plan<'a>(
    wanted: &'a [Index],
    existing: &'a [(String, bool)],
    drop_others: bool,
) -> (Vec<&'a str>, Vec<&'a Index>) {
    let is_wanted = |name: &str| wanted.iter().any(|index| index.name == name);
    let (mut dropped, mut created) = (Vec::new(), Vec::new());
    for (name, is_valid) in existing {
        let is_unwanted = drop_others && !is_wanted(name);
        let is_invalid = !is_valid && is_wanted(name);
        if is_unwanted || is_invalid {
            dropped.push(name.as_str());
        }
    }
    for index in wanted {
        if !existing
            .iter()
            .any(|(name, is_valid)| *name == index.name && *is_valid)
        {
            created.push(index);
        }
    }
    (dropped, created)
}

/// Uses a separate connection, for which no request waits. Closing it discards the settings of its session.
async fn update_on_postgres(
    writes: &Pool,
    wanted: &[Index],
    drop_others: bool,
) -> Result<IndexOutcome, sqlx::Error> {
    let pool = writes
        .without_admission()
        .await
        .get_postgres_connection_pool();
    let mut connection = pool.acquire().await?.detach();
    let updated = update_with(&mut connection, wanted, drop_others).await;
    let closed = connection.close().await;
    let outcome = updated?;
    closed.map(|()| outcome)
}

async fn update_with(
    connection: &mut PgConnection,
    wanted: &[Index],
    drop_others: bool,
) -> Result<IndexOutcome, sqlx::Error> {
    connection.execute(CONCURRENT_SESSION).await?;
    let locked = sqlx::query("SELECT pg_try_advisory_lock($1)").bind(ADVISORY_LOCK);
    if !locked
        .fetch_one(&mut *connection)
        .await?
        .try_get::<bool, _>(0)?
    {
        return Ok(IndexOutcome::Deferred);
    }
    let existing = sqlx::query(
        "SELECT c.relname::text, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = 'users'::regclass AND starts_with(c.relname::text, $1)",
    )
    .bind(NAME_PREFIX)
    .fetch_all(&mut *connection)
    .await?;
    let existing = existing
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<Vec<(String, bool)>, sqlx::Error>>()?;
    let (dropped, created) = plan(wanted, &existing, drop_others);
    for name in dropped {
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
        connection.execute(AssertSqlSafe(drop)).await?;
    }
    for index in &created {
        connection
            .execute(AssertSqlSafe(index.create("CONCURRENTLY")))
            .await?;
    }
    if !created.is_empty() {
        // Without statistics the planner guesses the number of users with a value.
        connection.execute("ANALYZE users").await?;
    }
    Ok(IndexOutcome::Ready(created.len()))
}

async fn update_on_sqlite(
    writes: &Pool,
    wanted: &[Index],
    drop_others: bool,
) -> Result<IndexOutcome, DbErr> {
    let select = "SELECT name FROM sqlite_schema WHERE type = 'index' AND substr(name, 1, ?) = ?";
    let length = i64::try_from(NAME_PREFIX.len()).unwrap_or_default();
    let values = [length.into(), NAME_PREFIX.into()];
    let existing = raw_sql::query(writes, select, values).await?;
    let existing = existing
        .iter()
        .map(|row| Ok((row.try_get_by_index(0)?, true)))
        .collect::<Result<Vec<(String, bool)>, DbErr>>()?;
    let (dropped, created) = plan(wanted, &existing, drop_others);
    for name in dropped {
        let drop = format!("DROP INDEX IF EXISTS {name}");
        writes.execute_unprepared(&drop).await?;
    }
    for index in &created {
        writes.execute_unprepared(&index.create("")).await?;
    }
    Ok(IndexOutcome::Ready(created.len()))
}

#[cfg(test)]
mod tests {
    use sea_orm::{
        DatabaseBackend, EntityTrait as _, QueryFilter as _, QueryTrait as _, Statement,
    };
    use user_domain::directory::DirectoryFilter;

    use super::*;
    use crate::sea_orm::Connections;
    use crate::sea_orm::directory::filter::conditions;
    use crate::sea_orm::entities::users::Entity;

    fn key(text: &str) -> MetadataKey {
        MetadataKey::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_metadata_filter_on_sqlite_uses_the_index_of_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        let connections = Connections::sqlite(&path).await.unwrap();
        connections.migrate(None).await.unwrap();
        let named = key("public.it's \u{fc}");
        let filter = DirectoryFilter {
            metadata: [(named.clone(), [MetadataValue::parse("1").unwrap()].into())].into(),
            ..DirectoryFilter::default()
        };
        let matching = conditions(&filter, Dialect::Sqlite);
        let filtered = Entity::find()
            .filter(matching)
            .build(DatabaseBackend::Sqlite);
        let explained = Statement {
            sql: format!("EXPLAIN QUERY PLAN {}", filtered.sql),
            ..filtered
        };
        // New connections each time: EXPLAIN does not notice a schema change on an old connection.
        let plan = async || {
            let fresh = Connections::sqlite(&path).await.unwrap();
            let rows = fresh.reads.query_all_raw(explained.clone()).await.unwrap();
            fresh.close().await;
            let lines = rows
                .iter()
                .map(|row| row.try_get_by_index::<String>(3).unwrap());
            lines.collect::<Vec<_>>().join("\n")
        };
        let update = async |keys: &[MetadataKey], drop_others| {
            let updated = connections.update_metadata_indexes(keys, drop_others).await;
            updated.unwrap()
        };
        let other = [key("private.b")];
        assert_eq!(update(&[named], true).await, IndexOutcome::Ready(1));
        assert_eq!(update(&other, false).await, IndexOutcome::Ready(1));
        let indexed = plan().await;
        assert!(indexed.contains(NAME_PREFIX), "{indexed}");
        assert_eq!(update(&other, true).await, IndexOutcome::Ready(0));
        let scanned = plan().await;
        assert!(!scanned.contains(NAME_PREFIX), "{scanned}");
    }

    #[test]
    fn an_unwanted_index_is_dropped_and_an_invalid_one_is_rebuilt() {
        let index = |text: &str| Index::of(&key(text), Dialect::Postgres);
        let wanted = [index("public.a"), index("private.a")];
        let existing = [
            (wanted[0].name.clone(), false),
            (index("public.b").name, true),
        ];
        let names = |created: Vec<&Index>| -> Vec<String> {
            created.iter().map(|index| index.name.clone()).collect()
        };
        let (dropped, created) = plan(&wanted, &existing, true);
        assert_eq!(dropped, [existing[0].0.as_str(), existing[1].0.as_str()]);
        assert_eq!(
            names(created),
            [wanted[0].name.clone(), wanted[1].name.clone()]
        );
        let (dropped, _) = plan(&wanted, &existing, false);
        assert_eq!(dropped, [existing[0].0.as_str()]);
        let valid = [
            (wanted[0].name.clone(), true),
            (wanted[1].name.clone(), true),
        ];
        let (dropped, created) = plan(&wanted, &valid, true);
        assert!(dropped.is_empty() && created.is_empty());
    }
}
