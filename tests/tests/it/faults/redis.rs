//! Faults of Redis while 32 clients read and write: clients see no effect. The staleness of reads is checked here as in
//! the tests of the cache, which cover more faults of Redis.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::platform::{Platform, reset_repeatedly, run_fault};
use super::trial::{Expectations, fault_duration, run_trial};
use super::workload::Workload;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_starts_late_is_used_without_a_restart() {
    let mut platform = Platform::without_replicas(&[]).await;
    platform.redis.kill();
    platform.add_replicas(&[]).await;
    for replica in &platform.replicas {
        replica.wait_until_ready().await;
    }
    let workload = Workload::begin(platform.base_urls()).await;
    let fault = async || {
        sleep(fault_duration()).await;
        platform.redis.restart().await;
    };
    let uri = platform.postgres.url();
    run_trial(
        "Redis down at start",
        &uri,
        &workload,
        Expectations::NO_EFFECT,
        fault,
    )
    .await;
    let started = Instant::now();
    while platform.redis.keys("user-service:*").await.is_empty() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "Redis is not used"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_has_no_effect_on_clients() {
    let begin = async |platform: &Platform| platform.redis.kill();
    let end = async |platform: &Platform| platform.redis.restart().await;
    run_fault("Redis killed", Expectations::NO_EFFECT, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_redis_has_no_effect_on_clients() {
    let begin = async |platform: &Platform| platform.redis.pause();
    let end = async |platform: &Platform| platform.redis.resume();
    run_fault("Redis hung", Expectations::NO_EFFECT, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_redis_has_no_effect_on_clients() {
    let begin = async |platform: &Platform| platform.redis_proxy.delay(Duration::from_millis(100));
    let end = async |platform: &Platform| platform.redis_proxy.delay(Duration::ZERO);
    run_fault("Redis slow", Expectations::NO_EFFECT, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_resets_of_redis_connections_have_no_effect_on_clients() {
    let platform = Platform::start().await;
    let fault = async || reset_repeatedly(&platform.redis_proxy).await;
    platform
        .run_trial("Redis reset", Expectations::NO_EFFECT, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_redis_replies_have_no_effect_on_clients() {
    let begin = async |platform: &Platform| platform.redis_proxy.lose_replies();
    let end = async |platform: &Platform| platform.redis_proxy.clear_faults();
    run_fault("replies of Redis lost", Expectations::NO_EFFECT, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_free_connections_has_no_effect_on_clients() {
    let platform = Platform::start().await;
    let fault = async || {
        let address = platform.redis.url().replace("redis://", "");
        let mut only = TcpStream::connect(address).await.unwrap();
        let mut send = async |command: &str| {
            only.write_all(format!("{command}\r\n").as_bytes())
                .await
                .unwrap();
            let mut reply = [0; 64];
            let length = only.read(&mut reply).await.unwrap();
            let reply = String::from_utf8_lossy(&reply[..length]).into_owned();
            assert!(reply.starts_with(['+', ':']), "{command}: {reply}");
        };
        send("CONFIG SET maxclients 1").await;
        send("CLIENT KILL TYPE normal SKIPME yes").await;
        send("CLIENT KILL TYPE pubsub SKIPME yes").await;
        sleep(fault_duration()).await;
        send("CONFIG SET maxclients 1000").await;
    };
    platform
        .run_trial("Redis out of connections", Expectations::NO_EFFECT, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_redis_has_no_effect_on_clients() {
    let begin = async |platform: &Platform| {
        let replicate = ["REPLICAOF", "127.0.0.1", "1"];
        platform.redis.succeed(&replicate).await;
    };
    let end = async |platform: &Platform| {
        platform.redis.succeed(&["REPLICAOF", "NO", "ONE"]).await;
    };
    run_fault("Redis read-only", Expectations::NO_EFFECT, begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_has_no_effect_on_clients() {
    let begin = async |platform: &Platform| platform.redis.fill_memory().await;
    let end = async |platform: &Platform| platform.redis.free_memory().await;
    run_fault("Redis full", Expectations::NO_EFFECT, begin, end).await;
}
