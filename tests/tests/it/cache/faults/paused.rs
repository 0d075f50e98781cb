//! A replica that is stopped for a while, as a swapping host or a debugger does it, and goes on.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;
use user_tests::{API_TOKEN, Cluster, configured, free_port};

/// A replica that is a process of its own.
struct Process {
    child: Child,
    base: String,
    client: reqwest::Client,
    _folder: TempDir,
}

impl Process {
    /// Starts a replica of a cluster.
    async fn of(cluster: &Cluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let child = configured(folder.path(), &cluster.owner().database_uri(), &["serve"])
            .env("REDIS_URL", cluster.redis.url())
            .env("PORT", port.to_string())
            .env("HTTP_WORKERS", "2")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let process = Self {
            child,
            base: format!("http://127.0.0.1:{port}"),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            _folder: folder,
        };
        process.is_ready().await;
        process
    }

    async fn is_ready(&self) {
        let begun = Instant::now();
        let ready = format!("{}/health/ready", self.base);
        loop {
            let answer = self.client.get(&ready).send().await;
            if answer.is_ok_and(|answer| answer.status() == StatusCode::OK) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(15), "it is not ready");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Reads a user: its version, and where the answer came from.
    async fn read(&self, id: &str) -> (i64, String) {
        let request = self.client.get(format!("{}/v1/users/{id}", self.base));
        let answer = request.bearer_auth(API_TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let source = answer.headers()["cache-status"]
            .to_str()
            .unwrap()
            .to_owned();
        let user: Value = answer.json().await.unwrap();
        (user["version"].as_i64().unwrap(), source)
    }

    /// Reads a user until it comes out of the process, and gives the version.
    async fn read_until_cached(&self, id: &str) -> i64 {
        let begun = Instant::now();
        loop {
            let (version, source) = self.read(id).await;
            if source == "user-service; hit; detail=process" {
                return version;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{source}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a signal, by the shell: it has `kill` where the system has no program of that name.
    fn signal(&self, signal: &str) {
        let sent = Command::new("sh")
            .args(["-c", "kill -\"$0\" \"$1\"", signal])
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.unwrap().success(), "kill -{signal}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stops a replica that has a user cached, changes the user through another one, and lets the first go on: its first
/// answer is the new version, whether the question waited for it or came when it went on.
async fn wakes_up_well_informed(
    cluster: &Cluster,
    process: &Process,
    id: &str,
    pause: Duration,
    waits: bool,
) {
    let old = process.read_until_cached(id).await;
    process.signal("STOP");
    let written = cluster.write(0, id, &format!("after {old}")).await;
    let acknowledged = Instant::now();
    sleep(pause).await;
    let goes_on = async {
        if waits {
            sleep(Duration::from_millis(50)).await;
        }
        process.signal("CONT");
        acknowledged.elapsed()
    };
    let first = async {
        if !waits {
            // The signal has been sent by then.
            tokio::task::yield_now().await;
        }
        process.read(id).await
    };
    let (paused, (version, source)) = tokio::join!(goes_on, first);
    assert_eq!(version, written, "after {paused:?}: {source}");
    let others = cluster.read(1, id).await.version();
    assert_eq!(others, written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_answer_of_a_replica_that_was_stopped_is_right() {
    let cluster = Cluster::start(2).await;
    let process = Process::of(&cluster).await;
    let user = cluster.owner().register("ann").await;
    let id = user["id"].as_str().unwrap();
    for waits in [true, false] {
        wakes_up_well_informed(&cluster, &process, id, Duration::from_secs(5), waits).await;
    }
    for round in 0..10 {
        let pause = Duration::from_millis(1100);
        wakes_up_well_informed(&cluster, &process, id, pause, round % 2 == 0).await;
    }
    cluster.stop().await;
}
