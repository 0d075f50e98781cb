//! Opens a session: connects, subscribes and joins the epoch.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{AuthInterface, ClientLike, EventInterface, PubsubInterface};
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, ServerConfig};
use fred::types::{ConnectHandle, Message, RespVersion};
use secrecy::ExposeSecret;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};
use user_domain::ports::LogPosition;

use super::identity::ServerIdentity;
use super::keys::RedisKeys;
use super::options::{
    RedisAddress, RedisConnection, RedisCredentials, RedisOptions, RedisServer, RedisTls,
};
use super::value::origin;
use super::{COMMAND_TIMEOUT, RedisSession, random, scripts, sentinel, tls};
use crate::sea_orm::change_log;

/// The time limit of a connection attempt, and of joining the epoch after it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval at which a connection attempt is checked for completion.
const CONNECT_POLL_INTERVAL: Duration = Duration::from_millis(2);
const NO_MESSAGES: RedisError = RedisError::Unusable("the server delivers no messages");
/// The maximum number of messages that wait to be applied. More end the session.
const MAX_PENDING_MESSAGES: usize = 8192;
/// The maximum number of commands that wait to be sent.
const MAX_QUEUED_COMMANDS: usize = 16_384;

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
    /// A file with certificates or a key cannot be used.
    #[error("{0} cannot be used: {1}")]
    Certificates(String, String),
    /// The server is part of a cluster.
    #[error(
        "the server is part of a Redis Cluster, which is not supported; use a single server or Sentinel"
    )]
    Cluster,
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
    /// Connects and logs in. Cancelling this future leaves no connection behind.
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
/// With `any_server`, the epoch of another server or of an earlier run is joined as well.
pub(super) async fn connect(
    options: &RedisOptions,
    keys: &RedisKeys,
    position: &LogPosition,
    any_server: bool,
) -> Result<OpenedSession, RedisError> {
    let (client, connection) = open(&options.connection).await?;
    let mut messages = client.message_rx();
    let joined = join(&client, keys, position, any_server, &mut messages);
    let (server, epoch) = timeout(CONNECT_TIMEOUT, joined).await??;
    let history = change_log::history(position).to_owned();
    let session = Arc::new(RedisSession {
        client,
        keys: keys.clone(),
        server,
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
) -> Result<(ServerIdentity, String), RedisError> {
    client.subscribe(keys.changes()).await?;
    let server = ServerIdentity::of(client).await?;
    // An epoch belongs to a run of a server. Without the name of the run, it is known by the sessions that share the
    // epoch: their subscriptions end with the run.
    let (run, prefix, presence) = match &server {
        ServerIdentity::Named(name) => (name.as_str(), format!("{name}/"), String::new()),
        ServerIdentity::Connection(_) => ("", String::new(), keys.presence("")),
    };
    let new_epoch = format!("{run}/{}", random());
    let (prefix, presence) = if any_server {
        (String::new(), String::new())
    } else {
        (prefix, presence)
    };
    let names = vec![keys.epoch(), keys.position()];
    let arguments = vec![prefix, new_epoch, position.as_str().to_owned(), presence];
    let joined = scripts::JOIN.evalsha_with_reload(client, names, arguments);
    let epoch: String = joined.await?;
    client.subscribe(keys.presence(&epoch)).await?;
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
    Ok((server, epoch))
}

/// Connects to the server, and returns the client with its connection.
pub(super) async fn open(to: &RedisConnection) -> Result<(Client, Connection), RedisError> {
    let tls = to.tls.as_ref();
    let server = match &to.server {
        RedisServer::Address(address) => address.into(),
        RedisServer::Socket(path) => ServerConfig::Unix { path: path.clone() },
        RedisServer::Sentinel {
            sentinels,
            service,
            credentials,
        } => {
            let client = |sentinel: &RedisAddress| client(sentinel.into(), credentials, 0, tls);
            (&sentinel::primary(sentinels, service, client).await?).into()
        }
    };
    let client = client(server, &to.credentials, to.database, tls)?;
    let connecting = async {
        let connection = Connection::make(&client).await?;
        client.hello(RespVersion::RESP3, None, None).await?;
        Ok::<_, RedisError>(connection)
    };
    let connection = timeout(CONNECT_TIMEOUT, connecting).await??;
    Ok((client, connection))
}

/// Returns an error if the server belongs to a Redis Cluster. A server that does not reply soon may be used.
///
/// # Errors
/// [`RedisError::Cluster`].
pub async fn refuse_cluster(options: &RedisOptions) -> Result<(), RedisError> {
    let identified = async {
        let (client, _connection) = open(&options.connection).await?;
        ServerIdentity::of(&client).await
    };
    match timeout(COMMAND_TIMEOUT, identified).await {
        Ok(Err(RedisError::Cluster)) => Err(RedisError::Cluster),
        Ok(Ok(_) | Err(_)) | Err(_) => Ok(()),
    }
}

/// Creates a client for one connection. It never reconnects by itself, and never sends a command twice.
fn client(
    server: ServerConfig,
    credentials: &RedisCredentials,
    database: u8,
    tls: Option<&RedisTls>,
) -> Result<Client, RedisError> {
    let password = credentials.password.as_ref();
    let config = Config {
        server,
        username: credentials.user.clone(),
        password: password.map(|password| password.expose_secret().to_owned()),
        database: (database > 0).then_some(database),
        // The client writes the credentials into a HELLO without quoting them, but into the AUTH of RESP2 safely.
        // `open` then changes to RESP3.
        version: RespVersion::RESP2,
        tls: tls.map(tls::connector).transpose()?.map(Into::into),
        fail_fast: true,
        ..Config::default()
    };
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
