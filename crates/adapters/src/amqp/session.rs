//! One connection to the broker.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::maybe_done;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::tcp::TLSConfig;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{
    AsyncTcpStream, BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    ExchangeKind,
};
use secrecy::ExposeSecret;
use tokio::net::lookup_host;
use tokio::time::timeout;
use user_domain::ports::{EventMessage, PublishError};

use super::socket::SocketGuard;
use super::{AmqpOptions, ConnectionState};

/// The time limit of connecting, with TLS, authentication and the declaration of the exchange.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time limit of an orderly close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often the state of the connection is looked at while a message is not confirmed.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The number of consecutive checks without any confirmation after which the connection is given up.
const MAX_SILENT_CHECKS: u32 = 10;
/// The heartbeat interval in seconds. A broker that is not heard from for twice this time counts as lost.
const HEARTBEAT_SECONDS: u16 = 10;
/// A message that the broker writes to disk, if its queue is durable.
const PERSISTENT: u8 = 2;
/// The maximum size of an AMQP frame in bytes. Larger messages have several frames. The driver has buffers of 32 frames.
const MAX_FRAME: u32 = 32 * 1024;
const CONTENT_TYPE: &str = "application/cloudevents+json";

/// A connection with one channel on which the broker confirms messages. The connection is closed with this value.
#[derive(Debug)]
pub(super) struct Session {
    connection: Connection,
    channel: Channel,
    exchange: ShortString,
    state: ConnectionState,
    socket: SocketGuard,
}

impl Session {
    /// Connects, and declares the exchange.
    pub(super) async fn open(
        options: &AmqpOptions,
        state: ConnectionState,
    ) -> Result<Self, PublishError> {
        let socket = SocketGuard::default();
        let opening = open(options, &socket);
        let opened = match timeout(CONNECT_TIMEOUT, opening).await {
            Ok(opened) => opened.map_err(|error| error.to_string()),
            Err(_) => Err("timed out".to_owned()),
        };
        let AmqpOptions { host, port, .. } = options;
        let (connection, channel) =
            opened.map_err(|error| PublishError::Connect(format!("{host}:{port}: {error}")))?;
        tracing::info!(host, port, "RabbitMQ connected");
        state.connected.set(1.0);
        Ok(Self {
            connection,
            channel,
            exchange: options.exchange.as_str().into(),
            state,
            socket,
        })
    }

    /// Whether the connection can be used, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Publishes messages in their order, and waits until each is confirmed.
    pub(super) async fn publish(&self, messages: &[EventMessage]) -> Result<(), PublishError> {
        let mut publishing = Vec::with_capacity(messages.len());
        for message in messages {
            let published = self.channel.basic_publish(
                self.exchange.clone(),
                message.kind.into(),
                BasicPublishOptions::default(),
                &message.body,
                properties(message),
            );
            let mut published = Box::pin(maybe_done(published));
            // The first poll puts the message into the queue of the driver. Its thread then writes many at once.
            let _ = poll_fn(|context| Poll::Ready(published.as_mut().poll(context))).await;
            publishing.push(published);
        }
        for mut published in publishing {
            let confirmed = async {
                published.as_mut().await;
                match published.as_mut().take_output() {
                    Some(confirmation) => confirmation?.await,
                    // Unreachable: it is taken once.
                    None => Ok(Confirmation::NotRequested),
                }
            };
            match self.unless_silent(confirmed).await? {
                Confirmation::Ack(_) => {}
                Confirmation::Nack(_) | Confirmation::NotRequested => {
                    return Err(PublishError::Refused);
                }
            }
        }
        Ok(())
    }

    /// Closes the connection in an orderly way.
    pub(super) async fn close(self) {
        // If it fails, the connection is closed by the guard of the socket.
        let _ = timeout(CLOSE_TIMEOUT, self.connection.close(200, "OK".into())).await;
    }

    /// Waits for the broker. The time in which it asks its publishers to wait does not count.
    async fn unless_silent<T>(
        &self,
        work: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, PublishError> {
        let mut work = pin!(work);
        let (mut was_blocked, mut silent) = (false, 0);
        let done = loop {
            if let Ok(done) = timeout(CHECK_INTERVAL, &mut work).await {
                break done.map_err(|error| PublishError::Lost(error.to_string()));
            }
            if self.connection.status().blocked() {
                if !was_blocked {
                    tracing::warn!("RabbitMQ accepts no messages; events are published later");
                    self.state.blocked.set(1.0);
                }
                (was_blocked, silent) = (true, 0);
            } else {
                silent += 1;
            }
            if silent >= MAX_SILENT_CHECKS {
                break Err(PublishError::Silent);
            }
        };
        if was_blocked && done.is_ok() {
            tracing::info!("RabbitMQ accepts messages again");
            self.state.blocked.set(0.0);
        }
        done
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.socket.close();
        self.state.connected.set(0.0);
        self.state.blocked.set(0.0);
    }
}

async fn open(options: &AmqpOptions, socket: &SocketGuard) -> lapin::Result<(Connection, Channel)> {
    let holder = socket.holder();
    let connection = Connection::connector(
        uri(options),
        lapin::runtime::default_runtime()?,
        async move |uri: AMQPUri, runtime| {
            let AMQPAuthority { host, port, .. } = &uri.authority;
            let connecting = async {
                let addresses: Vec<_> = lookup_host((host.as_str(), *port)).await?.collect();
                let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
                if let AsyncTcpStream::Plain(stream) = &stream {
                    holder.hold(stream.get_ref())?;
                }
                match uri.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => stream.into_tls(host, TLSConfig::default()).await,
                }
            };
            let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
            Ok(timeout(CONNECT_TIMEOUT, connecting)
                .await
                .map_err(timed_out)??)
        },
        ConnectionProperties::default().with_connection_name("user-service".into()),
    )
    .await?;
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let (exchange, kind) = (options.exchange.as_str().into(), ExchangeKind::Topic);
    channel
        .exchange_declare(exchange, kind, durable, FieldTable::default())
        .await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    Ok((connection, channel))
}

fn uri(options: &AmqpOptions) -> AMQPUri {
    AMQPUri {
        scheme: if options.has_tls {
            AMQPScheme::AMQPS
        } else {
            AMQPScheme::AMQP
        },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: options.user.clone(),
                password: options.password.expose_secret().to_owned(),
            },
            host: options.host.clone(),
            port: options.port,
        },
        vhost: options.virtual_host.clone(),
        query: AMQPQueryString {
            frame_max: Some(MAX_FRAME),
            heartbeat: Some(HEARTBEAT_SECONDS),
            ..AMQPQueryString::default()
        },
    }
}

/// Returns the properties of a message. Queues can be sharded by the user, in the correlation id or the header.
fn properties(message: &EventMessage) -> BasicProperties {
    let user = message.subject.to_string();
    let mut headers = FieldTable::default();
    headers.insert("user".into(), AMQPValue::LongString(user.as_str().into()));
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(CONTENT_TYPE.into())
        .with_message_id(message.id.to_string().into())
        .with_correlation_id(user.into())
        .with_headers(headers)
}
