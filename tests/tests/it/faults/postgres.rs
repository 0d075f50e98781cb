//! Faults of PostgreSQL while 32 clients read and write: reads of cached users succeed, other requests are refused
//! before their deadline, and no acknowledged write is lost or applied twice.

use std::time::{Duration, Instant};

use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::time::sleep;

use super::platform::{Platform, reset_repeatedly, run_fault};
use super::trial::{Expectations, fault_duration, run_trial};
use super::workload::Workload;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_starts_late_is_used_without_a_restart() {
    let mut platform = Platform::start().await;
    let mut workload = Workload::begin(platform.base_urls()).await;
    platform.replicas.clear();
    platform.postgres.kill();
    platform.add_replicas(&[]).await;
    for replica in &platform.replicas {
        assert_eq!(replica.readiness().await, Some(503));
    }
    workload.set_base_urls(platform.base_urls());
    let fault = async || {
        sleep(fault_duration()).await;
        platform.postgres.restart().await;
    };
    let uri = platform.postgres.url();
    run_trial(
        "PostgreSQL down at start",
        &uri,
        &workload,
        Expectations::REFUSALS,
        fault,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_postgres_causes_503s_until_it_restarts() {
    let begin = async |platform: &Platform| platform.postgres.kill();
    let end = async |platform: &Platform| platform.postgres.restart().await;
    run_fault("PostgreSQL killed", Expectations::CACHED_READS, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeatedly_crashing_postgres_is_used_after_each_restart() {
    let platform = Platform::start().await;
    let fault = async || {
        let started = Instant::now();
        while started.elapsed() < fault_duration() {
            platform.postgres.crash();
            sleep(Duration::from_millis(700)).await;
        }
    };
    platform
        .run_trial("PostgreSQL crashing", Expectations::CACHED_READS, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_postgres_delays_no_response_past_its_deadline() {
    let begin = async |platform: &Platform| platform.postgres.pause();
    let end = async |platform: &Platform| platform.postgres.resume();
    run_fault("PostgreSQL hung", Expectations::CACHED_READS, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_delays_no_response_past_its_deadline() {
    let begin = async |platform: &Platform| platform.postgres_proxy.hang();
    let end = async |platform: &Platform| platform.postgres_proxy.clear_faults();
    run_fault("PostgreSQL silent", Expectations::CACHED_READS, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_postgres_delays_no_response_past_its_deadline() {
    let begin =
        async |platform: &Platform| platform.postgres_proxy.delay(Duration::from_millis(300));
    let end = async |platform: &Platform| platform.postgres_proxy.delay(Duration::ZERO);
    run_fault("PostgreSQL slow", Expectations::CACHED_READS, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_resets_of_postgres_connections_lose_no_write() {
    let platform = Platform::start().await;
    let fault = async || reset_repeatedly(&platform.postgres_proxy).await;
    platform
        .run_trial("PostgreSQL reset", Expectations::CACHED_READS, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_with_lost_replies_take_effect_once_per_key() {
    let begin = async |platform: &Platform| platform.postgres_proxy.lose_replies_to("COMMIT");
    let end = async |platform: &Platform| platform.postgres_proxy.clear_faults();
    let name = "replies to COMMIT lost";
    run_fault(name, Expectations::CACHED_READS, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_without_free_connections_causes_503s() {
    let settings = [("DATABASE_MAX_CONNECTIONS", "8")];
    let platform = Platform::start_with(&["max_connections=24"], &settings).await;
    let fault = async || {
        let mut control = platform.postgres.connect().await;
        let mut taken: Vec<PgConnection> = Vec::new();
        while end_service_connections(&mut control).await > 0 {
            while let Ok(connection) = PgConnection::connect(&platform.postgres.url()).await {
                taken.push(connection);
            }
        }
        sleep(fault_duration()).await;
        for connection in taken {
            connection.close().await.unwrap();
        }
        control.close().await.unwrap();
    };
    platform
        .run_trial(
            "PostgreSQL out of connections",
            Expectations::CACHED_READS,
            fault,
        )
        .await;
}

/// Ends the connections of the service and returns their number. A new connection of the test or of the service can
/// then take their place.
async fn end_service_connections(connection: &mut PgConnection) -> i64 {
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'user-service'";
    connection.fetch_one(ended).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_postgres_serves_reads_and_refuses_writes() {
    let set = async |platform: &Platform, value: &str| {
        let setting = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        platform.postgres.execute(&setting).await;
        platform.postgres.execute("SELECT pg_reload_conf()").await;
    };
    let begin = async |platform: &Platform| set(platform, "on").await;
    let end = async |platform: &Platform| set(platform, "off").await;
    let name = "PostgreSQL read-only";
    run_fault(name, Expectations::CACHED_READS, begin, end).await;
}

/// Holds an exclusive lock on a table, like a manual migration.
async fn run_table_lock(table: &str) {
    let platform = Platform::start().await;
    let fault = async || {
        let mut holder = platform.postgres.connect().await;
        let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        holder.execute(AssertSqlSafe(lock)).await.unwrap();
        sleep(fault_duration()).await;
        holder.execute("ROLLBACK").await.unwrap();
        holder.close().await.unwrap();
    };
    let name = format!("a lock of {table}");
    platform
        .run_trial(&name, Expectations::CACHED_READS, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_users_table_delays_no_response_past_its_deadline() {
    run_table_lock("users").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_events_table_delays_no_response_past_its_deadline() {
    run_table_lock("events").await;
}
