//! Redis fails under 32 clients: nobody notices. That nothing old is given for longer than promised is judged here as it
//! is in the tests of the cache, which know more faults of Redis.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use user_tests::RedisReply;

use super::platform::Platform;
use super::trial::{Promise, fault_time, tried};
use super::workload::Workload;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_down_at_the_start_is_not_missed_and_used_once_it_is_there() {
    let mut platform = Platform::without_replicas(&[]).await;
    platform.redis.kill();
    platform.add_replicas(&[]).await;
    for replica in &platform.replicas {
        replica.is_ready().await;
    }
    let workload = Workload::begin(platform.bases()).await;
    let fault = async || {
        sleep(fault_time()).await;
        platform.redis.restart().await;
    };
    let uri = platform.postgres.url();
    tried(
        "Redis down at start",
        &uri,
        &workload,
        Promise::UNNOTICED,
        fault,
    )
    .await;
    let used = Instant::now();
    while platform.redis.keys("user-service:*").await.is_empty() {
        assert!(
            used.elapsed() < Duration::from_secs(20),
            "Redis is not used"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_is_not_missed() {
    let platform = Platform::start().await;
    let fault = async || {
        platform.redis.kill();
        sleep(fault_time()).await;
        platform.redis.restart().await;
    };
    platform
        .tried("Redis killed", Promise::UNNOTICED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_is_not_waited_for() {
    let platform = Platform::start().await;
    let fault = async || {
        platform.redis.pause();
        sleep(fault_time()).await;
        platform.redis.resume();
    };
    platform
        .tried("Redis hung", Promise::UNNOTICED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_slow_is_left_alone() {
    let platform = Platform::start().await;
    let fault = async || {
        platform.link.delay(Duration::from_millis(100));
        sleep(fault_time()).await;
        platform.link.delay(Duration::ZERO);
    };
    platform
        .tried("Redis slow", Promise::UNNOTICED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_to_redis_that_are_reset_again_and_again_are_not_missed() {
    let platform = Platform::start().await;
    let fault = async || {
        let begun = Instant::now();
        while begun.elapsed() < fault_time() {
            platform.link.cut();
            sleep(Duration::from_millis(50)).await;
            platform.link.mend();
            sleep(Duration::from_millis(250)).await;
        }
    };
    platform
        .tried("Redis reset", Promise::UNNOTICED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_of_redis_that_are_lost_are_not_missed() {
    let platform = Platform::start().await;
    let fault = async || {
        platform.link.lose_replies();
        sleep(fault_time()).await;
        platform.link.mend();
    };
    platform
        .tried("replies of Redis lost", Promise::UNNOTICED, fault)
        .await;
}

/// Tries settings of Redis that keep it from serving, and others that end that.
async fn commanded(name: &str, begin: &[&[&str]], end: &[&[&str]]) {
    let platform = Platform::start().await;
    let all = async |commands: &[&[&str]]| {
        for command in commands {
            let reply = platform.redis.command(command).await;
            let is_error = matches!(reply, RedisReply::Error(_));
            assert!(!is_error, "{command:?}: {reply:?}");
        }
    };
    let fault = async || {
        all(begin).await;
        sleep(fault_time()).await;
        all(end).await;
    };
    platform.tried(name, Promise::UNNOTICED, fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_without_a_free_connection_is_not_missed() {
    let platform = Platform::start().await;
    let fault = async || {
        let address = platform.redis.url().replace("redis://", "");
        let mut only = TcpStream::connect(address).await.unwrap();
        let mut told = async |command: &str| {
            only.write_all(format!("{command}\r\n").as_bytes())
                .await
                .unwrap();
            let mut reply = [0; 64];
            let length = only.read(&mut reply).await.unwrap();
            let reply = String::from_utf8_lossy(&reply[..length]).into_owned();
            assert!(reply.starts_with(['+', ':']), "{command}: {reply}");
        };
        told("CONFIG SET maxclients 1").await;
        told("CLIENT KILL TYPE normal SKIPME yes").await;
        told("CLIENT KILL TYPE pubsub SKIPME yes").await;
        sleep(fault_time()).await;
        told("CONFIG SET maxclients 1000").await;
    };
    platform
        .tried("Redis out of connections", Promise::UNNOTICED, fault)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_read_only_is_not_missed() {
    let begin: &[&[&str]] = &[&["REPLICAOF", "127.0.0.1", "1"]];
    let end: &[&[&str]] = &[&["REPLICAOF", "NO", "ONE"]];
    commanded("Redis read-only", begin, end).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_full_is_not_missed() {
    let begin: &[&[&str]] = &[&[
        "CONFIG",
        "SET",
        "maxmemory-policy",
        "noeviction",
        "maxmemory",
        "1",
    ]];
    let end: &[&[&str]] = &[&["CONFIG", "SET", "maxmemory", "0"]];
    commanded("Redis full", begin, end).await;
}
