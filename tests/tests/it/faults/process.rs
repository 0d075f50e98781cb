//! The service's own processes fail: they are killed under writes, stand still, have no file descriptor left, and migrate
//! at once.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sea_orm::sqlx::{self, Row};
use tokio::net::TcpStream;
use tokio::time::sleep;
use user_tests::{PostgresDatabase, Served, program};

use super::platform::Platform;
use super::trial::{Clause, Promise, fault_time, tried};
use super::workload::Workload;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_killed_in_turn_lose_nothing_acknowledged() {
    let platform = Platform::start().await;
    let fault = async || {
        for killed in [0, 1, 0] {
            let replica = &platform.replicas[killed];
            replica.kill();
            sleep(Duration::from_millis(200)).await;
            replica.restart().await;
            sleep(fault_time() / 3).await;
        }
    };
    platform
        .tried("a replica killed", Promise::BROKEN, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_stands_still_and_goes_on_gives_nothing_old() {
    let platform = Platform::start().await;
    let promise = Promise::of(&[Clause::AllGoOn]).with_standstill(fault_time());
    let fault = async || {
        platform.replicas[0].signal("STOP");
        sleep(fault_time()).await;
        platform.replicas[0].signal("CONT");
    };
    platform.tried("a replica paused", promise, fault).await;
}

/// The file descriptors that a starved service has: a few more than it needs for itself, its pools and 32 clients.
const DESCRIPTORS: usize = 128;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_few_descriptors_keeps_some_for_itself_and_answers_who_has_to_wait_later() {
    let mut platform = Platform::without_replicas(&[]).await;
    let before = format!("ulimit -n {DESCRIPTORS}");
    let starved = platform.another_so(&program(), &[], &before).await;
    starved.is_ready().await;
    platform.replicas.push(starved);
    // Who is not accepted yet waits as long as the fault lasts.
    let promise = Promise::of(&[Clause::AllGoOn, Clause::CachedGoOn]).with_standstill(fault_time());
    let replica = &platform.replicas[0];
    let fault = async || {
        let connections = (0..2 * DESCRIPTORS).map(|_| TcpStream::connect(replica.address()));
        let idle: Vec<TcpStream> = join_all(connections)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let waiting = tokio::spawn(reqwest::get(replica.url("/health/live")));
        sleep(fault_time()).await;
        assert!(replica.is_alive());
        // Clients may not have them all: the database needs some.
        let log = replica.log();
        assert!(!log.contains("Too many open files"), "{log}");
        assert!(!waiting.is_finished(), "there is room for all");
        drop(idle);
        assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    };
    platform
        .tried("out of file descriptors", promise, fault)
        .await;
}

/// Such as one on a disk that is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_log_that_cannot_be_written_costs_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LOG_LEVEL", "info")];
    let before = "exec 2>/dev/full";
    let uri = "sqlite:///users.db";
    let served = Served::start_so(&program(), folder.path(), uri, &settings, before).await;
    for path in ["/health/live", "/v1/users/me", "/nowhere"] {
        let reply = reqwest::get(served.url(path)).await;
        assert!(reply.is_ok(), "{path}: {reply:?}");
    }
    assert!(served.is_alive());
}

/// Starts processes at once on an empty database, and asserts that all become ready on one schema.
async fn all_migrate(folder: &Path, uri: &str, processes: usize) {
    let started = (0..processes).map(|_| Served::start(folder, uri, &[]));
    for served in join_all(started).await {
        served.is_ready().await;
        let log = served.log();
        assert!(!log.contains("ERROR"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_migrate_at_once_apply_each_migration_once() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let database = PostgresDatabase::create_empty().await;
        all_migrate(folder.path(), &database.url(), 3).await;
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
async fn processes_that_migrate_one_file_at_once_all_become_ready() {
    for _ in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        all_migrate(folder.path(), "sqlite:///users.db", 2).await;
    }
}

/// The binary of the release before this one, if the environment names it.
fn previous_release() -> Option<std::path::PathBuf> {
    let named = std::env::var_os("TEST_PREVIOUS_RELEASE").filter(|path| !path.is_empty());
    named.map(std::path::PathBuf::from)
}

#[expect(clippy::print_stderr, reason = "somebody has to know")]
fn tell_that_it_was_not_tried() {
    eprintln!(
        "TEST_PREVIOUS_RELEASE names no binary: the previous release was NOT tried beside this one. \
         `scripts/test` builds it where git has its commit."
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_previous_release_serves_on_the_schema_of_this_one_beside_it() {
    let Some(previous) = previous_release() else {
        return tell_that_it_was_not_tried();
    };
    let mut platform = Platform::without_replicas(&[]).await;
    let current = platform.another(&[]).await;
    current.is_ready().await;
    platform.replicas.push(current);
    let older = platform.another_so(&previous, &[], "").await;
    older.is_ready().await;
    platform.replicas.push(older);
    let fault = async || sleep(fault_time()).await;
    platform
        .tried(
            "the previous release beside this one",
            Promise::UNNOTICED,
            fault,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_release_waits_for_its_schema_where_the_previous_one_serves_and_then_stands_beside_it()
{
    let Some(previous) = previous_release() else {
        return tell_that_it_was_not_tried();
    };
    let mut platform = Platform::without_replicas(&[]).await;
    let older = platform.another_so(&previous, &[], "").await;
    older.is_ready().await;
    platform.replicas.push(older);
    let mut connection = platform.postgres.connect().await;
    let count = sqlx::query("SELECT count(*) FROM seaql_migrations");
    let applied: i64 = count.fetch_one(&mut connection).await.unwrap().get(0);
    let is_pending = usize::try_from(applied).unwrap() < user_migrations::all().len();

    let waiting = platform.another(&[("MIGRATE_ON_START", "False")]).await;
    let mut statuses = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        statuses.push(waiting.readiness().await);
        sleep(Duration::from_millis(100)).await;
    }
    let expected = if is_pending { 503 } else { 200 };
    assert_eq!(statuses.last(), Some(&Some(expected)), "{statuses:?}");

    // While clients of the previous release read and write, this one migrates and joins.
    let workload = Workload::begin(platform.bases()).await;
    workload.warm_up().await;
    let fault = async || {
        let current = platform.another(&[]).await;
        current.is_ready().await;
        waiting.is_ready().await;
        sleep(fault_time()).await;
    };
    let uri = platform.postgres.url();
    let name = "a migration beside the previous release";
    tried(name, &uri, &workload, Promise::UNNOTICED, fault).await;
}
