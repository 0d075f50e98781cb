//! The service as a separate process, with its captured log.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binary::{configured, free_port};
use crate::leaks;

/// A running `serve`. It is killed with this value.
pub struct ServiceProcess {
    child: Child,
    port: u16,
    management: Option<u16>,
    written: Arc<Mutex<String>>,
}

impl ServiceProcess {
    /// Starts `serve` on this database with additional settings, and waits until it is ready.
    ///
    /// It listens on `PORT`, or on a free port. If the settings contain `MANAGEMENT_PORT`, its value is replaced by a
    /// free port.
    pub async fn serve(folder: &Path, database_uri: &str, settings: &[(&str, &str)]) -> Self {
        let process = Self::start(folder, database_uri, settings);
        process.wait_until_ready().await;
        process
    }

    /// Like [`ServiceProcess::serve`], but does not wait.
    pub fn start(folder: &Path, database_uri: &str, settings: &[(&str, &str)]) -> Self {
        let mut settings: BTreeMap<&str, String> = settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let port = settings
            .get("PORT")
            .map_or_else(free_port, |port| port.parse().unwrap());
        let management = settings.contains_key("MANAGEMENT_PORT").then(free_port);
        settings.insert("PORT", port.to_string());
        if let Some(management) = management {
            settings.insert("MANAGEMENT_PORT", management.to_string());
        }
        let mut child = configured(folder, database_uri, &["serve"])
            .envs(settings)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let written = Arc::new(Mutex::new(String::new()));
        capture(child.stderr.take().unwrap(), written.clone());
        Self {
            child,
            port,
            management,
            written,
        }
    }

    /// Waits until it is ready.
    pub async fn wait_until_ready(&self) {
        let client = crate::http_client();
        let url = self.management_url("/health/ready");
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(reply) = client.get(&url).send().await
                && reply.status() == 200
            {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the service is not ready: {}",
                self.written()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The URL of a path on the management port, or on `PORT` without a management port.
    pub fn management_url(&self, path: &str) -> String {
        let port = self.management.unwrap_or(self.port);
        format!("http://127.0.0.1:{port}{path}")
    }

    /// The peak of its resident memory.
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.unwrap().trim().strip_suffix(" kB");
        kib.unwrap().parse().unwrap()
    }

    /// The text of its log.
    pub fn written(&self) -> String {
        self.written.lock().unwrap().clone()
    }

    /// The lines of its log as JSON objects.
    pub fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the line {line}"))
        };
        self.written().lines().map(parse).collect()
    }

    /// Sends a signal by its name, such as TERM.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it exits. Returns the exit code, unless a signal killed it.
    pub async fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the process does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Terminates it as an orchestrator does, and returns the exit code.
    pub async fn terminate(mut self) -> Option<i32> {
        self.signal("TERM");
        self.end().await
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        leaks::check_text("the log of a process", &self.written());
    }
}

/// Captures output on a separate thread, so that the process never waits for the test.
fn capture(from: impl Read + Send + 'static, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            let mut into = into.lock().unwrap();
            into.push_str(&line);
            into.push('\n');
        }
    });
}
