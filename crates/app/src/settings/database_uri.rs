//! Parses `DATABASE_URI` in the same way as SQLAlchemy, since older services of the platform share the variable.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};

/// The database. `Display` shows it without user name and password.
#[derive(Clone, Debug)]
pub enum DatabaseTarget {
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://…`, with only those parameters that sqlx supports.
        url: SecretString,
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
            Self::Postgres { url } => match Url::parse(url.expose_secret()) {
                Ok(url) => write_server(&url, formatter),
                Err(_) => formatter.write_str("PostgreSQL"),
            },
        }
    }
}

/// Writes the server and the database. A parameter replaces the same part of the URL, as in the driver.
fn write_server(url: &Url, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    let parameter = |names: &[&str]| {
        url.query_pairs()
            .filter(|(name, _)| names.contains(&&**name))
            .last()
            .map(|(_, value)| value.into_owned())
    };
    let host = parameter(&["host", "hostaddr"])
        .or_else(|| url.host_str().map(str::to_owned))
        .filter(|host| !host.is_empty() && !host.starts_with('/'));
    let port = parameter(&["port"]).unwrap_or_else(|| {
        url.port()
            .map_or("5432".to_owned(), |port| port.to_string())
    });
    let name =
        parameter(&["dbname"]).unwrap_or_else(|| url.path().trim_start_matches('/').to_owned());
    match host {
        Some(host) => write!(formatter, "PostgreSQL at {host}:{port}/{name}"),
        None => write!(formatter, "PostgreSQL at a local socket, /{name}"),
    }
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
    let mut url = Url::parse(&format!("postgres://{location}"))
        .map_err(|_| "is not a valid URL: host, port or database is malformed".to_owned())?;

    let (parameters, ignored_parameters) = parameters(&url)?;
    let replaced_parts = replaced_parts(&url, credentials, &parameters);
    url.set_query(None);
    for (name, value) in parameters {
        url.query_pairs_mut().append_pair(&name, &value);
    }
    if let Some(credentials) = credentials {
        set_credentials(&mut url, credentials)?;
    }
    Ok(DatabaseUri {
        target: DatabaseTarget::Postgres {
            url: SecretString::from(String::from(url)),
        },
        ignored_parameters,
        replaced_parts,
    })
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
    let is_host_and_port = authority.starts_with('[')
        || authority
            .split_once(':')
            .is_none_or(|(_, port)| looks_like_port(port));
    if is_host_and_port || !beyond.contains('@') {
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

type Parameters = Vec<(String, String)>;

/// Returns the parameters that sqlx supports, under its names, and the names of all others.
///
/// sqlx logs the value of an unknown parameter, so none is passed on. An unsupported TLS parameter is an error: without
/// it, the connection would be less secure than requested.
fn parameters(url: &Url) -> Result<(Parameters, Vec<String>), String> {
    let mut known = Parameters::new();
    let mut ignored = Vec::new();
    for (name, value) in url.query_pairs() {
        match &*name {
            "sslmode" | "ssl-mode" | "ssl" => {
                known.push(("sslmode".to_owned(), ssl_mode(&value)?));
            }
            "host" | "hostaddr" if value.contains(',') || has(&known, &name) => {
                return Err("names more than one host".to_owned());
            }
            "port" if value.parse::<u16>().is_err() => {
                return Err("has a parameter `port` that is not a port".to_owned());
            }
            "hostaddr" if value.parse::<std::net::IpAddr>().is_err() => {
                return Err("has a parameter `hostaddr` that is not an IP address".to_owned());
            }
            "host" | "hostaddr" | "port" | "dbname" | "user" | "password" | "application_name"
            | "options" | "sslrootcert" | "ssl-root-cert" | "ssl-ca" | "sslcert" | "ssl-cert"
            | "sslkey" | "ssl-key" => known.push((name.into_owned(), value.into_owned())),
            name if name.starts_with("ssl") => {
                return Err(format!("has a parameter `{name}`, which is not supported"));
            }
            name => ignored.push(name.to_owned()),
        }
    }
    Ok((known, ignored))
}

/// Returns the names of the parts of the URL that a parameter replaces.
fn replaced_parts(
    url: &Url,
    credentials: Option<&str>,
    parameters: &Parameters,
) -> Vec<&'static str> {
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    let has_password = credentials.is_some_and(|credentials| credentials.contains(':'));
    let given = [
        ("host", has_host),
        ("port", url.port().is_some()),
        ("dbname", !url.path().trim_matches('/').is_empty()),
        ("user", credentials.is_some()),
        ("password", has_password),
    ];
    given
        .into_iter()
        .filter(|(part, is_given)| *is_given && has(parameters, part))
        .map(|(part, _)| part)
        .collect()
}

fn has(parameters: &Parameters, name: &str) -> bool {
    parameters.iter().any(|(known, _)| known == name)
}

fn ssl_mode(value: &str) -> Result<String, String> {
    match value.to_ascii_lowercase().as_str() {
        mode @ ("disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full") => {
            Ok(mode.to_owned())
        }
        // The spelling of asyncpg.
        "true" => Ok("require".to_owned()),
        "false" => Ok("disable".to_owned()),
        _ => {
            Err("has an unknown sslmode: write disable, prefer, require or verify-full".to_owned())
        }
    }
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
