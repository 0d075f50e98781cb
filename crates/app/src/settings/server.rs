//! Where and how requests are taken.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use url::Url;

use super::Read;
use super::reader::{Reader, comma_list, number};

/// Where and how requests are taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerSettings {
    /// The address to listen on (`HOST`).
    pub host: IpAddr,
    /// The port to listen on (`PORT`); 0 takes any free one.
    pub port: u16,
    /// The port of health, metrics and the log's level (`MANAGEMENT_PORT`); without one, health and metrics are served
    /// with the users, and the level cannot be changed over the network. 0 takes any free one.
    pub management_port: Option<u16>,
    /// The path a gateway puts before ours (`PUBLIC_BASE_PATH`): empty, or `/prefix` without a slash at its end.
    pub base_path: String,
    /// The origins whose pages may call (`CORS_ALLOWED_ORIGINS`), as browsers write them, or the single `*`.
    pub cors_allowed_origins: Vec<String>,
    /// The threads that take requests (`HTTP_WORKERS`); `None` is one a core.
    pub workers: Option<usize>,
    /// How long requests are still taken after SIGTERM, while the service says that it is not ready
    /// (`SHUTDOWN_DELAY_SECONDS`).
    pub shutdown_delay: Duration,
    /// How long accepted requests may take to end after that (`SHUTDOWN_GRACE_SECONDS`).
    pub shutdown_grace: Duration,
}

impl ServerSettings {
    pub(super) fn read(reader: &mut Reader) -> Read<Self> {
        let host = reader.required("HOST", host);
        let port = reader.number("PORT", 0..=u16::MAX);
        let management_port =
            reader.optional("MANAGEMENT_PORT", |text| number(text, &(0..=u16::MAX)));
        let base_path = reader.optional("PUBLIC_BASE_PATH", base_path);
        let cors_allowed_origins = reader.optional("CORS_ALLOWED_ORIGINS", origins);
        let workers = reader.optional("HTTP_WORKERS", |text| number(text, &(1..=1024)));
        let shutdown_delay = reader.number("SHUTDOWN_DELAY_SECONDS", 0..=60);
        let shutdown_grace = reader.number("SHUTDOWN_GRACE_SECONDS", 0..=600);
        let (port, management_port) = (port?, management_port?);
        if port != 0 && management_port == Some(port) {
            return Err(reader.fault("MANAGEMENT_PORT", "must be another port than PORT"));
        }
        Ok(Self {
            host: host?,
            port,
            management_port,
            base_path: base_path?.unwrap_or_default(),
            cors_allowed_origins: cors_allowed_origins?.unwrap_or_default(),
            workers: workers?,
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

fn origins(text: &str) -> Result<Vec<String>, String> {
    let entries = comma_list(text);
    if entries == ["*"] {
        return Ok(vec!["*".to_owned()]);
    }
    let mut origins = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if *entry == "*" {
            return Err("has * beside other origins: * stands alone".to_owned());
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

/// An origin in the form of a browser's `Origin` header: lower case, without a scheme's usual port.
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
