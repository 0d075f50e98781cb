//! Redis: the server that tests share, and servers of one test, which can be paused, killed and copied.
//!
//! Tests use their own client to inspect such a server, not that of the service, so that they verify the service
//! independently.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

mod client;
mod sentinel;

pub use client::RedisReply;
use client::exchange;
pub use sentinel::SentinelGroup;

use crate::ports::next_port;

/// The URL of the Redis that tests share. Each test uses its own keys.
pub fn shared_redis() -> String {
    std::env::var("TEST_REDIS_URL")
        .expect("TEST_REDIS_URL must name a Redis: run the tests with `make test`")
}

/// A Redis server of one test, without persistence. It is killed when this value is dropped, or at the latest when the
/// test process ends.
#[derive(Debug)]
pub struct RedisServer {
    directory: TempDir,
    port: u16,
    tls: bool,
    arguments: Vec<String>,
    process: Mutex<Option<Process>>,
}

impl RedisServer {
    /// Starts a server on a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with additional arguments, such as `["--maxmemory", "2mb"]`.
    pub async fn start_with(arguments: &[&str]) -> Self {
        Self::launch(temporary(), false, owned(arguments)).await
    }

    /// Starts a server that accepts only TLS, with a certificate for `localhost` and 127.0.0.1.
    pub async fn start_tls() -> Self {
        Self::start_tls_with(&[]).await
    }

    /// Starts a server that accepts only TLS, with additional arguments.
    pub async fn start_tls_with(arguments: &[&str]) -> Self {
        let directory = temporary();
        write_certificates(directory.path());
        Self::launch(directory, true, owned(arguments)).await
    }

    /// The URL of the server. It is the same after a restart.
    pub fn url(&self) -> String {
        if self.tls {
            format!("rediss://localhost:{}", self.port)
        } else {
            format!("redis://127.0.0.1:{}", self.port)
        }
    }

    /// The socket of the server in the file system.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join(SOCKET)
    }

    /// The certificate authority of a server with TLS, as a PEM file.
    pub fn ca_file(&self) -> PathBuf {
        assert!(self.tls, "this server does not speak TLS");
        self.directory.path().join(CA)
    }

    /// The certificate of the server and its key, as PEM files. It is valid for a client too.
    pub fn certificate_files(&self) -> (PathBuf, PathBuf) {
        let folder = self.directory.path();
        (folder.join(CERTIFICATE), folder.join(KEY))
    }

    /// Pauses the server (SIGSTOP). It does not respond, connections stay open, and the kernel accepts new connections.
    pub fn pause(&self) {
        self.with_process(|process| process.signal("STOP"));
    }

    /// Resumes a paused server. It then handles the commands that arrived in the meantime.
    pub fn resume(&self) {
        self.with_process(|process| process.signal("CONT"));
    }

    /// Kills the server, also if it is paused. Its port then refuses connections.
    pub fn kill(&self) {
        self.process.lock().unwrap().take();
    }

    /// Kills the server if it runs, and starts it on the same port without data.
    pub async fn restart(&self) {
        self.kill();
        let _ = fs::remove_file(self.dump());
        self.run_again().await;
    }

    /// Kills the server if it runs, and starts it on the same port with the data of a [`RedisServer::snapshot`]. This
    /// simulates a fail-over to a replica that lags behind.
    pub async fn restart_from(&self, snapshot: &[u8]) {
        self.kill();
        fs::write(self.dump(), snapshot).unwrap();
        self.run_again().await;
    }

    /// The data of the server, in the RDB format.
    pub async fn snapshot(&self) -> Vec<u8> {
        self.succeed(&["SAVE"]).await;
        fs::read(self.dump()).unwrap()
    }

    /// Starts another server on another port, with the same arguments and data.
    pub async fn copy(&self) -> Self {
        let directory = temporary();
        fs::write(directory.path().join(DUMP), self.snapshot().await).unwrap();
        if self.tls {
            for file in [CA, CERTIFICATE, KEY] {
                fs::copy(
                    self.directory.path().join(file),
                    directory.path().join(file),
                )
                .unwrap();
            }
        }
        Self::launch(directory, self.tls, self.arguments.clone()).await
    }

    /// Runs a command on a new connection.
    pub async fn command<A: AsRef<[u8]>>(&self, arguments: &[A]) -> RedisReply {
        let exchange = exchange(self.directory.path().join(SOCKET), arguments);
        tokio::time::timeout(Duration::from_secs(10), exchange)
            .await
            .expect("the test Redis responds within ten seconds")
            .expect("the test Redis is reachable")
    }

    /// The number of replicas of the service that subscribe to invalidations.
    pub async fn subscriber_count(&self) -> usize {
        let channels = self.command(&["PUBSUB", "CHANNELS", "*:changes"]).await;
        let RedisReply::Array(channels) = channels else {
            return 0;
        };
        let Some(RedisReply::Bytes(channel)) = channels.into_iter().next() else {
            return 0;
        };
        let counts = self.command(&[&b"PUBSUB"[..], b"NUMSUB", &channel]).await;
        match counts {
            RedisReply::Array(counts) => match counts.get(1) {
                Some(RedisReply::Integer(count)) => usize::try_from(*count).unwrap(),
                _ => 0,
            },
            _ => 0,
        }
    }

    /// The keys that match a pattern, such as `user:*`, in order.
    pub async fn keys(&self, pattern: &str) -> Vec<String> {
        let RedisReply::Array(keys) = self.command(&["KEYS", pattern]).await else {
            panic!("KEYS returned no list");
        };
        let mut keys: Vec<String> = keys.iter().map(RedisReply::text).collect();
        keys.sort();
        keys
    }

    /// Stores bytes under a key, as another program or release would.
    pub async fn set_raw(&self, key: &str, value: &[u8]) {
        let reply = self.command(&[b"SET", key.as_bytes(), value]).await;
        assert_eq!(reply, RedisReply::Status("OK".to_owned()), "SET {key}");
    }

    /// The bytes stored under a key.
    pub async fn get_raw(&self, key: &str) -> Option<Vec<u8>> {
        match self.command(&["GET", key]).await {
            RedisReply::Bytes(value) => Some(value),
            RedisReply::Nil => None,
            other => panic!("GET {key}: {other:?}"),
        }
    }

    /// The number of executions of a command since the start of the server, including those in scripts.
    pub async fn command_count(&self, command: &str) -> u64 {
        let statistics = self.command(&["INFO", "commandstats"]).await.text();
        let label = format!("cmdstat_{}:calls=", command.to_lowercase());
        statistics
            .lines()
            .find_map(|line| line.strip_prefix(&label)?.split(',').next()?.parse().ok())
            .unwrap_or(0)
    }

    /// Simulates a full memory: the server refuses writes that need memory, and evicts nothing. Reads and deletions
    /// work. [`Self::free_memory`] ends it.
    pub async fn fill_memory(&self) {
        // One byte, since the memory in use changes with each connection but always exceeds it.
        let settings = ["maxmemory-policy", "noeviction", "maxmemory", "1"];
        self.succeed(&[&["CONFIG", "SET"], &settings[..]].concat())
            .await;
    }

    /// Removes the limit of the memory.
    pub async fn free_memory(&self) {
        self.succeed(&["CONFIG", "SET", "maxmemory", "0"]).await;
    }

    /// Closes all connections except the one of this command.
    pub async fn close_connections(&self) {
        for kind in ["normal", "pubsub"] {
            self.command(&["CLIENT", "KILL", "TYPE", kind]).await;
        }
    }

    /// Sends a command whose reply must be `OK`.
    pub async fn succeed(&self, command: &[&str]) {
        let reply = self.command(command).await;
        assert_eq!(reply, RedisReply::Status("OK".to_owned()), "{command:?}");
    }

    async fn launch(directory: TempDir, tls: bool, arguments: Vec<String>) -> Self {
        let mut server = Self {
            directory,
            port: 0,
            tls,
            arguments,
            process: Mutex::new(None),
        };
        for _ in 0..10 {
            server.port = next_port();
            if server.run().await {
                return server;
            }
        }
        panic!("the test Redis did not start: {}", server.log());
    }

    async fn run_again(&self) {
        assert!(
            self.run().await,
            "the test Redis did not restart: {}",
            self.log()
        );
    }

    /// Starts the process and waits until it accepts connections. Returns false if it ends, for example because the
    /// port is in use.
    async fn run(&self) -> bool {
        let ports = if self.tls {
            format!(
                "--port 0 --tls-port {} --tls-auth-clients no --tls-ca-cert-file {CA} --tls-cert-file {CERTIFICATE} \
                 --tls-key-file {KEY}",
                self.port
            )
        } else {
            format!("--port {}", self.port)
        };
        let settings = format!("--unixsocket {SOCKET} --dbfilename {DUMP} --appendonly no {ports}");
        let log = File::create(self.directory.path().join(LOG)).unwrap();
        let mut command = Command::new(program());
        command
            .current_dir(self.directory.path())
            .args(["--bind", "127.0.0.1", "-::1", "--save", ""])
            .args(settings.split_whitespace())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log);
        *self.process.lock().unwrap() = Some(Process::start(&mut command));
        for _ in 0..3000 {
            // The log is that of this process, even if another process listens on the port.
            if self.log().contains("Ready to accept connections") {
                return true;
            }
            if self.with_process(Process::has_ended) {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    fn with_process<T>(&self, act: impl FnOnce(&mut Process) -> T) -> T {
        let mut process = self.process.lock().unwrap();
        act(process.as_mut().expect("the test Redis was killed"))
    }

    fn dump(&self) -> PathBuf {
        self.directory.path().join(DUMP)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join(LOG)).unwrap_or_default()
    }
}

const CA: &str = "ca.pem";
const CERTIFICATE: &str = "server.pem";
const KEY: &str = "server.key";
const DUMP: &str = "dump.rdb";
const LOG: &str = "redis.log";
const SOCKET: &str = "redis.socket";

/// A running server, and a shell that ends it if the test process dies.
#[derive(Debug)]
struct Process {
    server: Child,
    guard: Child,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let server = command.spawn().unwrap_or_else(|error| {
            let program = command.get_program().display();
            panic!("{program}: {error}: set TEST_REDIS_SERVER to redis-server, or run the tests with `make test`")
        });
        // The shell's stdin is closed when this process ends. A parent-death signal would be sent too early: when the
        // thread that started the server ends.
        let guard = Command::new("sh")
            .args(["-c", "trap '' HUP INT TERM; read -r _; kill -KILL \"$0\""])
            .arg(server.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        Self { server, guard }
    }

    fn has_ended(&mut self) -> bool {
        self.server.try_wait().unwrap().is_some()
    }

    /// Sends a signal. It uses the shell, which has a builtin `kill` if the system has no such program.
    fn signal(&mut self, signal: &str) {
        assert!(!self.has_ended(), "the test Redis has ended unexpectedly");
        let sent = Command::new("sh")
            .args(["-c", "kill -\"$0\" \"$1\"", signal])
            .arg(self.server.id().to_string())
            .status();
        assert!(sent.unwrap().success(), "kill -{signal}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The guard first: it must not kill another process that has reused the id.
        for child in [&mut self.guard, &mut self.server] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn program() -> PathBuf {
    std::env::var_os("TEST_REDIS_SERVER")
        .filter(|path| !path.is_empty())
        .map_or_else(|| PathBuf::from("redis-server"), PathBuf::from)
}

fn temporary() -> TempDir {
    tempfile::Builder::new().prefix("redis-").tempdir().unwrap()
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(ToString::to_string).collect()
}

fn write_certificates(directory: &Path) {
    let mut ca = CertificateParams::default();
    ca.distinguished_name
        .push(DnType::CommonName, "the tests' authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();

    let mut server = CertificateParams::new(["localhost", "127.0.0.1"].map(String::from)).unwrap();
    server
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    server.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let certificate = server.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();

    fs::write(directory.join(CA), ca_pem).unwrap();
    fs::write(directory.join(CERTIFICATE), certificate.pem()).unwrap();
    fs::write(directory.join(KEY), key.serialize_pem()).unwrap();
}
