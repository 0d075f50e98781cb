//! A primary server and its replica, watched by three Sentinels.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Process, RedisServer, program, temporary};
use crate::ports::next_port;

const SENTINELS: usize = 3;
/// The time within which the Sentinels must find each other, and fail over.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Three Sentinels that watch a primary server and its replica. A primary server that has not replied for 500 ms is
/// replaced.
#[derive(Debug)]
pub struct SentinelGroup {
    /// The first replica. It becomes the primary server after a failover.
    pub replica: RedisServer,
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    directory: TempDir,
    port: u16,
    _process: Process,
}

impl SentinelGroup {
    /// Starts a replica of a server and the Sentinels, and waits until they all know each other.
    pub async fn watch(primary: &RedisServer) -> Self {
        let port = primary.port.to_string();
        let replica = RedisServer::start_with(&[
            "--replicaof",
            "127.0.0.1",
            &port,
            "--repl-diskless-sync-delay",
            "0",
        ])
        .await;
        let mut group = Self {
            replica,
            sentinels: Vec::new(),
        };
        for _ in 0..SENTINELS {
            group.sentinels.push(Sentinel::start(&port));
        }
        let others = SENTINELS - 1;
        group
            .wait_until("all Sentinels know the servers and each other", |log| {
                log.contains("+slave ") && log.matches("+sentinel ").count() >= others
            })
            .await;
        group
    }

    /// The `REDIS_URL` of the service.
    pub fn url(&self) -> String {
        let sentinels: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port))
            .collect();
        format!(
            "redis-sentinel://{}/0?sentinelServiceName=users",
            sentinels.join(",")
        )
    }

    /// Waits until all Sentinels name the replica as the primary server.
    pub async fn wait_until_failed_over(&self) {
        self.wait_until("the Sentinels fail over", |log| {
            log.contains("+switch-master ")
        })
        .await;
    }

    async fn wait_until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let started = Instant::now();
        while !self.sentinels.iter().all(|sentinel| holds(&sentinel.log())) {
            let logs: Vec<String> = self.sentinels.iter().map(Sentinel::log).collect();
            assert!(started.elapsed() < TIMEOUT, "{what}: {}", logs.join("\n"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Sentinel {
    fn start(primary_port: &str) -> Self {
        let directory = temporary();
        let port = next_port();
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor users 127.0.0.1 {primary_port} 2\n\
             sentinel down-after-milliseconds users 500\nsentinel failover-timeout users 5000\n"
        );
        fs::write(directory.path().join(SETTINGS), settings).unwrap();
        let log = File::create(directory.path().join(super::LOG)).unwrap();
        let mut command = Command::new(program());
        command
            .current_dir(directory.path())
            .args([SETTINGS, "--sentinel"])
            .stdin(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .stdout(log);
        Self {
            port,
            _process: Process::start(&mut command),
            directory,
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join(super::LOG)).unwrap_or_default()
    }
}

const SETTINGS: &str = "sentinel.conf";
