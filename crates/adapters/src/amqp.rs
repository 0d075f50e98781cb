//! Publishes events to RabbitMQ (AMQP 0-9-1).
//!
//! One connection with one channel. The broker confirms each message. After any failure the connection is closed, and
//! the next call opens another one.

mod session;
mod socket;

use async_trait::async_trait;
use metrics::{Gauge, Unit, describe_gauge, gauge};
use secrecy::SecretString;
use tokio::sync::Mutex;
use user_domain::ports::{EventMessage, EventPublisher, PublishError};

use session::Session;

/// A gauge: 1 while the relay is connected to the broker.
const CONNECTED: &str = "event_relay_connected";
/// A gauge: 1 while the broker asks its publishers to wait.
const BLOCKED: &str = "event_relay_blocked";

/// The broker and what is published there.
#[derive(Debug, Clone)]
pub struct AmqpOptions {
    /// The host of the broker: a name or an address.
    pub host: String,
    /// The port of the broker.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The password of the user.
    pub password: SecretString,
    /// The virtual host.
    pub virtual_host: String,
    /// Whether the connection is encrypted (`amqps`). The certificate authorities are those of the machine.
    pub has_tls: bool,
    /// The topic exchange. It is declared, and must be durable if it exists.
    pub exchange: String,
}

/// Publishes events to RabbitMQ.
#[derive(Debug)]
pub struct AmqpPublisher {
    options: AmqpOptions,
    /// None while there is no connection, and during a call.
    session: Mutex<Option<Session>>,
    state: ConnectionState,
}

/// The state of the connection, in metrics.
#[derive(Debug, Clone)]
struct ConnectionState {
    connected: Gauge,
    blocked: Gauge,
}

impl AmqpPublisher {
    /// Creates a publisher. The first call connects.
    pub fn new(options: AmqpOptions) -> Self {
        let state = ConnectionState {
            connected: gauge!(CONNECTED),
            blocked: gauge!(BLOCKED),
        };
        state.connected.set(0.0);
        state.blocked.set(0.0);
        Self {
            options,
            session: Mutex::default(),
            state,
        }
    }
}

#[async_trait]
impl EventPublisher for AmqpPublisher {
    async fn publish(&self, messages: &[EventMessage]) -> Result<(), PublishError> {
        let mut kept = self.session.lock().await;
        // If this call fails or is cancelled, the session is dropped, and with it what is not confirmed.
        // A closed session is dropped before another one is opened, because dropping it resets the gauges.
        let open = kept.take().filter(Session::is_open);
        let session = match open {
            Some(session) => session,
            None => Session::open(&self.options, self.state.clone()).await?,
        };
        session.publish(messages).await?;
        *kept = Some(session);
        Ok(())
    }

    async fn close(&self) {
        if let Some(session) = self.session.lock().await.take() {
            session.close().await;
        }
    }
}

/// Registers the descriptions of the metrics.
pub fn describe_metrics() {
    describe_gauge!(
        CONNECTED,
        "1 while this replica relays events and is connected to the broker, 0 otherwise"
    );
    describe_gauge!(
        BLOCKED,
        Unit::Count,
        "1 while the broker asks this replica to wait before it publishes events, 0 otherwise"
    );
}
