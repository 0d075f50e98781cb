//! The service as a separate process that can be killed, paused, restarted and limited in its resources.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::binary;
use crate::leaks;
use crate::ports::next_port;

/// A process of the service. It is killed with this value.
#[derive(Debug)]
pub struct RestartableService {
    program: PathBuf,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    /// A shell command that runs before the service, such as `ulimit -n 64`.
    before: String,
    port: u16,
    process: Mutex<Option<Child>>,
}

impl RestartableService {
    /// Starts the binary of the workspace with additional settings and its log in `folder`. It listens when this
    /// returns, but may not be ready.
    pub async fn start(folder: &Path, database_uri: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_program(&binary::program(), folder, database_uri, settings, "").await
    }

    /// Starts a program after a shell command, such as `ulimit -n 64`.
    pub async fn start_program(
        program: &Path,
        folder: &Path,
        database_uri: &str,
        settings: &[(&str, &str)],
        before: &str,
    ) -> Self {
        let uri = [("DATABASE_URI", database_uri)];
        let mut service = Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            settings: uri
                .iter()
                .chain(settings)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            before: before.to_owned(),
            port: 0,
            process: Mutex::new(None),
        };
        for _ in 0..10 {
            service.port = next_port();
            service.run();
            if service.listens().await {
                return service;
            }
        }
        panic!("the service does not start: {}", service.log());
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The address on which it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        let process = self.process.lock().unwrap();
        process.as_ref().expect("the service runs").id()
    }

    /// Sends a signal, such as `STOP`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("sh")
            .args(["-c", "kill -\"$0\" \"$1\"", signal])
            .arg(self.id().to_string())
            .status();
        assert!(sent.unwrap().success(), "kill -{signal}");
    }

    /// Kills it.
    pub fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Kills it if it runs, and starts it again on the same port.
    pub async fn restart(&self) {
        self.kill();
        self.run();
        assert!(
            self.listens().await,
            "the service does not start again: {}",
            self.log()
        );
    }

    /// Whether it is running.
    pub fn is_alive(&self) -> bool {
        let mut process = self.process.lock().unwrap();
        process
            .as_mut()
            .is_some_and(|process| process.try_wait().unwrap().is_none())
    }

    /// Waits until it is ready.
    pub async fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.readiness().await != Some(200) {
            assert!(
                Instant::now() < deadline,
                "the service does not become ready: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The status of `/health/ready`, if there is a response.
    pub async fn readiness(&self) -> Option<u16> {
        let client = crate::http_client();
        let request = client
            .get(self.url("/health/ready"))
            .timeout(Duration::from_secs(5));
        Some(request.send().await.ok()?.status().as_u16())
    }

    /// Its log since the last start.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join(format!("served-{}.log", self.port))
    }

    fn run(&self) {
        let mut log = File::create(self.log_file()).unwrap();
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{}\nexec \"$0\" serve", self.before))
            .arg(&self.program)
            .current_dir(&self.folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        binary::configure(&mut command);
        command
            .env("PORT", self.port.to_string())
            .env("HTTP_WORKERS", "2")
            .env("LOG_LEVEL", "warn")
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        let mut process = command.spawn().unwrap();
        // Through a pipe: limits on the files of the service must not affect its log.
        let mut stderr = process.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut log));
        *self.process.lock().unwrap() = Some(process);
    }

    /// Waits until it accepts connections. Returns false if it ends, for example because the port is in use.
    async fn listens(&self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(30);
        while Instant::now() < deadline {
            if !self.is_alive() {
                return false;
            }
            if self.readiness().await.is_some() {
                return self.is_alive();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Drop for RestartableService {
    #[expect(clippy::print_stdout, reason = "the log of a test that failed")]
    fn drop(&mut self) {
        self.kill();
        leaks::check_text("the log of a process", &self.log());
        if std::thread::panicking() {
            let log = self.log();
            // Most lines are about refused requests, so only a few of those are printed.
            let (refusals, rest): (Vec<_>, Vec<_>) = log
                .lines()
                .partition(|line| line.contains(r#""status":50"#));
            println!("the log of the service at port {}:", self.port);
            for line in refusals
                .iter()
                .rev()
                .take(5)
                .chain(rest.iter().rev().take(30))
            {
                println!("{line}");
            }
        }
    }
}
