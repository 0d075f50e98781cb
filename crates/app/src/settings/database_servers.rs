//! The parameters of a PostgreSQL URL, and the servers that it names.

use url::{Host, Url};

/// The most servers of one database.
const MAX_SERVERS: usize = 16;

/// The parameters of a URL.
#[derive(Default)]
pub(super) struct Parameters {
    hosts: Vec<String>,
    addresses: Vec<String>,
    ports: Vec<String>,
    /// Whether a standby may be used (`target_session_attrs=any`).
    pub(super) accepts_standby: bool,
    /// All others that sqlx supports, under its names.
    pub(super) others: Vec<(String, String)>,
    /// The names of parameters that only other drivers support.
    pub(super) ignored: Vec<String>,
}

/// What distinguishes the URL of one server.
#[derive(Default)]
pub(super) struct Server {
    /// The URL that names it, unless a parameter does.
    pub(super) url: Option<Url>,
    /// The parameters that name it. An IPv6 address is one: sqlx does not find a host in brackets.
    pub(super) host: Option<String>,
    pub(super) port: Option<String>,
}

impl Parameters {
    /// Reads the parameters of a URL.
    ///
    /// sqlx logs the value of an unknown parameter, so none is passed on. An unsupported TLS parameter is an error:
    /// without it, the connection would be less secure than requested.
    pub(super) fn of(url: &Url) -> Result<Self, String> {
        let mut parameters = Self::default();
        for (name, value) in url.query_pairs() {
            let list = || value.split(',').map(str::to_owned);
            match &*name {
                "sslmode" | "ssl-mode" | "ssl" => {
                    let mode = ssl_mode(&value)?;
                    parameters.others.push(("sslmode".to_owned(), mode));
                }
                "host" => parameters.hosts.extend(list()),
                "hostaddr" => parameters.addresses.extend(list()),
                "port" => parameters.ports.extend(list()),
                "target_session_attrs" => parameters.accepts_standby = accepts_standby(&value)?,
                "dbname" | "user" | "password" | "application_name" | "options" | "sslrootcert"
                | "ssl-root-cert" | "ssl-ca" | "sslcert" | "ssl-cert" | "sslkey" | "ssl-key" => {
                    parameters
                        .others
                        .push((name.into_owned(), value.into_owned()));
                }
                name if name.starts_with("ssl") => {
                    return Err(format!("has a parameter `{name}`, which is not supported"));
                }
                name => parameters.ignored.push(name.to_owned()),
            }
        }
        if !parameters.ports.iter().all(|port| is_port(port)) {
            return Err("has a parameter `port` that is not a port".to_owned());
        }
        let is_address = |text: &String| text.parse::<std::net::IpAddr>().is_ok();
        if !parameters.addresses.iter().all(is_address) {
            return Err("has a parameter `hostaddr` that is not an IP address".to_owned());
        }
        Ok(parameters)
    }

    /// Returns the servers: those of the parameters, or else those of the URLs before the `?`.
    pub(super) fn servers(&self, urls: &[Url]) -> Result<Vec<Server>, String> {
        let named = if self.addresses.is_empty() {
            &self.hosts
        } else {
            &self.addresses
        };
        let mut servers = if named.is_empty() {
            urls.iter().map(of_url).collect()
        } else {
            let servers = named.iter().map(|host| of_parameter(host));
            servers.collect::<Result<Vec<_>, _>>()?
        };
        if servers.len() > MAX_SERVERS {
            return Err(format!("names more than {MAX_SERVERS} hosts"));
        }
        let is_unnamed = |server: &Server| match (&server.host, &server.url) {
            (Some(host), _) => host.is_empty(),
            (None, Some(url)) => url.host_str().is_none_or(str::is_empty),
            (None, None) => true,
        };
        if servers.len() > 1 && servers.iter().any(is_unnamed) {
            return Err("has an empty host in its list of hosts".to_owned());
        }
        if self.ports.len() > 1 && self.ports.len() != servers.len() {
            return Err("must name one port, or as many ports as hosts".to_owned());
        }
        for (index, server) in servers.iter_mut().enumerate() {
            let port = self.ports.get(index).or(self.ports.first());
            server.port = server.port.take().or_else(|| port.cloned());
        }
        Ok(servers)
    }

    /// Returns the names of the parts of the URL that a parameter replaces.
    pub(super) fn replaced_parts(&self, url: &Url, credentials: Option<&str>) -> Vec<&'static str> {
        let has = |name: &str| self.others.iter().any(|(other, _)| other == name);
        let has_host = url.host_str().is_some_and(|host| !host.is_empty());
        let has_password = credentials.is_some_and(|credentials| credentials.contains(':'));
        let has_name = !url.path().trim_matches('/').is_empty();
        [
            ("host", has_host && !self.hosts.is_empty()),
            ("port", url.port().is_some() && !self.ports.is_empty()),
            ("dbname", has_name && has("dbname")),
            ("user", credentials.is_some() && has("user")),
            ("password", has_password && has("password")),
        ]
        .into_iter()
        .filter_map(|(part, is_replaced)| is_replaced.then_some(part))
        .collect()
    }
}

fn of_url(url: &Url) -> Server {
    let host = match url.host() {
        Some(Host::Ipv6(address)) => Some(address.to_string()),
        _ => None,
    };
    Server {
        url: Some(url.clone()),
        host,
        port: None,
    }
}

/// Parses a host of a parameter, which may have a port as in SQLAlchemy.
fn of_parameter(text: &str) -> Result<Server, String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':')),
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') && !text.starts_with('/') => {
                (host, Some(port))
            }
            _ => (text, None),
        },
    };
    if port.is_some_and(|port| !is_port(port)) {
        return Err("has a parameter `host` with a malformed port".to_owned());
    }
    Ok(Server {
        url: None,
        host: Some(host.to_owned()),
        port: port.map(str::to_owned),
    })
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

/// Whether a standby may be used. The service writes, so it cannot prefer one.
fn accepts_standby(value: &str) -> Result<bool, String> {
    match value {
        "any" => Ok(true),
        "read-write" | "primary" => Ok(false),
        _ => Err(
            "has a target_session_attrs that is not supported: write read-write, primary or any"
                .to_owned(),
        ),
    }
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
