//! PostgreSQL fails under 32 clients: what is cached is given, the rest is refused in time, and nothing acknowledged is
//! lost or done twice.

use std::time::{Duration, Instant};

use sea_orm::sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::time::sleep;

use super::platform::Platform;
use super::trial::{Promise, fault_time, tried};
use super::workload::Workload;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_down_at_the_start_is_waited_for_and_then_used() {
    let mut platform = Platform::start().await;
    let mut workload = Workload::begin(platform.bases()).await;
    platform.replicas.clear();
    platform.postgres.kill();
    platform.add_replicas(&[]).await;
    for replica in &platform.replicas {
        assert_eq!(replica.readiness().await, Some(503));
    }
    workload.go_to(platform.bases());
    let fault = async || {
        sleep(fault_time()).await;
        platform.postgres.restart().await;
    };
    let uri = platform.postgres.url();
    tried(
        "PostgreSQL down at start",
        &uri,
        &workload,
        Promise::REFUSED,
        fault,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_killed_costs_refusals_until_it_is_back() {
    let platform = Platform::start().await;
    let fault = async || {
        platform.postgres.kill();
        sleep(fault_time()).await;
        platform.postgres.restart().await;
    };
    platform
        .tried("PostgreSQL killed", Promise::CACHED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_crashes_again_and_again_is_used_each_time_it_is_back() {
    let platform = Platform::start().await;
    let fault = async || {
        let begun = Instant::now();
        while begun.elapsed() < fault_time() {
            platform.postgres.crash();
            sleep(Duration::from_millis(700)).await;
        }
    };
    platform
        .tried("PostgreSQL crashing", Promise::CACHED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_hangs_lets_no_answer_wait_past_its_deadline() {
    let platform = Platform::start().await;
    let fault = async || {
        platform.postgres.pause();
        sleep(fault_time()).await;
        platform.postgres.resume();
    };
    platform
        .tried("PostgreSQL hung", Promise::CACHED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_swallows_everything_lets_no_answer_wait_past_its_deadline() {
    let platform = Platform::start().await;
    let fault = async || {
        platform.database.hang();
        sleep(fault_time()).await;
        platform.database.mend();
    };
    platform
        .tried("PostgreSQL silent", Promise::CACHED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_slow_is_given_up_in_time() {
    let platform = Platform::start().await;
    let fault = async || {
        platform.database.delay(Duration::from_millis(300));
        sleep(fault_time()).await;
        platform.database.delay(Duration::ZERO);
    };
    platform
        .tried("PostgreSQL slow", Promise::CACHED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_postgres_that_are_reset_again_and_again_lose_nothing() {
    let platform = Platform::start().await;
    let fault = async || {
        let begun = Instant::now();
        while begun.elapsed() < fault_time() {
            platform.database.cut();
            sleep(Duration::from_millis(50)).await;
            platform.database.mend();
            sleep(Duration::from_millis(250)).await;
        }
    };
    platform
        .tried("PostgreSQL reset", Promise::CACHED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_whose_replies_are_lost_are_done_once_under_their_keys() {
    let platform = Platform::start().await;
    let fault = async || {
        platform.database.lose_replies_to("COMMIT");
        sleep(fault_time()).await;
        platform.database.mend();
    };
    platform
        .tried("replies to COMMIT lost", Promise::CACHED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_without_a_free_connection_costs_refusals_until_it_has_some() {
    let settings = [("DATABASE_MAX_CONNECTIONS", "8")];
    let platform = Platform::start_with(&["max_connections=24"], &settings).await;
    let fault = async || {
        let mut control = platform.postgres.connect().await;
        let mut taken: Vec<PgConnection> = Vec::new();
        while end_those_of_the_service(&mut control).await > 0 {
            while let Ok(connection) = PgConnection::connect(&platform.postgres.url()).await {
                taken.push(connection);
            }
        }
        sleep(fault_time()).await;
        for connection in taken {
            connection.close().await.unwrap();
        }
        control.close().await.unwrap();
    };
    platform
        .tried("PostgreSQL out of connections", Promise::CACHED, fault)
        .await;
}

/// Ends the service's connections and tells how many there were; whoever asks first gets the next.
async fn end_those_of_the_service(connection: &mut PgConnection) -> i64 {
    let ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'user-service'";
    connection.fetch_one(ended).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_is_read_only_is_read_and_refuses_writes() {
    let platform = Platform::start().await;
    let set = async |value: &str| {
        let setting = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        platform.postgres.execute(&setting).await;
        platform.postgres.execute("SELECT pg_reload_conf()").await;
    };
    let fault = async || {
        set("on").await;
        sleep(fault_time()).await;
        set("off").await;
    };
    platform
        .tried("PostgreSQL read-only", Promise::CACHED, fault)
        .await;
}

/// Holds a lock of a whole table, as a migration by hand does.
async fn locked(table: &str) {
    let platform = Platform::start().await;
    let fault = async || {
        let mut holder = platform.postgres.connect().await;
        let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        holder.execute(AssertSqlSafe(lock)).await.unwrap();
        sleep(fault_time()).await;
        holder.execute("ROLLBACK").await.unwrap();
        holder.close().await.unwrap();
    };
    let name = format!("a lock of {table}");
    platform.tried(&name, Promise::CACHED, fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_lock_of_the_users_is_waited_for_no_longer_than_the_deadline() {
    locked("users").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_lock_of_the_outbox_is_waited_for_no_longer_than_the_deadline() {
    locked("events").await;
}
