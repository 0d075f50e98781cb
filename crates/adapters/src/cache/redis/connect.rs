//! Opens a session: connects, subscribes and joins the epoch.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ServerConfig, TlsConnector,
};
use fred::types::{ConnectHandle, InfoKind, Message, RespVersion};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};
use user_domain::ports::LogPosition;

use super::keys::RedisKeys;
use super::value::origin;
use super::{COMMAND_TIMEOUT, RedisOptions, RedisSession, random, scripts};
use crate::sea_orm::change_log;

/// The time limit of a connection attempt, and of joining the epoch after it.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval at which a connection attempt is checked for completion.
const CONNECT_POLL_INTERVAL: Duration = Duration::from_millis(2);
const NO_MESSAGES: RedisError = RedisError::Unusable("the server delivers no messages");
/// The maximum number of messages that wait to be applied. More end the session.
const MAX_PENDING_MESSAGES: usize = 8192;
/// The maximum number of commands that wait to be sent.
const MAX_QUEUED_COMMANDS: usize = 16_384;
/// The number of characters that the name of a server takes from its run id, and from its replication id.
const MAX_SERVER_NAME_CHARS: usize = 16;

/// Why Redis could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// The client failed, or Redis returned an error.
    #[error("{0}")]
    Redis(#[from] Error),
    /// The connection could not be established.
    #[error("{0}")]
    ConnectionFailed(String),
    /// Redis did not reply in time.
    #[error("timed out")]
    Timeout(#[from] Elapsed),
    /// The certificate file cannot be used.
    #[error("the certificates in {0} cannot be used: {1}")]
    Certificates(String, String),
    /// The server accepts no writes, is another server, or cannot be used for another reason.
    #[error("{0}")]
    Unusable(&'static str),
}

/// A new session, with its messages and its connection.
pub(super) struct OpenedSession {
    pub(super) session: Arc<RedisSession>,
    pub(super) messages: Receiver<Message>,
    pub(super) connection: Connection,
}

/// The task that reads and writes a connection. Dropping this value ends the task and closes the connection.
pub(super) struct Connection(ConnectHandle);

impl Connection {
    /// Connects. Cancelling this future leaves no connection behind.
    pub(super) async fn make(client: &Client) -> Result<Self, RedisError> {
        let mut connection = Self(client.connect());
        while !client.is_connected() {
            tokio::select! {
                reason = connection.ended() => return Err(RedisError::ConnectionFailed(reason)),
                () = sleep(CONNECT_POLL_INTERVAL) => {}
            }
        }
        Ok(connection)
    }

    /// Waits until the server or an error ends the connection.
    pub(super) async fn ended(&mut self) -> String {
        match (&mut self.0).await {
            Ok(Ok(())) => "closed by the server".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects, subscribes to the invalidation messages and joins the epoch. A new epoch starts at `position`.
/// With `any_server`, the epoch of another server is joined as well.
pub(super) async fn connect(
    options: &RedisOptions,
    keys: &RedisKeys,
    position: &LogPosition,
    any_server: bool,
) -> Result<OpenedSession, RedisError> {
    let client = client(options)?;
    let mut messages = client.message_rx();
    let connection = timeout(CONNECT_TIMEOUT, Connection::make(&client)).await??;
    let joined = join(&client, keys, position, any_server, &mut messages);
    let epoch = timeout(CONNECT_TIMEOUT, joined).await??;
    let history = change_log::history(position).to_owned();
    let session = Arc::new(RedisSession {
        client,
        keys: keys.clone(),
        origin: origin(&epoch, keys.prefix(), &history),
        epoch,
        history,
        corrected: AtomicBool::new(false),
        broken: Notify::new(),
    });
    Ok(OpenedSession {
        session,
        messages,
        connection,
    })
}

async fn join(
    client: &Client,
    keys: &RedisKeys,
    position: &LogPosition,
    any_server: bool,
    messages: &mut Receiver<Message>,
) -> Result<String, RedisError> {
    client.subscribe(keys.changes()).await?;
    let server = server(client).await?;
    let epoch_prefix = if any_server {
        String::new()
    } else {
        format!("{server}/")
    };
    let names = vec![keys.epoch(), keys.position()];
    let arguments = vec![
        epoch_prefix,
        format!("{server}/{}", random()),
        position.as_str().to_owned(),
    ];
    let joined = scripts::JOIN.evalsha_with_reload(client, names, arguments);
    let epoch = joined.await?;
    // The client does not report whether the subscription succeeded. A message published here comes back if it did.
    let marker = format!("joined {}", random());
    client
        .publish::<(), _, _>(keys.changes(), marker.as_str())
        .await?;
    while messages
        .recv()
        .await
        .map_err(|_| NO_MESSAGES)?
        .value
        .as_str()
        .as_deref()
        != Some(&marker)
    {}
    Ok(epoch)
}

/// Returns a name for the server and the history of its data. A copy, a restart and a failover change the name.
pub(super) async fn server(client: &Client) -> Result<String, RedisError> {
    let (server, replication): (String, String) = futures_util::try_join!(
        client.info(Some(InfoKind::Server)),
        client.info(Some(InfoKind::Replication))
    )?;
    let field = |text: &str, name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.trim().to_owned())
    };
    if field(&replication, "role").as_deref() != Some("master") {
        return Err(RedisError::Unusable(
            "the server is a replica, which accepts no writes",
        ));
    }
    let (Some(run), Some(data)) = (
        field(&server, "run_id"),
        field(&replication, "master_replid"),
    ) else {
        return Err(RedisError::Unusable("the server reports no run_id"));
    };
    let short = |name: &str| name.chars().take(MAX_SERVER_NAME_CHARS).collect::<String>();
    Ok(format!("{}-{}", short(&run), short(&data)))
}

/// Returns host and port of the server for the log, without user name and password.
pub(super) fn address(options: &RedisOptions) -> String {
    match Config::from_url(options.url.expose_secret()).map(|config| config.server) {
        Ok(ServerConfig::Centralized { server }) => format!("{}:{}", server.host, server.port),
        Ok(_) | Err(_) => "invalid address".to_owned(),
    }
}

/// Creates a client for one connection. It never reconnects by itself, and never sends a command twice.
pub(super) fn client(options: &RedisOptions) -> Result<Client, RedisError> {
    let mut config = Config::from_url(options.url.expose_secret())?;
    config.version = RespVersion::RESP3;
    config.fail_fast = true;
    if let (Some(tls), Some(file)) = (config.tls.as_mut(), &options.ca_file) {
        tls.connector = tls_connector(file)?;
    }
    let performance = PerformanceConfig {
        default_command_timeout: COMMAND_TIMEOUT,
        broadcast_channel_capacity: MAX_PENDING_MESSAGES,
        ..PerformanceConfig::default()
    };
    let connection = ConnectionConfig {
        connection_timeout: CONNECT_TIMEOUT,
        internal_command_timeout: CONNECT_TIMEOUT,
        max_command_attempts: 1,
        max_command_buffer_len: MAX_QUEUED_COMMANDS,
        ..ConnectionConfig::default()
    };
    Ok(Client::new(
        config,
        Some(performance),
        Some(connection),
        None,
    ))
}

/// Returns a TLS connector that trusts only the certificate authorities in a file.
fn tls_connector(file: &Path) -> Result<TlsConnector, RedisError> {
    let unusable = |reason: String| RedisError::Certificates(file.display().to_string(), reason);
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("the file contains none".to_owned()));
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config.into())
}
