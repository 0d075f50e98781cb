//! How a link is made.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::types::config::{Config, ConnectionConfig, PerformanceConfig, TlsConnector};
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

use super::keys::Keys;
use super::{DEADLINE, Link, RedisOptions, random, scripts};

/// How long the making of a connection may take, and everything that is asked on it before it is used.
pub(super) const CONNECT: Duration = Duration::from_secs(2);
/// How often to look whether the connection is made.
const LOOK: Duration = Duration::from_millis(2);
const NO_NEWS: RedisError = RedisError::Unfit("its news does not arrive");
/// News that may wait to be applied; more are a lost link.
const NEWS: usize = 8192;
/// Commands that may wait to be sent.
const QUEUE: usize = 16_384;
/// How much of a server's name an epoch holds.
const NAME: usize = 16;

/// Why Redis could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// It failed, or refused.
    #[error("{0}")]
    Redis(#[from] Error),
    /// It could not be connected to.
    #[error("{0}")]
    Refused(String),
    /// It did not answer.
    #[error("no answer in time")]
    Silence(#[from] Elapsed),
    /// The file of certificates cannot be used.
    #[error("the certificates in {0} cannot be used: {1}")]
    Certificates(String, String),
    /// It takes no writes, or is another server than it was.
    #[error("{0}")]
    Unfit(&'static str),
}

/// A link that has just come up, and what arrives on it.
pub(super) struct Linked {
    pub(super) link: Arc<Link>,
    pub(super) news: Receiver<Message>,
    pub(super) connection: Connection,
}

/// The task that reads and writes a connection; the connection ends with it, and it ends with this value.
pub(super) struct Connection(ConnectHandle);

impl Connection {
    /// Connects; whoever stops waiting for it leaves no connection behind.
    pub(super) async fn make(client: &Client) -> Result<Self, RedisError> {
        let mut connection = Self(client.connect());
        while !client.is_connected() {
            tokio::select! {
                reason = connection.ended() => return Err(RedisError::Refused(reason)),
                () = sleep(LOOK) => {}
            }
        }
        Ok(connection)
    }

    /// Waits until the other side, or an error, ends the connection.
    pub(super) async fn ended(&mut self) -> String {
        match (&mut self.0).await {
            Ok(Ok(())) => "it was closed".to_owned(),
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

/// Connects, subscribes to the replicas' news, and joins the epoch; a new epoch begins at `position`.
pub(super) async fn connect(
    options: &RedisOptions,
    keys: &Keys,
    position: &LogPosition,
    any_server: bool,
) -> Result<Linked, RedisError> {
    let client = client(options)?;
    let mut news = client.message_rx();
    let connection = timeout(CONNECT, Connection::make(&client)).await??;
    let joined = join(&client, keys, position, any_server, &mut news);
    let epoch = timeout(CONNECT, joined).await??;
    let link = Arc::new(Link {
        client,
        keys: keys.clone(),
        epoch,
        corrected: AtomicBool::new(false),
        broken: Notify::new(),
    });
    Ok(Linked {
        link,
        news,
        connection,
    })
}

async fn join(
    client: &Client,
    keys: &Keys,
    position: &LogPosition,
    any_server: bool,
    news: &mut Receiver<Message>,
) -> Result<String, RedisError> {
    client.subscribe(keys.changes()).await?;
    let server = server(client).await?;
    let begins_with = if any_server {
        String::new()
    } else {
        format!("{server}/")
    };
    let names = vec![keys.epoch(), keys.position()];
    let arguments = vec![
        begins_with,
        format!("{server}/{}", random()),
        position.as_str().to_owned(),
    ];
    let joined = scripts::JOIN.evalsha_with_reload(client, names, arguments);
    let epoch = joined.await?;
    // The client does not tell whether a subscription was granted: a word of our own comes back if it was.
    let word = format!("joined {}", random());
    client
        .publish::<(), _, _>(keys.changes(), word.as_str())
        .await?;
    while news
        .recv()
        .await
        .map_err(|_| NO_NEWS)?
        .value
        .as_str()
        .as_deref()
        != Some(&word)
    {}
    Ok(epoch)
}

/// Names the server and the history of its data: a copy elsewhere, a restart and a fail-over make another name.
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
        return Err(RedisError::Unfit("it is a replica, which takes no writes"));
    }
    let (Some(run), Some(data)) = (
        field(&server, "run_id"),
        field(&replication, "master_replid"),
    ) else {
        return Err(RedisError::Unfit("it does not tell its run_id"));
    };
    let short = |name: &str| name.chars().take(NAME).collect::<String>();
    Ok(format!("{}-{}", short(&run), short(&data)))
}

/// A client of one connection: it never connects again by itself, and sends nothing twice.
pub(super) fn client(options: &RedisOptions) -> Result<Client, RedisError> {
    let mut config = Config::from_url(options.url.expose_secret())?;
    config.version = RespVersion::RESP3;
    config.fail_fast = true;
    if let (Some(tls), Some(file)) = (config.tls.as_mut(), &options.ca_file) {
        tls.connector = trusting(file)?;
    }
    let performance = PerformanceConfig {
        default_command_timeout: DEADLINE,
        broadcast_channel_capacity: NEWS,
        ..PerformanceConfig::default()
    };
    let connection = ConnectionConfig {
        connection_timeout: CONNECT,
        internal_command_timeout: CONNECT,
        max_command_attempts: 1,
        max_command_buffer_len: QUEUE,
        ..ConnectionConfig::default()
    };
    Ok(Client::new(
        config,
        Some(performance),
        Some(connection),
        None,
    ))
}

/// Believes the certificates in a file, and no others.
fn trusting(file: &Path) -> Result<TlsConnector, RedisError> {
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
        return Err(unusable("there are none".to_owned()));
    }
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config.into())
}
