//! A `PgBouncer` of one test.

use std::fs;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::Url;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::ports::next_port;
use crate::postgres_server::{Process, as_server, temporary};

/// A `PgBouncer` in front of one PostgreSQL, for all of its databases. It ends with this value, at the latest with the
/// test process. It accepts only the startup parameters that it supports itself.
#[derive(Debug)]
pub struct PgBouncer {
    directory: TempDir,
    server: Url,
    settings: String,
    port: u16,
    process: Mutex<Option<Process>>,
}

impl PgBouncer {
    /// Starts a `PgBouncer` in transaction mode with four connections for each database of this server.
    pub async fn in_front_of(server: &str) -> Self {
        Self::with(
            server,
            &["pool_mode = transaction", "default_pool_size = 4"],
        )
        .await
    }

    /// Starts a `PgBouncer` with these settings.
    pub async fn with(server: &str, settings: &[&str]) -> Self {
        let mut pgbouncer = Self {
            directory: temporary(),
            server: Url::parse(server).unwrap(),
            settings: settings.join("\n"),
            port: 0,
            process: Mutex::default(),
        };
        for _ in 0..10 {
            pgbouncer.port = next_port();
            if pgbouncer.run().await {
                return pgbouncer;
            }
        }
        panic!("PgBouncer did not start: {}", pgbouncer.log());
    }

    /// The URL of a database of the server, through this `PgBouncer`.
    pub fn url(&self, database: &str) -> String {
        let mut url = Url::parse(database).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.port)).unwrap();
        url.into()
    }

    /// Kills it (SIGKILL).
    pub fn kill(&self) {
        self.process.lock().unwrap().take();
    }

    /// Kills it and starts it again on the same port.
    pub async fn restart(&self) {
        self.kill();
        for _ in 0..20 {
            if self.run().await {
                return;
            }
        }
        panic!("PgBouncer did not restart: {}", self.log());
    }

    /// Starts the process and waits until it accepts connections. Returns false if it ends, for example because the
    /// port is in use.
    async fn run(&self) -> bool {
        let file = self.directory.path().join("pgbouncer.ini");
        fs::write(&file, self.configuration()).unwrap();
        let log = fs::File::create(self.directory.path().join(LOG)).unwrap();
        let program = std::env::var("TEST_PGBOUNCER").unwrap_or_else(|_| "pgbouncer".to_owned());
        let mut command = as_server(program.as_ref());
        command
            .current_dir(self.directory.path())
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        *self.process.lock().unwrap() = Some(Process::start(&mut command));
        for _ in 0..1000 {
            if self
                .process
                .lock()
                .unwrap()
                .as_mut()
                .is_none_or(Process::has_ended)
            {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    fn configuration(&self) -> String {
        let server = |name: &str, value: &str| match value {
            "" => String::new(),
            value => format!(" {name}={value}"),
        };
        let host = self.server.host_str().unwrap_or_default();
        let port = self.server.port().unwrap_or(5432).to_string();
        [
            "[databases]\n*=".to_owned(),
            server("host", host),
            server("port", &port),
            server("user", self.server.username()),
            server("password", self.server.password().unwrap_or_default()),
            "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\nauth_type = any\n"
                .to_owned(),
            format!("listen_port = {}\n{}\n", self.port, self.settings),
        ]
        .concat()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join(LOG)).unwrap_or_default()
    }
}

const LOG: &str = "pgbouncer.log";
