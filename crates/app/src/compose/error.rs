//! Why the service cannot start.

use std::io::ErrorKind;
use std::net::SocketAddr;

use user_adapters::cache::RedisError;
use user_adapters::passwords::HashingPoolError;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The folder of the SQLite file cannot be created.
    #[error("cannot create the folder {0}: {1}")]
    Folder(String, std::io::Error),
    /// The database cannot be opened.
    #[error("cannot open the database: {0}")]
    Database(String),
    /// A migration failed.
    #[error(transparent)]
    Migrate(#[from] user_migrations::MigrateError),
    /// The metrics recorder cannot be created.
    #[error("cannot record metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The Redis cannot be used, now or later.
    #[error("REDIS_URL cannot be used: {0}")]
    Redis(RedisError),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hashing(#[from] HashingPoolError),
    /// The service cannot listen on the address.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, String),
}

impl ComposeError {
    /// Creates the error for an address that cannot be listened on, with what to do about it. `variable` is the setting
    /// of its port.
    pub(crate) fn listen(
        variable: &'static str,
        address: SocketAddr,
        error: &std::io::Error,
    ) -> Self {
        let port = address.port();
        let reason = match error.kind() {
            ErrorKind::AddrInUse => {
                let other = port.checked_add(1).unwrap_or(port - 1);
                format!(
                    "another program uses this port; choose another one, for example {variable}={other}"
                )
            }
            ErrorKind::PermissionDenied => {
                format!(
                    "this user is not permitted to use this port; choose one above 1023, for example {variable}=5000"
                )
            }
            ErrorKind::AddrNotAvailable => {
                "this machine does not have the address in HOST".to_owned()
            }
            _ => error.to_string(),
        };
        Self::Listen(address, reason)
    }

    /// Whether a retry may succeed once the database is available again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Migrate(user_migrations::MigrateError::Database(error)) => {
                user_adapters::sea_orm::is_transient(error)
            }
            Self::Migrate(user_migrations::MigrateError::ForeignTable)
            | Self::Folder(..)
            | Self::Database(_)
            | Self::Metrics(_)
            | Self::Hashing(_)
            | Self::Redis(_)
            | Self::Listen(..) => false,
        }
    }
}
