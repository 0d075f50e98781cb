//! The options of the Redis tier.

use std::fmt::{self, Display};
use std::path::PathBuf;
use std::time::Duration;

use fred::types::config::{Server, ServerConfig};
use secrecy::SecretString;

/// The options of the Redis tier.
#[derive(Clone)]
pub struct RedisOptions {
    /// How to connect.
    pub connection: RedisConnection,
    /// The time that a read waits for Redis, and a write for the publication of its invalidation.
    pub timeout: Duration,
    /// The key that signs the values, which are not encrypted. The same on every replica.
    pub sealing_key: [u8; 32],
}

/// How to connect to Redis.
#[derive(Clone, Debug)]
pub struct RedisConnection {
    /// How the server is found.
    pub server: RedisServer,
    /// The credentials at the server.
    pub credentials: RedisCredentials,
    /// The number of the database.
    pub database: u8,
    /// The settings of TLS; `None` for a connection without TLS.
    pub tls: Option<RedisTls>,
}

/// How the server is found.
#[derive(Clone, Debug)]
pub enum RedisServer {
    /// By its address.
    Address(RedisAddress),
    /// By a socket in the file system.
    Socket(PathBuf),
    /// By asking Sentinel for the primary server of a service.
    Sentinel {
        /// The addresses of the Sentinels.
        sentinels: Vec<RedisAddress>,
        /// The name of the service.
        service: String,
        /// The credentials at the Sentinels.
        credentials: RedisCredentials,
    },
}

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisAddress {
    /// A host name or an IP address, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The credentials of a user of Redis.
#[derive(Clone, Debug, Default)]
pub struct RedisCredentials {
    /// The user; `None` for the default one.
    pub user: Option<String>,
    /// The password; `None` for a server without one.
    pub password: Option<SecretString>,
}

/// The settings of TLS.
#[derive(Clone, Debug, Default)]
pub struct RedisTls {
    /// The PEM file of the certificate authorities to trust instead of those of the machine.
    pub ca_file: Option<PathBuf>,
    /// The PEM files of the certificate of this client, and of its key.
    pub client_files: Option<(PathBuf, PathBuf)>,
}

impl Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Socket(path) => path.display().fmt(f),
            Self::Sentinel {
                sentinels, service, ..
            } => {
                write!(f, "{service} (Sentinels:")?;
                for sentinel in sentinels {
                    write!(f, " {sentinel}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl From<&RedisAddress> for ServerConfig {
    fn from(address: &RedisAddress) -> Self {
        let server = Server::new(address.host.as_str(), address.port);
        Self::Centralized { server }
    }
}
