//! The settings of the database.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use user_adapters::sea_orm::PoolOptions;
use user_domain::directory::MetadataKey;

use super::Read;
use super::database_uri::{self, DatabaseTarget, DatabaseUri};
use super::reader::{Reader, Reported, comma_list};

/// The default database file.
const DEFAULT_FILE: &str = "./data/users.db";

/// A connection pooler.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pooler {
    /// None, or one in session mode.
    None,
    /// One in transaction mode.
    Transaction,
}

/// The settings of the database.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// The database (`DATABASE_URI`).
    pub target: DatabaseTarget,
    /// Whether `DATABASE_URI` is unset, so that the database is SQLite in `./data`.
    pub defaulted: bool,
    /// The PostgreSQL schema of the tables (`DATABASE_SCHEMA`). `None`: the default schema of the role.
    pub schema: Option<String>,
    /// The connection pooler that `DATABASE_URI` names (`DATABASE_POOLER`).
    pub pooler: Pooler,
    /// The database for migrations and metadata indexes (`MIGRATE_DATABASE_URI`), always PostgreSQL. `None`: `target`.
    pub migration_target: Option<DatabaseTarget>,
    /// The URLs of the standbys that answer reads (`DATABASE_READ_URIS`).
    pub read_urls: Vec<SecretString>,
    /// How long the standbys answer reads without the primary server (`DATABASE_READ_SECONDS_WITHOUT_PRIMARY`).
    pub read_time_without_primary: Duration,
    /// The number of PostgreSQL connections of this process (`DATABASE_MAX_CONNECTIONS`), 2 to 500. Half are for writes
    /// and half for reads.
    pub max_connections: u32,
    /// The metadata keys by which users can be found (`INDEXED_METADATA`). `None`: no keys, and no index is dropped. An
    /// empty list (`none`): no keys, and all indexes are dropped.
    pub indexed_metadata: Option<Vec<MetadataKey>>,
    /// Whether `serve` applies pending migrations when it starts (`MIGRATE_ON_START`).
    pub migrate_on_start: bool,
    /// Whether `serve` removes expired data (`RETENTION`).
    pub retention: bool,
}

impl DatabaseSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let defaulted = !reader.is_set("DATABASE_URI");
        let target = read_target(reader);
        let schema = reader.optional("DATABASE_SCHEMA", schema);
        let pooler = reader.required("DATABASE_POOLER", pooler);
        let migration_target = read_migration_target(reader);
        let read_urls = read_standbys(reader);
        let read_seconds = reader.number("DATABASE_READ_SECONDS_WITHOUT_PRIMARY", 0..=60);
        let max_connections = reader.number("DATABASE_MAX_CONNECTIONS", 2..=500);
        let indexed_metadata = reader.optional("INDEXED_METADATA", metadata_keys);
        let migrate_on_start = reader.switch("MIGRATE_ON_START");
        let retention = reader.switch("RETENTION");

        let (target, schema) = (target?, schema?);
        if schema.is_some() && matches!(target, DatabaseTarget::Sqlite { .. }) {
            reader.warn("DATABASE_SCHEMA", "has no effect: SQLite has no schemas");
        }
        let (pooler, migration_target) = (pooler?, migration_target?);
        let is_pooled = pooler == Pooler::Transaction;
        if let DatabaseTarget::Sqlite { .. } = target {
            if is_pooled {
                let reason = "must be none: SQLite has no connection pooler";
                return Err(reader.report("DATABASE_POOLER", reason));
            }
            if migration_target.is_some() {
                reader.warn("MIGRATE_DATABASE_URI", "has no effect on SQLite");
            }
        }
        if is_pooled && target.has_startup_options() {
            let reason = "has a parameter `options`, which connection poolers refuse";
            return Err(reader.report("DATABASE_URI", reason));
        }
        let read_urls = read_urls?;
        if !read_urls.is_empty() && matches!(target, DatabaseTarget::Sqlite { .. }) {
            reader.warn(
                "DATABASE_READ_URIS",
                "has no effect: SQLite has no standbys",
            );
        }
        Ok(Self {
            read_urls,
            read_time_without_primary: Duration::from_secs(read_seconds?),
            target,
            defaulted,
            schema,
            pooler,
            migration_target,
            max_connections: max_connections?,
            indexed_metadata: indexed_metadata?,
            migrate_on_start: migrate_on_start?,
            retention: retention?,
        })
    }
}

fn read_target(reader: &mut Reader) -> Result<DatabaseTarget, Reported> {
    if let Some(target) = read_uri(reader, "DATABASE_URI")? {
        return Ok(target);
    }
    if reader.is_set("REDIS_URL") {
        let reason = "is required when REDIS_URL is set: replicas share one database";
        return Err(reader.report("DATABASE_URI", reason));
    }
    let warning =
        format!("is not set: users are stored in SQLite in {DEFAULT_FILE}, for a single process");
    reader.warn("DATABASE_URI", &warning);
    Ok(DatabaseTarget::Sqlite {
        path: PathBuf::from(DEFAULT_FILE),
    })
}

fn read_migration_target(reader: &mut Reader) -> Result<Option<DatabaseTarget>, Reported> {
    let variable = "MIGRATE_DATABASE_URI";
    match read_uri(reader, variable)? {
        Some(DatabaseTarget::Sqlite { .. }) => {
            Err(reader.report(variable, "must start with postgresql://"))
        }
        target => Ok(target),
    }
}

/// Reads the URL of a database, with warnings of the parts that have no effect.
fn read_uri(reader: &mut Reader, variable: &str) -> Result<Option<DatabaseTarget>, Reported> {
    let Some(parsed) = reader.optional(variable, database_uri::parse)? else {
        return Ok(None);
    };
    warn_of_parameters(reader, variable, &parsed);
    Ok(Some(parsed.target))
}

fn pooler(text: &str) -> Result<Pooler, String> {
    match text {
        "none" => Ok(Pooler::None),
        "transaction" => Ok(Pooler::Transaction),
        _ => Err("must be none or transaction".to_owned()),
    }
}

fn read_standbys(reader: &mut Reader) -> Result<Vec<SecretString>, Reported> {
    let parsed = reader.optional("DATABASE_READ_URIS", standbys)?;
    let mut urls = Vec::new();
    for uri in parsed.into_iter().flatten() {
        warn_of_parameters(reader, "DATABASE_READ_URIS", &uri);
        if let DatabaseTarget::Postgres { url, .. } = uri.target {
            urls.push(url);
        }
    }
    Ok(urls)
}

fn warn_of_parameters(reader: &mut Reader, variable: &str, uri: &DatabaseUri) {
    for ignored in &uri.ignored_parameters {
        let warning = format!("its parameter `{ignored}` has no effect");
        reader.warn(variable, &warning);
    }
    for part in &uri.replaced_parts {
        let warning = format!("its parameter `{part}` replaces the same part before the `?`");
        reader.warn(variable, &warning);
    }
}

/// Parses a list of URLs of one PostgreSQL server each.
fn standbys(text: &str) -> Result<Vec<DatabaseUri>, String> {
    // A comma before another URL separates; any other is part of a URL.
    let mut urls: Vec<String> = Vec::new();
    for part in text.split(',') {
        match urls.last_mut() {
            Some(url) if !part.contains("://") => {
                url.push(',');
                url.push_str(part);
            }
            _ => urls.push(part.to_owned()),
        }
    }
    if urls.len() > PoolOptions::MAX_STANDBYS {
        return Err(format!(
            "must name at most {} standbys",
            PoolOptions::MAX_STANDBYS
        ));
    }
    let urls = urls.iter().enumerate();
    urls.map(|(index, url)| {
        let entry = |reason: &str| format!("entry {} {reason}", index + 1);
        let parsed = database_uri::parse(url.trim()).map_err(|reason| entry(&reason))?;
        match &parsed.target {
            DatabaseTarget::Postgres { further_urls, .. } if further_urls.is_empty() => Ok(parsed),
            DatabaseTarget::Postgres { .. } => {
                Err(entry("names several hosts: write one URL for each standby"))
            }
            DatabaseTarget::Sqlite { .. } => Err(entry("must start with postgresql://")),
        }
    })
    .collect()
}

/// Parses a comma-separated list of keys. `none` is the empty list, since an empty variable counts as unset.
fn metadata_keys(text: &str) -> Result<Vec<MetadataKey>, String> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let entries = comma_list(text);
    if entries.len() > MetadataKey::MAX_INDEXED {
        return Err(format!(
            "must name at most {} keys",
            MetadataKey::MAX_INDEXED
        ));
    }
    let entries = entries.into_iter().enumerate();
    entries
        .map(|(index, entry)| {
            MetadataKey::parse(entry)
                .map_err(|violation| format!("entry {}: {}", index + 1, violation.detail()))
        })
        .collect()
}

/// Parses a schema name that needs no quotes in SQL.
fn schema(text: &str) -> Result<String, String> {
    let mut characters = text.chars();
    let starts_well = characters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == '_');
    let continues_well =
        characters.all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '_');
    if !starts_well || !continues_well || text.len() > 63 {
        return Err(
            "must be 1 to 63 characters of a-z, 0-9 and _, and must not start with a digit"
                .to_owned(),
        );
    }
    if text.starts_with("pg_") || text == "information_schema" {
        return Err("is a name that PostgreSQL reserves".to_owned());
    }
    Ok(text.to_owned())
}
