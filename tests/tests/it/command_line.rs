//! The binary: commands, exit statuses, signals, and the first run.

mod events_tail;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use user_tests::{API_TOKEN, PostgresDatabase, binary, configured, free_port};

pub(crate) fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A process that is killed when this value is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn signal(&self, signal: &str) {
        let pid = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the end of the process and returns its exit status.
    fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(15);
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the process does not end");
    }
}

/// Starts `serve` on a free port and waits until it is ready.
pub(crate) async fn serve(folder: &Path, database_uri: &str) -> (Running, String) {
    let port = free_port();
    let child = configured(folder, database_uri, &["serve"])
        .env("PORT", port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let base = format!("http://127.0.0.1:{port}");
    ready(&base).await;
    (Running(child), base)
}

pub(crate) async fn ready(base: &str) {
    let client = client();
    for _ in 0..300 {
        if client
            .get(format!("{base}/health/ready"))
            .send()
            .await
            .is_ok_and(|reply| reply.status() == 200)
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{base} does not become ready");
}

pub(crate) fn client() -> reqwest::Client {
    user_tests::http_client()
}

async fn create(client: &reqwest::Client, base: &str, name: &str) -> Option<Value> {
    let body = json!({"username": name, "email": format!("{name}@example.org")});
    let sent = client
        .post(format!("{base}/v1/users"))
        .bearer_auth(API_TOKEN)
        .json(&body)
        .send()
        .await
        .ok()?;
    if sent.status() != 201 {
        return None;
    }
    sent.json().await.ok()
}

#[test]
fn all_settings_errors_are_reported_together_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let output = binary(folder.path(), &["serve"])
        .env("JWT_SECRET_KEY", "short-planted")
        .env("PORT", "seventy")
        .env("DATABASE_URI", "mysql://root:planted-password@db/users")
        .env("JWT_LEEWAY_SECONDS", "6")
        .output()
        .unwrap();
    assert_eq!(status(&output), 2);
    let errors = stderr(&output);
    for variable in [
        "JWT_SECRET_KEY",
        "PORT",
        "DATABASE_URI",
        "JWT_LEEWAY_SECONDS",
    ] {
        assert!(
            errors.contains(variable),
            "{variable} is missing in {errors}"
        );
    }
    assert!(!errors.contains("planted"), "{errors}");
    assert!(stdout(&output).is_empty());
}

#[test]
fn redis_without_a_database_and_a_missing_key_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = binary(folder.path(), &["check-settings"])
        .env("REDIS_URL", "redis://localhost")
        .output()
        .unwrap();
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).contains("DATABASE_URI") && stderr(&output).contains("JWT_SECRET_KEY"));
}

#[test]
fn valid_settings_are_described_and_misuse_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let output = configured(folder.path(), "sqlite:///users.db", &["check-settings"])
        .output()
        .unwrap();
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).contains("the settings are valid"));
    assert!(!stdout(&output).contains(API_TOKEN));
    assert_eq!(
        status(
            &binary(folder.path(), &["no-such-command"])
                .output()
                .unwrap()
        ),
        2
    );
}

#[test]
fn the_openapi_command_prints_the_document_without_any_setting() {
    let folder = tempfile::tempdir().unwrap();
    let output = binary(folder.path(), &["openapi"]).output().unwrap();
    assert_eq!(status(&output), 0);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn the_asyncapi_command_prints_the_document_without_any_setting() {
    let folder = tempfile::tempdir().unwrap();
    let output = binary(folder.path(), &["asyncapi"]).output().unwrap();
    assert_eq!(status(&output), 0);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["asyncapi"], json!("3.0.0"));
}

#[test]
fn migrations_are_pending_until_they_are_applied() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        configured(folder.path(), "sqlite:///users.db", arguments)
            .output()
            .unwrap()
    };
    let before = run(&["migrate", "status"]);
    assert_eq!(status(&before), 1, "{}", stderr(&before));
    assert!(stdout(&before).contains("users"));
    assert_eq!(status(&run(&["migrate", "up"])), 0);
    assert_eq!(status(&run(&["migrate", "status"])), 0);
    assert_eq!(stdout(&run(&["migrate", "up"])), "");
}

#[tokio::test]
async fn a_command_grants_the_admin_role_while_the_service_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (_running, base) = serve(folder.path(), "sqlite:///users.db").await;
    let user = create(&client(), &base, "founder").await.unwrap();
    let run = |arguments: &[&str]| {
        configured(folder.path(), "sqlite:///users.db", arguments)
            .output()
            .unwrap()
    };
    let granted = run(&["user", "grant-role", "Founder", "admin"]);
    assert_eq!(status(&granted), 0, "{}", stderr(&granted));
    assert_eq!(
        stdout(&granted).trim(),
        format!("{} founder admin", user["id"].as_str().unwrap())
    );
    assert_eq!(
        status(&run(&[
            "user",
            "grant-role",
            "founder@example.org",
            "admin"
        ])),
        0
    );
    assert_eq!(status(&run(&["user", "grant-role", "nobody", "admin"])), 1);
    assert_eq!(
        status(&run(&["user", "grant-role", "founder", "Not A Role"])),
        2
    );

    let mut claims = user_tests::claims(user["id"].as_str().unwrap());
    claims["roles"] = json!(["admin"]);
    let token = user_tests::sign(&claims);
    let list = || {
        client()
            .get(format!("{base}/v1/users"))
            .bearer_auth(&token)
            .send()
    };
    // The service sees writes of other processes within a second.
    let granted = Instant::now();
    while list().await.unwrap().status() != 200 {
        assert!(granted.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_health_check_fails_without_a_running_service() {
    let folder = tempfile::tempdir().unwrap();
    let (mut running, base) = serve(folder.path(), "sqlite:///users.db").await;
    let port = base.rsplit_once(':').unwrap().1.to_owned();
    let check = || {
        let mut command = configured(folder.path(), "sqlite:///users.db", &["healthcheck"]);
        status(&command.env("PORT", &port).output().unwrap())
    };
    assert_eq!(check(), 0);
    running.signal("TERM");
    assert_eq!(running.end(), Some(0));
    assert_eq!(check(), 1);
}

#[tokio::test]
async fn a_terminated_service_answers_accepted_requests_and_exits_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let (mut running, base) = serve(folder.path(), "sqlite:///users.db").await;
    let client = client();
    let requests: Vec<_> = (0..40)
        .map(|n| {
            let (client, base) = (client.clone(), base.clone());
            tokio::spawn(async move { create(&client, &base, &format!("late{n}")).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(30)).await;
    running.signal("TERM");
    let mut answered = 0;
    for request in requests {
        answered += usize::from(request.await.unwrap().is_some());
    }
    assert_eq!(running.end(), Some(0));
    let (_again, base) = serve(folder.path(), "sqlite:///users.db").await;
    let count = client
        .get(format!("{base}/v1/users/count"))
        .bearer_auth(API_TOKEN)
        .send()
        .await
        .unwrap();
    let count: Value = count.json().await.unwrap();
    assert_eq!(
        count["count"], answered,
        "exactly the acknowledged users are stored"
    );
}

#[tokio::test]
async fn a_terminated_service_is_unready_and_serves_during_its_delay() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let child = configured(folder.path(), "sqlite:///users.db", &["serve"])
        .env("PORT", port.to_string())
        .env("SHUTDOWN_DELAY_SECONDS", "2")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut running, base) = (Running(child), format!("http://127.0.0.1:{port}"));
    ready(&base).await;
    running.signal("TERM");
    let client = client();
    let not_ready = async {
        loop {
            let reply = client.get(format!("{base}/health/ready")).send().await;
            if reply.unwrap().status() == 503 {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(1), not_ready)
        .await
        .unwrap();
    assert!(create(&client, &base, "latecomer").await.is_some());
    assert_eq!(running.end(), Some(0));
}

async fn assert_a_kill_loses_no_acknowledged_user(folder: &Path, uri: &str) {
    let (mut running, base) = serve(folder, uri).await;
    let client = client();
    let acknowledgements = Arc::new(Semaphore::new(0));
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let (client, base, counter) = (client.clone(), base.clone(), acknowledgements.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for n in 0..125 {
                    match create(&client, &base, &format!("w{worker}.n{n}")).await {
                        Some(user) => acknowledged.push(user["id"].as_str().unwrap().to_owned()),
                        None => break,
                    }
                    counter.add_permits(1);
                }
                acknowledged
            })
        })
        .collect();
    drop(acknowledgements.acquire_many(100).await.unwrap());
    running.0.kill().unwrap();
    running.0.wait().unwrap();
    let mut acknowledged = BTreeSet::new();
    for worker in workers {
        acknowledged.extend(worker.await.unwrap());
    }
    assert!(
        acknowledged.len() < 1000,
        "the kill came too late to prove anything"
    );

    let (_again, base) = serve(folder, uri).await;
    let mut stored = BTreeSet::new();
    let mut path = "/v1/users?limit=200&sort=created_at".to_owned();
    loop {
        let page = client
            .get(format!("{base}{path}"))
            .bearer_auth(API_TOKEN)
            .send()
            .await
            .unwrap();
        let page: Value = page.json().await.unwrap();
        stored.extend(
            page["users"]
                .as_array()
                .unwrap()
                .iter()
                .map(|user| user["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/users?limit=200&sort=created_at&cursor={cursor}"),
            None => break,
        }
    }
    assert!(
        acknowledged.is_subset(&stored),
        "an acknowledged user is lost"
    );
    for id in &stored {
        let export = client
            .get(format!("{base}/v1/users/{id}/export"))
            .bearer_auth(API_TOKEN)
            .send()
            .await
            .unwrap();
        let export: Value = export.json().await.unwrap();
        assert_eq!(
            export["events"].as_array().unwrap().len(),
            1,
            "{id} has no event"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_no_acknowledged_user_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    assert_a_kill_loses_no_acknowledged_user(folder.path(), "sqlite:///users.db").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_no_acknowledged_user_on_postgres() {
    let folder = tempfile::tempdir().unwrap();
    let database = PostgresDatabase::create().await;
    assert_a_kill_loses_no_acknowledged_user(folder.path(), &database.url()).await;
}

#[test]
fn a_used_port_is_reported_in_one_line_with_an_alternative() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let other = port.checked_add(1).unwrap_or(port - 1);
    let expected = |variable: &str| {
        format!(
            "cannot listen on 127.0.0.1:{port}: another program uses this port; choose another one, \
             for example {variable}={other}"
        )
    };
    for (command, variable) in [
        ("dev", "PORT"),
        ("serve", "PORT"),
        ("serve", "MANAGEMENT_PORT"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut started = match command {
            "dev" => binary(folder.path(), &["dev"]),
            _ => configured(folder.path(), "sqlite:///users.db", &["serve"]),
        };
        let output = started
            .env("PORT", "0")
            .env(variable, port.to_string())
            .env("LOG_LEVEL", "error")
            .output()
            .unwrap();
        assert_eq!(status(&output), 1, "{command} {variable}");
        let errors = stderr(&output);
        assert!(errors.contains(&expected(variable)), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert_eq!(stdout(&output), "");
    }
}

/// Starts `dev`, and returns its output up to the line with the location of the data.
pub(crate) fn dev(folder: &Path, port: u16) -> (Running, Vec<String>) {
    let mut child = binary(folder, &["dev"])
        .env("PORT", port.to_string())
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let last = line.starts_with("the data:");
        lines.push(line);
        if last {
            break;
        }
    }
    (Running(child), lines)
}

#[test]
fn dev_prints_working_commands_and_keeps_data_and_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    std::fs::write(
        folder.path().join(".env"),
        "JWT_SECRET_KEY=x\nDATABASE_URI=nonsense\n",
    )
    .unwrap();
    let (mut running, first) = dev(folder.path(), port);
    for label in ["user token:", "administrator token:", "service token:"] {
        assert!(
            first.iter().any(|line| line.starts_with(label)),
            "{label} is missing in {first:?}"
        );
    }
    let calls: Vec<&String> = first
        .iter()
        .filter(|line| line.starts_with("curl "))
        .collect();
    assert!(calls.len() >= 3);
    for call in calls {
        assert!(call.contains(&format!(":{port}/")), "{call}");
        let output = Command::new("sh")
            .args(["-c", &format!("{call} --fail-with-body")])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{call}: {}{}",
            stdout(&output),
            stderr(&output)
        );
        serde_json::from_slice::<Value>(&output.stdout).unwrap();
    }
    running.signal("INT");
    assert_eq!(running.end(), Some(0));

    let (_running, second) = dev(folder.path(), port);
    assert_eq!(first, second);
    let me = second
        .iter()
        .find(|line| line.contains("/v1/users/me") && !line.contains("PATCH"))
        .unwrap();
    let output = Command::new("sh").args(["-c", me]).output().unwrap();
    let me: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(me["profile"]["bio"], "I am new here.");
}
