//! The settings of the HTTP server.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use url::Url;
use user_http::RateLimit;

use super::Read;
use super::reader::{Reader, comma_list, number};

/// The settings of the HTTP server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerSettings {
    /// The address to listen on (`HOST`).
    pub host: IpAddr,
    /// The port to listen on (`PORT`); 0 selects any free port.
    pub port: u16,
    /// The port for health, metrics and the log level (`MANAGEMENT_PORT`); 0 selects any free port. `None`: health and
    /// metrics are served at `PORT`, and the log level cannot be changed over the network.
    pub management_port: Option<u16>,
    /// The path prefix that a gateway puts before the paths of this service (`PUBLIC_BASE_PATH`): empty, or `/prefix`
    /// without a trailing slash.
    pub base_path: String,
    /// The origins of web pages that may call the API (`CORS_ALLOWED_ORIGINS`), as browsers write them, or only `*`.
    pub cors_allowed_origins: Vec<String>,
    /// Further header fields that these pages may send (`CORS_ALLOWED_HEADERS`), in lower case.
    pub cors_allowed_headers: Vec<String>,
    /// The number of threads that handle requests (`HTTP_WORKERS`). `None`: one per core.
    pub workers: Option<usize>,
    /// The maximum number of connections from one IPv4 address or IPv6 /64 network (`MAX_CONNECTIONS_PER_ADDRESS`).
    /// `None`: no limit.
    pub max_connections_per_address: Option<usize>,
    /// The rate of the requests of each user in this process (`RATE_LIMIT_USER`). `None`: no limit.
    pub user_rate_limit: Option<RateLimit>,
    /// The rate of the requests of each service in this process (`RATE_LIMIT_SERVICE`). `None`: no limit.
    pub service_rate_limit: Option<RateLimit>,
    /// How long the service still accepts requests after SIGTERM, while it reports that it is not ready
    /// (`SHUTDOWN_DELAY_SECONDS`).
    pub shutdown_delay: Duration,
    /// How long accepted requests may take to finish after that (`SHUTDOWN_GRACE_SECONDS`).
    pub shutdown_grace: Duration,
}

impl ServerSettings {
    /// Returns the address at which programs on this machine reach the service.
    pub(crate) fn local_host(&self) -> IpAddr {
        if self.host.is_unspecified() {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else {
            self.host
        }
    }

    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let host = reader.required("HOST", host);
        let port = reader.number("PORT", 0..=u16::MAX);
        let management_port =
            reader.optional("MANAGEMENT_PORT", |text| number(text, &(0..=u16::MAX)));
        let base_path = reader.optional("PUBLIC_BASE_PATH", base_path);
        let cors_allowed_origins = reader.optional("CORS_ALLOWED_ORIGINS", origins);
        let cors_allowed_headers = reader.optional("CORS_ALLOWED_HEADERS", header_names);
        let workers = reader.optional("HTTP_WORKERS", |text| number(text, &(1..=1024)));
        let max_connections_per_address = reader.optional("MAX_CONNECTIONS_PER_ADDRESS", |text| {
            number(text, &(1..=10_000))
        });
        let user_rate_limit = reader.optional("RATE_LIMIT_USER", rate_limit);
        let service_rate_limit = reader.optional("RATE_LIMIT_SERVICE", rate_limit);
        let shutdown_delay = reader.number("SHUTDOWN_DELAY_SECONDS", 0..=60);
        let shutdown_grace = reader.number("SHUTDOWN_GRACE_SECONDS", 0..=600);
        let (port, management_port) = (port?, management_port?);
        let cors_allowed_origins = cors_allowed_origins?.unwrap_or_default();
        let cors_allowed_headers = cors_allowed_headers?.unwrap_or_default();
        if cors_allowed_origins.is_empty() && !cors_allowed_headers.is_empty() {
            reader.warn(
                "CORS_ALLOWED_HEADERS",
                "has no effect without CORS_ALLOWED_ORIGINS",
            );
        }
        if port != 0 && management_port == Some(port) {
            return Err(reader.report("MANAGEMENT_PORT", "must differ from PORT"));
        }
        Ok(Self {
            host: host?,
            port,
            management_port,
            base_path: base_path?.unwrap_or_default(),
            cors_allowed_origins,
            cors_allowed_headers,
            workers: workers?,
            max_connections_per_address: max_connections_per_address?,
            user_rate_limit: user_rate_limit?,
            service_rate_limit: service_rate_limit?,
            shutdown_delay: Duration::from_secs(shutdown_delay?),
            shutdown_grace: Duration::from_secs(shutdown_grace?),
        })
    }
}

fn host(text: &str) -> Result<IpAddr, String> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let address = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    address
        .parse()
        .map_err(|_| "must be an IP address, such as 0.0.0.0 or 127.0.0.1".to_owned())
}

fn base_path(text: &str) -> Result<String, String> {
    let path = text.trim_matches('/');
    if path.is_empty() {
        return Ok(String::new());
    }
    let is_segment = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment
                .chars()
                .all(|character| character.is_ascii_alphanumeric() || "-._~".contains(character))
    };
    if !path.split('/').all(is_segment) {
        return Err(
            "must be a path such as /users: segments of letters, digits and - . _ ~".to_owned(),
        );
    }
    Ok(format!("/{path}"))
}

/// Parses `requests per second,burst`.
fn rate_limit(text: &str) -> Result<RateLimit, String> {
    let is_in_range = |number: &NonZeroU32| number.get() <= MAX_RATE;
    let number = |text: &str| text.trim().parse::<NonZeroU32>().ok().filter(is_in_range);
    text.split_once(',')
        .and_then(|(per_second, burst)| {
            Some(RateLimit {
                per_second: number(per_second)?,
                burst: number(burst)?,
            })
        })
        .ok_or_else(|| {
            format!(
                "must be the requests per second and the burst, such as 20,40: two whole numbers from 1 to {MAX_RATE}"
            )
        })
}

/// The largest number of a rate limit.
const MAX_RATE: u32 = 1_000_000;

fn origins(text: &str) -> Result<Vec<String>, String> {
    let entries = comma_list(text);
    if entries == ["*"] {
        return Ok(vec!["*".to_owned()]);
    }
    let mut origins = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if *entry == "*" {
            return Err("has * and other origins: * must be alone".to_owned());
        }
        let origin = origin(entry).ok_or_else(|| {
            format!(
                "entry {} is not an origin: scheme://host or scheme://host:port",
                index + 1
            )
        })?;
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    Ok(origins)
}

/// Parses names of header fields (RFC 9110, section 5.6.2).
fn header_names(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for (index, entry) in comma_list(text).into_iter().enumerate() {
        let entry_number = index + 1;
        if entry == "*" {
            return Err(format!(
                "entry {entry_number} is *: list each header field by its name"
            ));
        }
        let name = HeaderName::from_bytes(entry.as_bytes()).map_err(|_| {
            format!(
                "entry {entry_number} is not the name of a header field, such as X-Client-Version"
            )
        })?;
        let name = name.as_str().to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Normalizes an origin as browsers write the `Origin` header: in lower case, without the default port of the scheme.
fn origin(text: &str) -> Option<String> {
    let (_, authority) = text.split_once("://")?;
    if authority.contains(['\\', '@', '?', '#']) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    if !matches!(url.path(), "" | "/") || host.contains('*') {
        return None;
    }
    let host = host.to_ascii_lowercase();
    Some(match url.port() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    })
}
