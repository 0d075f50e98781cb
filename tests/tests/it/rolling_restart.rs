//! A release: replicas are restarted one after the other behind a load balancer under load.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use user_tests::{API_TOKEN, PostgresDatabase, ServiceProcess, free_port, shared_redis};

/// `HAProxy` in front of two replicas. Dropping this value kills it.
struct Balancer {
    child: Child,
    port: u16,
    statistics: u16,
}

impl Balancer {
    /// Starts the `HAProxy` of `TEST_HAPROXY`, or else of `PATH`. It checks the readiness of each replica four times a
    /// second, and retries only requests that reached no replica.
    fn start(replicas: [u16; 2], folder: &Path) -> Self {
        let port = free_port();
        let file = folder.join("haproxy.cfg");
        let statistics = free_port();
        let server = |port: u16| {
            format!("    server {port} 127.0.0.1:{port} check inter 250ms fall 2 rise 1\n")
        };
        let servers = replicas.map(server).concat();
        let text = format!(
            "defaults\n    mode http\n    timeout connect 1s\n    timeout client 10s\n    timeout server 10s\n    \
             timeout check 2s\n    retries 3\n    option redispatch 1\n    retry-on conn-failure\n\n\
             listen users\n    bind 127.0.0.1:{port}\n    option httpchk GET /health/ready\n{servers}\n\
             frontend statistics\n    bind 127.0.0.1:{statistics}\n    stats enable\n    stats uri /\n"
        );
        fs::write(&file, text).unwrap();
        let program = std::env::var("TEST_HAPROXY").unwrap_or_else(|_| "haproxy".to_owned());
        let child = Command::new(program)
            .args(["-db", "-q", "-f"])
            .arg(&file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: run the tests by scripts/with-servers"));
        Self {
            child,
            port,
            statistics,
        }
    }

    /// Waits until `HAProxy` marks a replica as up, or as down.
    async fn wait_for_state(&self, replica: u16, is_up: bool) {
        let url = format!("http://127.0.0.1:{}/;csv", self.statistics);
        let seen = async {
            loop {
                if let Ok(reply) = user_tests::http_client().get(&url).send().await {
                    let text = reply.text().await.unwrap();
                    let name = format!("users,{replica},");
                    let line = text.lines().find(|line| line.starts_with(&name));
                    if line.is_some_and(|line| line.split(',').any(|field| field == "UP")) == is_up
                    {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), seen)
            .await
            .unwrap();
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of restarts of each replica: `ROLLING_RESTARTS`, or two.
fn restarts() -> usize {
    let wanted = std::env::var("ROLLING_RESTARTS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_behind_a_load_balancer_fails_no_request() {
    let database = PostgresDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port()];
    let (redis, uri) = (shared_redis(), database.url());
    let start = async |port: u16| {
        let port = port.to_string();
        let settings = [
            ("PORT", port.as_str()),
            ("REDIS_URL", &redis),
            ("SHUTDOWN_DELAY_SECONDS", "2"),
            ("HTTP_WORKERS", "1"),
        ];
        ServiceProcess::serve(folder.path(), &uri, &settings).await
    };
    let mut replicas = vec![start(ports[0]).await, start(ports[1]).await];
    let balancer = Balancer::start(ports, folder.path());
    let client = user_tests::http_client();
    for port in ports {
        balancer.wait_for_state(port, true).await;
    }

    let is_done = AtomicBool::new(false);
    let (answered, created) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    let load = join_all((0..8).map(async |worker| {
        let mut last = None;
        let mut n = 0;
        while !is_done.load(Ordering::Relaxed) {
            n += 1;
            let (request, expected) = match (n % 4, &last) {
                (0, _) | (_, None) => {
                    let name = format!("roll{worker}x{n}");
                    let body = json!({"username": name, "email": format!("{name}@example.org")});
                    (client.post(balancer.url("/v1/users")).json(&body), 201)
                }
                (1, Some(id)) => {
                    let body = json!({"profile": {"bio": format!("{n}")}});
                    (
                        client
                            .patch(balancer.url(&format!("/v1/users/{id}")))
                            .json(&body),
                        200,
                    )
                }
                (_, Some(id)) => (client.get(balancer.url(&format!("/v1/users/{id}"))), 200),
            };
            match request.bearer_auth(API_TOKEN).send().await {
                Ok(reply) if reply.status() == expected => {
                    let body: Value = reply.json().await.unwrap();
                    last = body["id"].as_str().map(str::to_owned);
                    created.fetch_add(usize::from(expected == 201), Ordering::Relaxed);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(reply) => {
                    let failure = format!("{} {}", reply.status(), reply.text().await.unwrap());
                    failures.lock().unwrap().push(failure);
                }
                Err(error) => failures.lock().unwrap().push(format!("{error:?}")),
            }
        }
    }));
    let rolling = async {
        for _ in 0..restarts() {
            for (place, port) in ports.into_iter().enumerate() {
                let leaving = replicas.remove(0);
                assert_eq!(leaving.terminate().await, Some(0), "replica {place}");
                balancer.wait_for_state(port, false).await;
                replicas.push(start(port).await);
                balancer.wait_for_state(port, true).await;
            }
        }
        is_done.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, rolling);
    let failures = failures.into_inner().unwrap();
    let answered = answered.into_inner();
    assert!(
        failures.is_empty(),
        "{} of {answered}: {failures:#?}",
        failures.len()
    );
    assert!(answered > 100, "{answered}");
    println!(
        "{answered} requests, none failed, over {} restarts",
        2 * restarts()
    );
    let count = client
        .get(balancer.url("/v1/users/count"))
        .bearer_auth(API_TOKEN);
    let count: Value = count.send().await.unwrap().json().await.unwrap();
    assert_eq!(count["count"], json!(created.into_inner()));
}
