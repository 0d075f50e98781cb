//! Parses `DATABASE_URI` in the same way as SQLAlchemy, since older services of the platform share the variable.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};

use super::database_servers::{Parameters, Server};

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

impl DatabaseTarget {
    /// Returns the URLs of all PostgreSQL servers.
    pub(crate) fn urls(&self) -> Vec<SecretString> {
        match self {
            Self::Postgres {
                url, further_urls, ..
            } => std::iter::once(url).chain(further_urls).cloned().collect(),
            Self::Sqlite { .. } => Vec::new(),
        }
    }

    /// Whether a connection sends `options` when it is opened.
    pub(super) fn has_startup_options(&self) -> bool {
        match self {
            Self::Postgres { url, .. } => Url::parse(url.expose_secret())
                .is_ok_and(|url| parameter(&url, "options").is_some()),
            Self::Sqlite { .. } => false,
        }
    }
}

impl fmt::Display for DatabaseTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(formatter, "SQLite in {}", path.display()),
            Self::Postgres { .. } => {
                let urls = self.urls();
                let urls: Vec<Url> = urls
                    .iter()
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

/// A parsed `DATABASE_URI`.
pub(super) struct DatabaseUri {
    pub(super) target: DatabaseTarget,
    /// The names of parameters that only other drivers support.
    pub(super) ignored_parameters: Vec<String>,
    /// The parts of the URL that a parameter replaces.
    pub(super) replaced_parts: Vec<&'static str>,
}

/// Parses a `DATABASE_URI`. Errors contain nothing of it except names of parameters.
pub(super) fn parse(text: &str) -> Result<DatabaseUri, String> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("must start with postgresql:// or sqlite:///")?;
    let scheme = scheme.to_ascii_lowercase();
    let (dialect, driver) = match scheme.split_once('+') {
        Some((dialect, driver)) => (dialect, Some(driver)),
        None => (scheme.as_str(), None),
    };
    match (dialect, driver) {
        ("postgres" | "postgresql", None | Some("psycopg2" | "psycopg" | "asyncpg" | "pg8000")) => {
            postgres(rest)
        }
        ("sqlite", None | Some("pysqlite" | "aiosqlite")) => sqlite(rest),
        ("postgres" | "postgresql", Some(_)) => {
            Err("names an unknown driver: write postgresql://".to_owned())
        }
        ("mysql" | "mariadb" | "oracle" | "mssql" | "cockroachdb", _) => {
            Err("names a database that is not supported: use PostgreSQL or SQLite".to_owned())
        }
        _ => Err("must start with postgresql:// or sqlite:///".to_owned()),
    }
}

fn postgres(rest: &str) -> Result<DatabaseUri, String> {
    let (credentials, location) = split_credentials(rest);
    if location.contains('#') {
        return Err("has a `#`, which must be written as %23".to_owned());
    }
    let end_of_authority = location.find(['/', '?']).unwrap_or(location.len());
    let (authority, beyond) = location.split_at(end_of_authority);
    let urls = authority
        .split(',')
        .map(|server| Url::parse(&format!("postgres://{server}{beyond}")))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "is not a valid URL: host, port or database is malformed".to_owned())?;
    let [first, ..] = urls.as_slice() else {
        return Err("names no host".to_owned());
    };

    let parameters = Parameters::of(first)?;
    let replaced_parts = parameters.replaced_parts(first, credentials);
    let mut servers = parameters
        .servers(&urls)?
        .into_iter()
        .map(|server| server_url(first, server, &parameters.others, credentials))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter();
    let url = servers.next().ok_or("names no host")?;
    Ok(DatabaseUri {
        target: DatabaseTarget::Postgres {
            url,
            further_urls: servers.collect(),
            accepts_standby: parameters.accepts_standby,
        },
        ignored_parameters: parameters.ignored,
        replaced_parts,
    })
}

/// Returns the URL of one server, with only those parameters that sqlx supports.
fn server_url(
    first: &Url,
    server: Server,
    parameters: &[(String, String)],
    credentials: Option<&str>,
) -> Result<SecretString, String> {
    let mut url = server.url.unwrap_or_else(|| first.clone());
    url.set_query(None);
    let place = [("host", server.host), ("port", server.port)];
    let place = place
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let others = parameters.iter().map(|(name, value)| (&**name, &**value));
    for (name, value) in others.chain(place) {
        url.query_pairs_mut().append_pair(name, value);
    }
    if let Some(credentials) = credentials {
        set_credentials(&mut url, credentials)?;
    }
    Ok(SecretString::from(String::from(url)))
}

/// Splits `user:password@` from what follows it.
///
/// SQLAlchemy permits unescaped `/`, `?` and `#` in a password, which the grammar of URLs does not.
fn split_credentials(rest: &str) -> (Option<&str>, &str) {
    let end_of_authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, beyond) = rest.split_at(end_of_authority);
    if let Some(at) = authority.rfind('@') {
        let (credentials, location) = rest.split_at(at);
        return (Some(credentials), location.trim_start_matches('@'));
    }
    let looks_like_port = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
    let is_server = |server: &str| {
        server.starts_with('[')
            || server
                .split_once(':')
                .is_none_or(|(_, port)| looks_like_port(port))
    };
    if authority.split(',').all(is_server) || !beyond.contains('@') {
        return (None, rest);
    }
    match rest.split_once('@') {
        Some((credentials, location)) => (Some(credentials), location),
        None => (None, rest),
    }
}

/// Adds the credentials where sqlx expects them, percent-encoded where necessary.
fn set_credentials(url: &mut Url, credentials: &str) -> Result<(), String> {
    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (credentials, None),
    };
    if url.host_str().is_none_or(str::is_empty) {
        // A URL without a host cannot contain credentials, but a local socket may require them.
        url.query_pairs_mut()
            .append_pair("user", &percent_decoded(user));
        if let Some(password) = password {
            url.query_pairs_mut()
                .append_pair("password", &percent_decoded(password));
        }
        return Ok(());
    }
    let set = url
        .set_username(user)
        .and_then(|()| url.set_password(password));
    set.map_err(|()| "has a malformed user name or password".to_owned())
}

fn percent_decoded(text: &str) -> String {
    // The decoder of forms gives `+`, `&` and `=` a special meaning. Otherwise it is a percent-decoder.
    let escaped = text
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    form_urlencoded::parse(escaped.as_bytes())
        .map(|(decoded, _)| decoded.into_owned())
        .collect()
}

/// Parses the part after `sqlite://`: a slash and the path. An absolute path starts with a second slash.
fn sqlite(rest: &str) -> Result<DatabaseUri, String> {
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match location.strip_prefix('/') {
        Some(path) => path,
        None if location.is_empty() => "",
        None => {
            return Err(
                "needs three slashes before a relative path and four before an absolute one"
                    .to_owned(),
            );
        }
    };
    if path.is_empty() || path == ":memory:" {
        return Err("names a database in memory, which would be lost: name a file".to_owned());
    }
    if path.starts_with("file:") || path.ends_with('/') {
        return Err("must name a file by its path".to_owned());
    }
    let mut ignored_parameters = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name == "mode" && matches!(&*value, "ro" | "memory") {
            return Err("has a mode in which nothing can be stored".to_owned());
        }
        ignored_parameters.push(name.into_owned());
    }
    Ok(DatabaseUri {
        target: DatabaseTarget::Sqlite {
            path: PathBuf::from(path),
        },
        ignored_parameters,
        replaced_parts: Vec::new(),
    })
}
