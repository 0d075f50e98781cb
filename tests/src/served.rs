//! The service's own binary while it serves: a replica that can be stopped, killed, paused and starved.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::binary;
use crate::leaks;
use crate::ports::next_port;

/// A process of the service; killed with this value.
#[derive(Debug)]
pub struct Served {
    program: PathBuf,
    folder: PathBuf,
    settings: Vec<(String, String)>,
    /// What the shell does before it becomes the service, as `ulimit -n 64`.
    before: String,
    port: u16,
    process: Mutex<Option<Child>>,
}

impl Served {
    /// Starts the workspace's binary on a port of its own, with settings beside the usual ones, and its log in `folder`.
    /// It need not be ready when this returns.
    pub async fn start(folder: &Path, database_uri: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_so(&binary::program(), folder, database_uri, settings, "").await
    }

    /// Starts a program after its shell has done something, as `ulimit -n 64`.
    pub async fn start_so(
        program: &Path,
        folder: &Path,
        database_uri: &str,
        settings: &[(&str, &str)],
        before: &str,
    ) -> Self {
        let uri = [("DATABASE_URI", database_uri)];
        let mut served = Self {
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
            served.port = next_port();
            served.run();
            if served.listens().await {
                return served;
            }
        }
        panic!("the service does not start: {}", served.log());
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        let process = self.process.lock().unwrap();
        process.as_ref().expect("the service runs").id()
    }

    /// Sends it a signal, as `STOP`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("sh")
            .args(["-c", "kill -\"$0\" \"$1\"", signal])
            .arg(self.id().to_string())
            .status();
        assert!(sent.unwrap().success(), "kill -{signal}");
    }

    /// Ends it at once.
    pub fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again on the same port after [`Served::kill`].
    pub async fn restart(&self) {
        self.kill();
        self.run();
        assert!(
            self.listens().await,
            "the service does not start again: {}",
            self.log()
        );
    }

    /// Whether it has not ended.
    pub fn is_alive(&self) -> bool {
        let mut process = self.process.lock().unwrap();
        process
            .as_mut()
            .is_some_and(|process| process.try_wait().unwrap().is_none())
    }

    /// Waits until it is ready.
    pub async fn is_ready(&self) {
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

    /// The status of `/health/ready`, if it answers.
    pub async fn readiness(&self) -> Option<u16> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = client
            .get(self.url("/health/ready"))
            .timeout(Duration::from_secs(5));
        Some(asked.send().await.ok()?.status().as_u16())
    }

    /// What it has logged since it was started last.
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
        // By a pipe: what limits the service's files must not limit its log.
        let mut told = process.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut told, &mut log));
        *self.process.lock().unwrap() = Some(process);
    }

    /// Waits until it takes connections; `false` if it ended instead, as when the port is taken.
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

impl Drop for Served {
    #[expect(clippy::print_stdout, reason = "the log of a test that failed")]
    fn drop(&mut self) {
        self.kill();
        leaks::look_into("the log of a process", &self.log());
        if std::thread::panicking() {
            let log = self.log();
            // What tells of refused requests would drown the rest.
            let (refusals, rest): (Vec<_>, Vec<_>) = log
                .lines()
                .partition(|line| line.contains("a request was not served"));
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
