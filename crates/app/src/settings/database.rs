//! Where users are kept.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Read;
use super::database_uri;
use super::reader::{Reader, Reported};

/// Where users are kept when no variable says so.
const USUAL_FILE: &str = "./data/users.db";

/// The database that keeps the users; `Display` names it without user name or password.
#[derive(Clone, Debug)]
pub enum DatabaseTarget {
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://…`, with no parameter but those sqlx knows.
        url: SecretString,
    },
    /// A file of this machine.
    Sqlite {
        /// The file, literally: nothing in it is percent-encoded.
        path: PathBuf,
    },
}

impl fmt::Display for DatabaseTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(formatter, "SQLite in {}", path.display()),
            Self::Postgres { url } => {
                let url = Url::parse(url.expose_secret()).ok();
                let host = url.as_ref().and_then(Url::host_str);
                let name = url.as_ref().map_or("", |url| url.path());
                let port = url.as_ref().and_then(Url::port).unwrap_or(5432);
                match host.filter(|host| !host.is_empty()) {
                    Some(host) => write!(formatter, "PostgreSQL at {host}:{port}{name}"),
                    None => write!(formatter, "PostgreSQL at a local socket, {name}"),
                }
            }
        }
    }
}

/// Where users are kept.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// The database (`DATABASE_URI`).
    pub target: DatabaseTarget,
    /// Whether no variable named the database, so that it is SQLite in `./data`.
    pub defaulted: bool,
    /// The PostgreSQL schema of the tables (`DATABASE_SCHEMA`); `None` is the role's own.
    pub schema: Option<String>,
    /// The connections of this process (`DATABASE_MAX_CONNECTIONS`), 2 to 500: half for writes, half for reads.
    pub max_connections: u32,
    /// Whether `serve` applies pending migrations first (`MIGRATE_ON_START`).
    pub migrate_on_start: bool,
    /// Whether `serve` removes what is over its time (`RETENTION`).
    pub retention: bool,
}

impl DatabaseSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let defaulted = !reader.is_set("DATABASE_URI");
        let target = read_target(reader);
        let schema = reader.optional("DATABASE_SCHEMA", schema);
        let max_connections = reader.number("DATABASE_MAX_CONNECTIONS", 2..=500);
        let migrate_on_start = reader.switch("MIGRATE_ON_START");
        let retention = reader.switch("RETENTION");

        let (target, schema) = (target?, schema?);
        if schema.is_some() && matches!(target, DatabaseTarget::Sqlite { .. }) {
            reader.warn(
                "DATABASE_SCHEMA",
                "is without effect: SQLite has no schemas",
            );
        }
        Ok(Self {
            target,
            defaulted,
            schema,
            max_connections: max_connections?,
            migrate_on_start: migrate_on_start?,
            retention: retention?,
        })
    }
}

fn read_target(reader: &mut Reader) -> Result<DatabaseTarget, Reported> {
    if let Some(parsed) = reader.optional("DATABASE_URI", database_uri::parse)? {
        for ignored in &parsed.ignored_parameters {
            let warning = format!("its parameter `{ignored}` is without effect here");
            reader.warn("DATABASE_URI", &warning);
        }
        return Ok(parsed.target);
    }
    if reader.is_set("REDIS_URL") {
        let reason = "is required when REDIS_URL is set: replicas share one database";
        return Err(reader.fault("DATABASE_URI", reason));
    }
    let warning = format!("is not set: users are kept in SQLite in {USUAL_FILE}, for one process");
    reader.warn("DATABASE_URI", &warning);
    Ok(DatabaseTarget::Sqlite {
        path: PathBuf::from(USUAL_FILE),
    })
}

/// A schema's name, of the kind that needs no quotes.
fn schema(text: &str) -> Result<String, String> {
    let mut characters = text.chars();
    let begins_well = characters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase() || first == '_');
    let goes_on_well =
        characters.all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '_');
    if !begins_well || !goes_on_well || text.len() > 63 {
        return Err("must be 1 to 63 of a-z, 0-9 and _, and not begin with a digit".to_owned());
    }
    if text.starts_with("pg_") || text == "information_schema" {
        return Err("is a name that PostgreSQL keeps for itself".to_owned());
    }
    Ok(text.to_owned())
}
