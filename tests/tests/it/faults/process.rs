//! Faults of the service itself: killed and paused replicas, exhausted file descriptors, and concurrent migrations.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::sqlx::{self, Row};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::sleep;
use user_tests::{API_TOKEN, PostgresDatabase, RestartableService, program};

use super::platform::Platform;
use super::trial::{Expectation, Expectations, fault_duration, run_trial};
use super::workload::Workload;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_replicas_lose_no_acknowledged_write() {
    let platform = Platform::start().await;
    let fault = async || {
        for killed in [0, 1, 0] {
            let replica = &platform.replicas[killed];
            replica.kill();
            sleep(Duration::from_millis(200)).await;
            replica.restart().await;
            sleep(fault_duration() / 3).await;
        }
    };
    platform
        .run_trial("a replica killed", Expectations::BROKEN_CONNECTIONS, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resumed_replica_serves_no_stale_data() {
    let platform = Platform::start().await;
    // A connection that was accepted more than 5 s ago without a request is closed when the replica resumes.
    let expected = &[
        Expectation::BrokenConnections,
        Expectation::EachGroupSucceeds,
    ];
    let expectations = Expectations::of(expected).with_pause(fault_duration());
    let fault = async || {
        platform.replicas[0].signal("STOP");
        sleep(fault_duration()).await;
        platform.replicas[0].signal("CONT");
    };
    platform
        .run_trial("a replica paused", expectations, fault)
        .await;
}

/// The file descriptor limit of the service: a few more than it needs for itself, its pools and 32 clients.
const DESCRIPTORS: usize = 128;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_short_of_file_descriptors_closes_idle_connections() {
    let mut platform = Platform::without_replicas(&[]).await;
    let before = format!("ulimit -n {DESCRIPTORS}");
    let limited = platform.start_program(&program(), &[], &before).await;
    limited.wait_until_ready().await;
    platform.replicas.push(limited);
    // The service may close an idle connection just when its client sends the next request.
    let expected = &[
        Expectation::BrokenConnections,
        Expectation::EachGroupSucceeds,
        Expectation::CachedReadsSucceed,
    ];
    let expectations = Expectations::of(expected).with_pause(fault_duration());
    let replica = &platform.replicas[0];
    let fault = async || {
        let connections = (0..2 * DESCRIPTORS).map(|_| TcpStream::connect(replica.address()));
        let idle: Vec<TcpStream> = join_all(connections)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let health = user_tests::http_client()
            .get(replica.url("/health/live"))
            .send()
            .await
            .unwrap();
        assert_eq!(health.status(), 200);
        sleep(fault_duration()).await;
        assert!(replica.is_alive());
        // Clients must not use all descriptors: the database connections need some.
        let log = replica.log();
        assert!(!log.contains("Too many open files"), "{log}");
        drop(idle);
    };
    platform
        .run_trial("out of file descriptors", expectations, fault)
        .await;
}

/// For example, because the disk is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_unwritable_log_fails_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LOG_LEVEL", "info")];
    let before = "exec 2>/dev/full";
    let uri = "sqlite:///users.db";
    let process =
        RestartableService::start_program(&program(), folder.path(), uri, &settings, before).await;
    for path in ["/health/live", "/v1/users/me", "/nowhere"] {
        let reply = user_tests::http_client()
            .get(process.url(path))
            .send()
            .await;
        assert!(reply.is_ok(), "{path}: {reply:?}");
    }
    assert!(process.is_alive());
}

/// The lines of these requests need more than the 64 KiB of a pipe.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_reader_that_stops_delays_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LOG_LEVEL", "info")];
    // The process itself keeps the pipe open. At first nothing reads it.
    let before = "mkfifo log; exec 2<>log";
    let uri = "sqlite:///users.db";
    let process =
        RestartableService::start_program(&program(), folder.path(), uri, &settings, before).await;
    let client = user_tests::http_client();
    for _ in 0..1_000 {
        let request = client.get(process.url("/v1/users/me"));
        let reply = request.timeout(Duration::from_secs(5)).send().await;
        assert_eq!(reply.unwrap().status(), 401);
    }
    let metrics = client.get(process.url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("log_lines_dropped_total 0"), "{metrics}");
    let reading = tokio::spawn(tokio::fs::read_to_string(folder.path().join("log")));
    sleep(Duration::from_millis(200)).await;
    process.signal("TERM");
    let log = reading.await.unwrap().unwrap();
    let lines = log.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines.map(Result::unwrap).collect();
    let requests = lines.iter().filter(|line| line["route"] == "/v1/users/me");
    assert_eq!(requests.count(), 1_000);
    assert_eq!(lines.last().unwrap()["message"], "stopped");
}

/// Starts processes concurrently on an empty database, and asserts that all become ready.
async fn assert_all_migrate(folder: &Path, uri: &str, processes: usize) {
    let started = (0..processes).map(|_| RestartableService::start(folder, uri, &[]));
    for process in join_all(started).await {
        process.wait_until_ready().await;
        let log = process.log();
        assert!(!log.contains("ERROR"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_migrations_apply_each_migration_once() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let database = PostgresDatabase::create_empty().await;
        assert_all_migrate(folder.path(), &database.url(), 3).await;
        let mut connection = database.connect().await;
        let counts = "SELECT (SELECT count(*) FROM seaql_migrations), (SELECT count(*) FROM store)";
        let row = sqlx::query(counts)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        let all = i64::try_from(user_migrations::all().len()).unwrap();
        assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (all, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_migrations_of_one_sqlite_file_all_succeed() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        assert_all_migrate(folder.path(), "sqlite:///users.db", 2).await;
    }
}

/// The binary of the previous release, if the environment names it.
fn previous_release() -> Option<std::path::PathBuf> {
    let named = std::env::var_os("TEST_PREVIOUS_RELEASE").filter(|path| !path.is_empty());
    named.map(std::path::PathBuf::from)
}

#[expect(
    clippy::print_stderr,
    reason = "the person that runs the tests must see it"
)]
fn report_skipped() {
    eprintln!(
        "TEST_PREVIOUS_RELEASE names no binary: the tests with the previous release were SKIPPED. \
        `scripts/test` builds it if git has its commit."
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_previous_release_works_on_the_current_schema() {
    let Some(previous) = previous_release() else {
        return report_skipped();
    };
    let mut platform = Platform::without_replicas(&[]).await;
    let current = platform.start_replica(&[]).await;
    current.wait_until_ready().await;
    platform.replicas.push(current);
    let older = platform.start_program(&previous, &[], "").await;
    older.wait_until_ready().await;
    platform.replicas.push(older);
    let fault = async || sleep(fault_duration()).await;
    platform
        .run_trial(
            "the previous release beside this one",
            Expectations::NO_EFFECT,
            fault,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_release_migrates_while_the_previous_one_serves() {
    let Some(previous) = previous_release() else {
        return report_skipped();
    };
    let mut platform = Platform::without_replicas(&[]).await;
    let older = platform.start_program(&previous, &[], "").await;
    older.wait_until_ready().await;
    platform.replicas.push(older);
    let mut connection = platform.postgres.connect().await;
    let count = sqlx::query("SELECT count(*) FROM seaql_migrations");
    let applied: i64 = count.fetch_one(&mut connection).await.unwrap().get(0);
    let is_pending = usize::try_from(applied).unwrap() < user_migrations::all().len();

    let waiting = platform
        .start_replica(&[("MIGRATE_ON_START", "False")])
        .await;
    let mut statuses = Vec::new();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        statuses.push(waiting.readiness().await);
        sleep(Duration::from_millis(100)).await;
    }
    let expected = if is_pending { 503 } else { 200 };
    assert_eq!(statuses.last(), Some(&Some(expected)), "{statuses:?}");

    // While clients use the previous release, this one migrates and starts to serve.
    let workload = Workload::begin(platform.base_urls()).await;
    workload.warm_up().await;
    let fault = async || {
        let current = platform.start_replica(&[]).await;
        current.wait_until_ready().await;
        waiting.wait_until_ready().await;
        sleep(fault_duration()).await;
    };
    let uri = platform.postgres.url();
    let name = "a migration beside the previous release";
    run_trial(name, &uri, &workload, Expectations::NO_EFFECT, fault).await;
}

/// Both releases must count the same changes as versions, and the writes of one must reach the caches of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_and_revisions_stay_correct_beside_the_previous_release() {
    let Some(previous) = previous_release() else {
        return report_skipped();
    };
    let platform = Platform::without_replicas(&[]).await;
    let current = platform.start_replica(&[]).await;
    current.wait_until_ready().await;
    let older = platform.start_program(&previous, &[], "").await;
    older.wait_until_ready().await;
    let client = user_tests::http_client();
    let send = async |request: reqwest::RequestBuilder| -> Value {
        let reply = request.bearer_auth(API_TOKEN).send().await.unwrap();
        let status = reply.status();
        let text = reply.text().await.unwrap();
        assert!(status.is_success(), "{status} {text}");
        serde_json::from_str(&text).unwrap()
    };
    let body = json!({"username": "alice", "email": "alice@example.org"});
    let user = send(client.post(current.url("/v1/users")).json(&body)).await;
    let path = format!("/v1/users/{}", user["id"].as_str().unwrap());
    let steps = [
        (&current, "sign-out", 1),
        (&older, "patch", 2),
        (&current, "sign-out", 2),
        (&older, "sign-out", 2),
        (&older, "patch", 3),
        (&current, "patch", 4),
    ];
    for ((replica, what, version), revision) in steps.into_iter().zip(2..) {
        let request = if what == "sign-out" {
            client.post(replica.url(&format!("{path}/sign-out")))
        } else {
            let body = json!({"profile": {"bio": format!("{revision}")}});
            client.patch(replica.url(&path)).json(&body)
        };
        let written = send(request).await;
        for reader in [&current, &older] {
            let current_read = client
                .get(reader.url(&path))
                .header("Cache-Control", "no-cache");
            let read = send(current_read).await;
            assert_eq!(read["version"], version, "{what} as revision {revision}");
            assert_eq!(read["profile"], written["profile"]);
            let started = Instant::now();
            while send(client.get(reader.url(&path))).await != read {
                assert!(
                    started.elapsed() < Duration::from_secs(20),
                    "{what}: the cache is stale"
                );
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
