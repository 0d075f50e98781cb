//! The processes that are measured: the service and the bare handlers.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use user_tests::{API_TOKEN, JWT_SECRET, free_port, program};

/// A process on core 0, which is killed when this value is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
}

/// A response, and its bytes as received.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) whole: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Server {
    /// Starts this release with production settings, and waits until it is ready.
    pub(crate) fn service(folder: &Path, settings: &[(&str, &str)]) -> Self {
        Self::service_of(&program(), folder, settings)
    }

    /// Starts the program of a release in the same way.
    pub(crate) fn service_of(program: &Path, folder: &Path, settings: &[(&str, &str)]) -> Self {
        let port = free_port();
        let mut command = pinned(program);
        command
            .arg("serve")
            .current_dir(folder)
            .env_clear()
            .env("JWT_SECRET_KEY", JWT_SECRET)
            .env("ALLOWED_API_TOKENS", API_TOKEN)
            .env("CORS_ALLOWED_ORIGINS", "https://app.example.com")
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("HTTP_WORKERS", "1")
            .env("LOG_LEVEL", "warn")
            .envs(settings.iter().copied());
        Self::start(command, port, "/health/ready")
    }

    /// Starts a bare handler that returns this response, or with `redis` a body from Redis.
    pub(crate) fn bare(folder: &Path, response: &[u8], redis: Option<&str>) -> Self {
        let port = free_port();
        let file = folder.join(format!("response-{port}"));
        fs::write(&file, response).unwrap();
        let mut command = pinned(&std::env::current_exe().unwrap());
        command
            .arg("--bare")
            .arg(port.to_string())
            .arg(file)
            .args(redis);
        Self::start(command, port, "/v1/users/none-of-redis")
    }

    fn start(mut command: Command, port: u16, probe: &str) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("taskset, of util-linux");
        // As in a container, the log goes to a pipe that another thread reads.
        let mut log = process.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let server = Self { process, port };
        let deadline = Instant::now() + Duration::from_mins(1);
        // Any other status counts as ready: the bare Redis handler answers 404 to this probe.
        while server
            .try_send("GET", probe, "", None)
            .is_none_or(|reply| reply.status == 503)
        {
            assert!(Instant::now() < deadline, "nothing listens at port {port}");
            std::thread::sleep(Duration::from_millis(2));
        }
        server
    }

    /// Sends one request and returns the response.
    pub(crate) fn send(&self, method: &str, path: &str, token: &str, body: Option<&str>) -> Reply {
        self.try_send(method, path, token, body)
            .expect("a response")
    }

    fn try_send(&self, method: &str, path: &str, token: &str, body: Option<&str>) -> Option<Reply> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let body = body.unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut whole = Vec::new();
        stream.read_to_end(&mut whole).ok()?;
        let status = std::str::from_utf8(whole.get(9..12)?).ok()?.parse().ok()?;
        let end = whole.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let body = whole[end..].to_vec();
        Some(Reply {
            status,
            whole,
            body,
        })
    }

    /// Returns the CPU time that the process has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    /// Returns the resident memory of the process, in bytes.
    pub(crate) fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kibibytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kibibytes * 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0"]).arg(program);
    command
}
