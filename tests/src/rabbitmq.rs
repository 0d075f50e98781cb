//! A `RabbitMQ` of one test, or one that tests share.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::ports::next_port;
use crate::postgres_server::{Process, as_server, temporary};

/// The time after which a test fails that waits for a message or for the broker.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A broker. It ends with this value, at the latest with the test process. Its messages and queues survive a restart.
#[derive(Debug)]
pub struct RabbitMq {
    directory: TempDir,
    /// The ports of clients, of the port mapper and of other nodes.
    ports: [u16; 3],
    /// The Erlang port mapper, the broker, or both.
    processes: Mutex<Vec<Process>>,
}

/// A durable queue that receives all messages of an exchange.
#[derive(Debug)]
pub struct EventQueue {
    _connection: Connection,
    channel: Channel,
    consumer: Consumer,
}

/// A message as a consumer received it.
#[derive(Debug, Clone)]
pub struct ReceivedEvent {
    /// The routing key.
    pub routing_key: String,
    /// The properties `content_type`, `message_id` and `correlation_id`, and the header `user`.
    pub properties: [String; 4],
    /// Whether the broker stores it on disk.
    pub is_persistent: bool,
    /// The content.
    pub event: Value,
}

impl RabbitMq {
    /// Starts a broker.
    pub async fn start() -> Self {
        let mut broker = Self::reserve();
        for _ in 0..10 {
            if broker.run().await {
                return broker;
            }
            broker.ports = std::array::from_fn(|_| next_port());
        }
        panic!("RabbitMQ did not start: {}", broker.log());
    }

    /// Returns a broker that is not running. [`RabbitMq::restart`] starts it.
    pub fn reserve() -> Self {
        let directory = temporary();
        fs::write(directory.path().join("plugins"), "[].").unwrap();
        Self {
            directory,
            ports: std::array::from_fn(|_| next_port()),
            processes: Mutex::default(),
        }
    }

    /// Returns a broker that runs while any test uses it. Each test has its own exchange.
    pub async fn shared() -> Arc<Self> {
        static SHARED: tokio::sync::Mutex<Weak<RabbitMq>> =
            tokio::sync::Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(broker) = shared.upgrade() {
            return broker;
        }
        let broker = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&broker);
        broker
    }

    /// The URL with the default credentials.
    pub fn url(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.ports[0])
    }

    /// Kills it (SIGKILL).
    pub fn kill(&self) {
        self.processes.lock().unwrap().clear();
    }

    /// Kills it if it runs, and starts it on the same port with the same data.
    pub async fn restart(&self) {
        self.kill();
        for _ in 0..5 {
            if self.run().await {
                return;
            }
        }
        panic!("RabbitMQ did not restart: {}", self.log());
    }

    /// Runs a command of `rabbitmqctl`.
    pub async fn control(&self, arguments: &[&str]) {
        let program = program().with_file_name("rabbitmqctl");
        let mut command = self.command(&program);
        command.args(arguments).stdin(Stdio::null());
        let run = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = run.await.unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}");
    }

    /// Declares a durable queue of this name for all messages of an exchange, and starts to consume it.
    pub async fn queue(&self, name: &str, exchange: &str) -> EventQueue {
        let (url, properties) = (self.url(), ConnectionProperties::default());
        let connection = Connection::connect(&url, properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let (topic, table) = (ExchangeKind::Topic, FieldTable::default);
        channel
            .exchange_declare(exchange.into(), topic, durable, table())
            .await
            .unwrap();
        channel
            .queue_declare(name.into(), QueueDeclareOptions::durable(), table())
            .await
            .unwrap();
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(name.into(), exchange.into(), "#".into(), bind, table())
            .await
            .unwrap();
        let consume = BasicConsumeOptions::default();
        let consumer = channel
            .basic_consume(name.into(), "test".into(), consume, table())
            .await
            .unwrap();
        EventQueue {
            _connection: connection,
            channel,
            consumer,
        }
    }

    /// Starts the processes and waits until the broker accepts connections. Returns false if one ends, for example
    /// because a port is in use.
    async fn run(&self) -> bool {
        let mut mapper = self.command(Path::new("epmd"));
        mapper.args(["-port", &self.ports[1].to_string(), "-address", "127.0.0.1"]);
        let mut broker = self.command(&program());
        for command in [&mut mapper, &mut broker] {
            let log = File::create(self.directory.path().join(LOG)).unwrap();
            command
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log);
            self.processes.lock().unwrap().push(Process::start(command));
        }
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        while tokio::time::Instant::now() < deadline {
            let has_ended = self
                .processes
                .lock()
                .unwrap()
                .iter_mut()
                .any(Process::has_ended);
            if has_ended {
                break;
            }
            if TcpStream::connect(("127.0.0.1", self.ports[0]))
                .await
                .is_ok()
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.kill();
        false
    }

    /// A command with the environment of this broker.
    fn command(&self, program: &Path) -> Command {
        let folder = self.directory.path();
        let [port, mapper, nodes] = self.ports.map(|port| port.to_string());
        let mut command = as_server(program);
        command
            .current_dir(folder)
            .env("HOME", folder)
            .env("ERL_EPMD_PORT", &mapper)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", format!("test{port}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", &port)
            .env("RABBITMQ_DIST_PORT", &nodes)
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder.join("log"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
            .env("RABBITMQ_CONF_ENV_FILE", folder.join("none"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("none"))
            // The script then replaces itself by the broker, which can be killed.
            .env("RUNNING_UNDER_SYSTEMD", "1")
            // The port mapper is a process of the test. Schedulers that wait do not occupy a core.
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-start_epmd false +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
            );
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join(LOG)).unwrap_or_default()
    }
}

impl EventQueue {
    /// Returns the next message, and acknowledges it.
    pub async fn next(&mut self) -> ReceivedEvent {
        let next = tokio::time::timeout(TIMEOUT, self.consumer.next()).await;
        let delivery = next.expect("a message within a minute");
        self.received(delivery.unwrap().unwrap()).await
    }

    /// Returns the next messages until one matches, at most within a minute each.
    pub async fn until(&mut self, is_last: impl Fn(&ReceivedEvent) -> bool) -> Vec<ReceivedEvent> {
        let mut received = Vec::new();
        loop {
            let event = self.next().await;
            let is_over = is_last(&event);
            received.push(event);
            if is_over {
                return received;
            }
        }
    }

    async fn received(&self, delivery: Delivery) -> ReceivedEvent {
        let properties = &delivery.properties;
        let text = |value: Option<String>| value.unwrap_or_default();
        let headers = properties.headers().clone().unwrap_or_default();
        let user = headers
            .inner()
            .get("user")
            .and_then(|user| user.as_long_string());
        let event = ReceivedEvent {
            routing_key: delivery.routing_key.to_string(),
            properties: [
                text(properties.content_type().as_ref().map(ToString::to_string)),
                text(properties.message_id().as_ref().map(ToString::to_string)),
                text(
                    properties
                        .correlation_id()
                        .as_ref()
                        .map(ToString::to_string),
                ),
                text(user.map(ToString::to_string)),
            ],
            is_persistent: *properties.delivery_mode() == Some(2),
            event: serde_json::from_slice(&delivery.data).unwrap(),
        };
        let ack = self
            .channel
            .basic_ack(delivery.delivery_tag, BasicAckOptions::default());
        ack.await.unwrap();
        event
    }
}

/// The path of the script that starts the broker, not the wrapper that allows only two users.
fn program() -> PathBuf {
    let path = std::env::var_os("TEST_RABBITMQ").filter(|path| !path.is_empty());
    path.map_or_else(
        || "/usr/lib/rabbitmq/bin/rabbitmq-server".into(),
        PathBuf::from,
    )
}

const LOG: &str = "rabbitmq.log";
