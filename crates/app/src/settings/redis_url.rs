//! Parses `REDIS_URL`, in the forms that other clients of Redis accept.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use url::{Host, Url};
use user_adapters::cache::{RedisAddress, RedisCredentials, RedisServer};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
const SCHEMES: &str =
    "must start with redis://, rediss://, redis-sentinel://, rediss-sentinel:// or unix://";
const CLUSTER: &str =
    "names a Redis Cluster, which is not supported: name a single server, or use redis-sentinel://";
const SEVERAL: &str =
    "names several servers, but one Redis caches users: name one, or use redis-sentinel://";

/// A parsed `REDIS_URL`.
pub(super) struct RedisUrl {
    pub(super) server: RedisServer,
    pub(super) credentials: RedisCredentials,
    pub(super) database: u8,
    pub(super) has_tls: bool,
    /// What has no effect.
    pub(super) warnings: Vec<String>,
}

/// The parts of the URL, not yet decoded.
struct Parts<'a> {
    credentials: &'a str,
    hosts: &'a str,
    path: &'a str,
    parameters: Parameters,
}

/// Parses a `REDIS_URL`. Errors and warnings contain nothing of it except names of parameters.
pub(super) fn parse(text: &str) -> Result<RedisUrl, String> {
    let (scheme, rest) = text.split_once("://").ok_or(SCHEMES)?;
    let scheme = scheme.to_ascii_lowercase();
    let mut warnings = Vec::new();
    let mut parts = split(rest, &mut warnings)?;
    let (server, path_database) = match scheme.as_str() {
        "redis" | "rediss" => {
            let [address] = &*addresses(parts.hosts, REDIS_PORT)? else {
                return Err(SEVERAL.to_owned());
            };
            (RedisServer::Address(address.clone()), parts.path)
        }
        "redis-sentinel" | "rediss-sentinel" => (sentinel(&mut parts)?, parts.path),
        "unix" | "redis+unix" => (socket(&parts)?, ""),
        "redis-cluster" | "rediss-cluster" => return Err(CLUSTER.to_owned()),
        _ => return Err(SCHEMES.to_owned()),
    };
    let named = parts.parameters.take("db");
    let database = named.as_deref().unwrap_or(path_database);
    let database = match database.trim_start_matches('/') {
        "" => 0,
        number => number
            .parse()
            .map_err(|_| "must name the database by its number, such as /0".to_owned())?,
    };
    let credentials = credentials(parts.credentials, &mut warnings)?;
    for name in parts.parameters.names() {
        warnings.push(format!("its parameter `{name}` has no effect"));
    }
    Ok(RedisUrl {
        server,
        credentials,
        database,
        has_tls: scheme.starts_with("rediss"),
        warnings,
    })
}

fn split<'a>(rest: &'a str, warnings: &mut Vec<String>) -> Result<Parts<'a>, String> {
    let (rest, fragment) = rest
        .split_once('#')
        .map_or((rest, None), |(rest, after)| (rest, Some(after)));
    if fragment.is_some() {
        warnings.push("the part after its `#` has no effect; in a password, write %23".to_owned());
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    // If a password has an unescaped `?`, the query contains the rest of the password, an `@` and the host.
    let parameters = if query.contains('@') {
        warnings.push("the part after its `?` has no effect; in a password, write %3F".to_owned());
        Parameters::default()
    } else {
        Parameters::parse(query)?
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    if path.contains("://") {
        return Err(SEVERAL.to_owned());
    }
    Ok(Parts {
        credentials,
        hosts,
        path,
        parameters,
    })
}

fn addresses(hosts: &str, default_port: u16) -> Result<Vec<RedisAddress>, String> {
    let address = |host: &str| {
        let url = Url::parse(&format!("redis://{host}"))
            .map_err(|_| "has a malformed host or port".to_owned())?;
        let host = match url.host() {
            None | Some(Host::Domain("")) => return Err("has no host".to_owned()),
            Some(Host::Domain(name)) => decoded(name)?,
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
        };
        let port = url.port().unwrap_or(default_port);
        Ok(RedisAddress { host, port })
    };
    hosts.split(',').map(address).collect()
}

fn sentinel(parts: &mut Parts<'_>) -> Result<RedisServer, String> {
    let service = parts.parameters.take("sentinelServiceName");
    let user = parts.parameters.take("sentinelUsername");
    let password = parts.parameters.take("sentinelPassword");
    Ok(RedisServer::Sentinel {
        sentinels: addresses(parts.hosts, SENTINEL_PORT)?,
        service: service.filter(|name| !name.is_empty()).ok_or(
            "needs the parameter `sentinelServiceName`, the name of the service at Sentinel",
        )?,
        credentials: RedisCredentials {
            user,
            password: password.map(SecretString::from),
        },
    })
}

fn socket(parts: &Parts<'_>) -> Result<RedisServer, String> {
    if !parts.hosts.is_empty() || parts.path.len() < 2 {
        return Err("needs three slashes and the absolute path of a socket".to_owned());
    }
    Ok(RedisServer::Socket(PathBuf::from(decoded(parts.path)?)))
}

fn credentials(text: &str, warnings: &mut Vec<String>) -> Result<RedisCredentials, String> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    if !user.is_empty() && password.is_empty() {
        let warning = "has a user name without a password; write a password without a user name as \
                       redis://:password@host";
        warnings.push(warning.to_owned());
    }
    let given = |text: &str| (!text.is_empty()).then(|| decoded(text)).transpose();
    Ok(RedisCredentials {
        user: given(user)?,
        password: given(password)?.map(SecretString::from),
    })
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(String::from)
        .map_err(|_| "has an escape that is not UTF-8".to_owned())
}

/// The parameters of a URL. Unlike in a form, `+` is an ordinary character.
#[derive(Default)]
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(query: &str) -> Result<Self, String> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name)?, decoded(value)?))
        });
        pairs.collect::<Result<_, String>>().map(Self)
    }

    /// Removes a parameter and returns its last value.
    fn take(&mut self, name: &str) -> Option<String> {
        let mut value = None;
        self.0.retain_mut(|(known, given)| {
            let is_meant = known == name;
            if is_meant {
                value = Some(std::mem::take(given));
            }
            !is_meant
        });
        value
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}
