//! The settings of the database.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;
use user_domain::directory::MetadataKey;

use super::Read;
use super::database_uri;
use super::reader::{Reader, Reported, comma_list};

/// The default database file.
const DEFAULT_FILE: &str = "./data/users.db";

/// The database. `Display` shows it without user name and password.
#[derive(Clone, Debug)]
pub enum DatabaseTarget {
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://…`, with only those parameters that sqlx supports.
        url: SecretString,
        /// The URLs of further servers, one of which may take over from the first.
        further_urls: Vec<SecretString>,
        /// Whether a standby may be used if there are several servers.
        accepts_standby: bool,
    },
    /// A SQLite file on this machine.
    Sqlite {
        /// The path, without percent-encoding.
        path: PathBuf,
    },
}

impl fmt::Display for DatabaseTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(formatter, "SQLite in {}", path.display()),
            Self::Postgres {
                url, further_urls, ..
            } => {
                let urls = std::iter::once(url).chain(further_urls);
                let urls: Vec<Url> = urls
                    .filter_map(|url| Url::parse(url.expose_secret()).ok())
                    .collect();
                let servers: Vec<String> = urls.iter().map(server).collect();
                let name = urls.first().map(database_name).unwrap_or_default();
                write!(formatter, "PostgreSQL at {}/{name}", servers.join(", "))
            }
        }
    }
}

/// Returns host and port. A parameter replaces the same part of the URL, as in the driver.
fn server(url: &Url) -> String {
    let host = parameter(url, "host").or_else(|| url.host_str().map(str::to_owned));
    let port = parameter(url, "port").unwrap_or_else(|| {
        url.port()
            .map_or("5432".to_owned(), |port| port.to_string())
    });
    match host {
        Some(address) if address.parse::<Ipv6Addr>().is_ok() => format!("[{address}]:{port}"),
        Some(host) if !host.is_empty() && !host.starts_with('/') => format!("{host}:{port}"),
        _ => "a local socket, ".to_owned(),
    }
}

fn database_name(url: &Url) -> String {
    parameter(url, "dbname").unwrap_or_else(|| url.path().trim_start_matches('/').to_owned())
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs()
        .filter(|(known, _)| known == name)
        .last()
        .map(|(_, value)| value.into_owned())
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
        let max_connections = reader.number("DATABASE_MAX_CONNECTIONS", 2..=500);
        let indexed_metadata = reader.optional("INDEXED_METADATA", metadata_keys);
        let migrate_on_start = reader.switch("MIGRATE_ON_START");
        let retention = reader.switch("RETENTION");

        let (target, schema) = (target?, schema?);
        if schema.is_some() && matches!(target, DatabaseTarget::Sqlite { .. }) {
            reader.warn("DATABASE_SCHEMA", "has no effect: SQLite has no schemas");
        }
        Ok(Self {
            target,
            defaulted,
            schema,
            max_connections: max_connections?,
            indexed_metadata: indexed_metadata?,
            migrate_on_start: migrate_on_start?,
            retention: retention?,
        })
    }
}

fn read_target(reader: &mut Reader) -> Result<DatabaseTarget, Reported> {
    if let Some(parsed) = reader.optional("DATABASE_URI", database_uri::parse)? {
        for ignored in &parsed.ignored_parameters {
            let warning = format!("its parameter `{ignored}` has no effect");
            reader.warn("DATABASE_URI", &warning);
        }
        for part in &parsed.replaced_parts {
            let warning = format!("its parameter `{part}` replaces the same part before the `?`");
            reader.warn("DATABASE_URI", &warning);
        }
        return Ok(parsed.target);
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
