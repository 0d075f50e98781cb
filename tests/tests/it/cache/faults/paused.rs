//! A replica process that is paused and resumed, as by a swapping host or a debugger.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;
use user_tests::{API_TOKEN, Cluster, configured, free_port};

/// A replica that runs as a separate process.
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
            client: user_tests::http_client(),
            _folder: folder,
        };
        process.wait_until_ready().await;
        process
    }

    async fn wait_until_ready(&self) {
        let started = Instant::now();
        let ready = format!("{}/health/ready", self.base);
        loop {
            let response = self.client.get(&ready).send().await;
            if response.is_ok_and(|response| response.status() == StatusCode::OK) {
                return;
            }
            assert!(
                started.elapsed() < Duration::from_secs(15),
                "the replica is not ready"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Reads a user. Returns its version and the `Cache-Status` of the response.
    async fn read(&self, id: &str) -> (i64, String) {
        let request = self.client.get(format!("{}/v1/users/{id}", self.base));
        let response = request.bearer_auth(API_TOKEN).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let source = response.headers()["cache-status"]
            .to_str()
            .unwrap()
            .to_owned();
        let user: Value = response.json().await.unwrap();
        (user["version"].as_i64().unwrap(), source)
    }

    /// Reads a user until it comes from the in-process cache, and returns the version.
    async fn read_until_cached(&self, id: &str) -> i64 {
        let started = Instant::now();
        loop {
            let (version, source) = self.read(id).await;
            if source == "user-service; hit; detail=process" {
                return version;
            }
            assert!(started.elapsed() < Duration::from_secs(10), "{source}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a signal with the `kill` of the shell, because some systems have no program of that name.
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

/// Pauses a replica that has cached a user, changes the user at another replica, and resumes the first. Asserts that
/// its first response is the new version. `is_queued` says whether the request is sent before the replica resumes.
async fn assert_first_read_is_current(
    cluster: &Cluster,
    process: &Process,
    id: &str,
    pause: Duration,
    is_queued: bool,
) {
    let old = process.read_until_cached(id).await;
    process.signal("STOP");
    let written = cluster.write(0, id, &format!("after {old}")).await;
    let acknowledged = Instant::now();
    sleep(pause).await;
    let resume = async {
        if is_queued {
            sleep(Duration::from_millis(50)).await;
        }
        process.signal("CONT");
        acknowledged.elapsed()
    };
    let first = async {
        if !is_queued {
            // Lets the other future send the signal first.
            tokio::task::yield_now().await;
        }
        process.read(id).await
    };
    let (paused, (version, source)) = tokio::join!(resume, first);
    assert_eq!(version, written, "after {paused:?}: {source}");
    let elsewhere = cluster.read(1, id).await.version();
    assert_eq!(elsewhere, written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_response_of_a_resumed_replica_is_current() {
    let cluster = Cluster::start(2).await;
    let process = Process::of(&cluster).await;
    let user = cluster.owner().register("ann").await;
    let id = user["id"].as_str().unwrap();
    for is_queued in [true, false] {
        assert_first_read_is_current(&cluster, &process, id, Duration::from_secs(5), is_queued)
            .await;
    }
    for round in 0..10 {
        let pause = Duration::from_millis(1100);
        assert_first_read_is_current(&cluster, &process, id, pause, round % 2 == 0).await;
    }
    cluster.stop().await;
}
