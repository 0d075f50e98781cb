//! Behaviour of each cache tier without faults.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use user_tests::{Cluster, RedisServer, Reply, Store, TestApp, configured, on_each_store};

use super::{REDIS_ONLY, redis_only};

/// The time within which an expected state must appear.
const TIMEOUT: Duration = Duration::from_secs(10);

fn id_of(user: &Value) -> String {
    user["id"].as_str().unwrap().to_owned()
}

async fn read(app: &TestApp, id: &str) -> Reply {
    app.service().get(&format!("/v1/users/{id}")).await
}

/// Reads until the response comes from this source.
async fn read_until(app: &TestApp, id: &str, source: &str) -> Reply {
    let started = Instant::now();
    loop {
        let reply = read(app, id).await;
        assert_eq!(reply.status, 200);
        if reply.header("cache-status") == format!("user-service; {source}") {
            return reply;
        }
        let last = reply.header("cache-status");
        assert!(started.elapsed() < TIMEOUT, "not {source}, but {last}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn with_redis(store: Store, redis: &RedisServer, additional: &[(&str, &str)]) -> TestApp {
    let url = redis.url();
    // Redis is only allowed with an explicit database, which test apps always have.
    let settings = [&[("REDIS_URL", url.as_str())], additional].concat();
    TestApp::start_with(store, &settings).await
}

on_each_store! {
    /// Without Redis, there is only the in-process cache.
    async fn a_user_is_cached_until_it_changes(app: &TestApp) {
        let id = id_of(&app.register("ann").await);
        read_until(app, &id, "hit; detail=process").await;
        let path = format!("/v1/users/{id}");
        for number in 0..20 {
            let body = json!({"profile": {"bio": format!("bio {number}")}});
            let written = app.service().patch(&path, &body).await.version();
            assert_eq!(read(app, &id).await.version(), written);
        }
        assert_eq!(app.service().delete(&path).await.status, 204);
        assert_eq!(read(app, &id).await.status, 404);
        assert_eq!(app.service().post_empty(&format!("{path}/restore"), &[]).await.status, 200);
        assert_eq!(read(app, &id).await.status, 200);
        assert_eq!(app.service().delete(&format!("{path}?erase=true")).await.status, 204);
        assert_eq!(read(app, &id).await.status, 404);
    }

    /// A username is looked up in its current state.
    async fn a_lookup_by_username_follows_a_rename(app: &TestApp) {
        let ann = id_of(&app.register("ann").await);
        let by_name = "/v1/users/by-username/ann";
        for _ in 0..3 {
            assert_eq!(app.service().get(by_name).await.id(), ann);
        }
        let path = format!("/v1/users/{ann}");
        let renamed = app.service().patch(&path, &json!({"username": "anna"})).await;
        assert_eq!(renamed.status, 200);
        assert_eq!(app.service().get(by_name).await.status, 404);
        assert_eq!(app.service().get("/v1/users/by-username/anna").await.id(), ann);
        let back = app.service().patch(&path, &json!({"username": "ANN"})).await;
        assert_eq!(back.status, 200);
        assert_eq!(app.service().get(by_name).await.json["username"], "ANN");
    }

    /// `Cache-Control: no-cache` queries the database, and updates the cache with the result.
    async fn a_no_cache_request_reads_the_database_and_updates_the_cache(app: &TestApp) {
        let other = app.replica().await;
        let id = id_of(&app.register("ann").await);
        read_until(&other, &id, "hit; detail=process").await;
        let path = format!("/v1/users/{id}");
        let body = json!({"profile": {"bio": "new"}});
        let written = app.service().patch(&path, &body).await.version();
        let current = other.service().get_with(&path, &[("Cache-Control", "no-cache")]).await;
        assert_eq!(current.header("cache-status"), "user-service; fwd=request");
        assert_eq!(current.version(), written);
        assert_eq!(read(&other, &id).await.version(), written);
        other.stop().await;
    }

    /// Another process, such as a command, writes to the same database without a cache.
    async fn a_role_granted_by_a_command_is_visible_within_a_second(app: &TestApp) {
        let id = id_of(&app.register("ann").await);
        read_until(app, &id, "hit; detail=process").await;
        let folder = tempfile::tempdir().unwrap();
        let grant = ["user", "grant-role", "ann", "editor"];
        let mut command: Command = configured(folder.path(), &app.database_uri(), &grant);
        assert!(command.output().unwrap().status.success());
        sleep(Duration::from_millis(1100)).await;
        assert_eq!(read(app, &id).await.json["roles"], json!(["editor"]));
    }
}

/// Asserts that a replica gets from Redis what another replica has read.
async fn assert_reads_are_shared(store: Store) {
    let redis = RedisServer::start().await;
    let one = with_redis(store, &redis, &[]).await;
    let url = redis.url();
    let other = one.replica_with(&redis_only(&url)).await;
    let third = one.replica_with(&[("REDIS_URL", &url)]).await;
    let started = Instant::now();
    // The third replica reads from Redis once it is connected. Each user is new to its in-process cache.
    for number in 0.. {
        let id = id_of(&one.register(&format!("ann{number}")).await);
        // The writer has the user in its in-process cache. The first reader elsewhere stores it in Redis.
        read_until(&other, &id, "hit; detail=shared").await;
        let source = read(&third, &id).await.header("cache-status").to_owned();
        if source == "user-service; hit; detail=shared" {
            break;
        }
        assert!(started.elapsed() < TIMEOUT, "{source}");
    }
    for app in [third, other, one] {
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_postgres_share_what_they_read() {
    assert_reads_are_shared(Store::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_on_sqlite_share_what_they_read() {
    assert_reads_are_shared(Store::Sqlite).await;
}

/// A batch uses one `MGET`, whatever it finds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_queries_redis_once() {
    let cluster =
        Cluster::start_with(1, &REDIS_ONLY, user_adapters::guards::Guards::default()).await;
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(id_of(
            &cluster.owner().register(&format!("person{number}")).await,
        ));
    }
    let app = &cluster.replicas[0].app;
    for id in &ids[..5] {
        read_until(app, id, "hit; detail=shared").await;
    }
    let before = cluster.redis.command_count("mget").await;
    let requested: Vec<&String> = ids.iter().chain(&ids[..2]).collect();
    let reply = app
        .service()
        .post("/v1/users/batch", &json!({"ids": requested}))
        .await;
    assert_eq!(reply.header("cache-status"), "user-service; fwd=partial");
    let returned: Vec<&str> = reply.json["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["id"].as_str().unwrap())
        .collect();
    assert_eq!(returned, requested);
    assert_eq!(cluster.redis.command_count("mget").await - before, 1);
    let started = Instant::now();
    loop {
        let reply = app
            .service()
            .post("/v1/users/batch", &json!({"ids": ids}))
            .await;
        if reply.header("cache-status") == "user-service; hit; detail=shared" {
            break;
        }
        assert!(started.elapsed() < TIMEOUT);
        sleep(Duration::from_millis(20)).await;
    }
    cluster.stop().await;
}

/// The service connects to a Redis that starts after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_starts_later_is_connected() {
    let redis = RedisServer::start().await;
    redis.kill();
    let app = with_redis(Store::Postgres, &redis, &REDIS_ONLY).await;
    let id = id_of(&app.register("ann").await);
    let reply = read(&app, &id).await;
    assert_eq!(
        (reply.status, reply.header("cache-status")),
        (200, "user-service; fwd=miss")
    );
    assert_eq!(app.anonymous().get("/health/ready").await.status, 200);
    redis.restart().await;
    read_until(&app, &id, "hit; detail=shared").await;
    app.stop().await;
}

/// `rediss://` needs the certificate of the authority.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_with_tls_is_used_only_with_a_trusted_certificate() {
    let redis = RedisServer::start_tls().await;
    let authority = redis.ca_file();
    let [no_memory, timeout] = REDIS_ONLY;
    let ca_file = ("REDIS_CA_FILE", authority.to_str().unwrap());
    let app = with_redis(Store::Postgres, &redis, &[no_memory, timeout, ca_file]).await;
    let id = id_of(&app.register("ann").await);
    read_until(&app, &id, "hit; detail=shared").await;
    let url = redis.url();
    let untrusting = app.replica_with(&redis_only(&url)).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        read(&untrusting, &id).await.header("cache-status"),
        "user-service; fwd=miss"
    );
    untrusting.stop().await;
    app.stop().await;
}

/// `cache clear` empties the cache of every replica and removes all users from Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cache_clear_command_empties_all_caches() {
    let cluster = Cluster::start(2).await;
    let id = id_of(&cluster.owner().register("ann").await);
    for replica in &cluster.replicas {
        read_until(&replica.app, &id, "hit; detail=process").await;
    }
    let folder = tempfile::tempdir().unwrap();
    let uri = cluster.owner().database_uri();
    let clear = ["cache", "clear"];
    let output = configured(folder.path(), &uri, &clear)
        .env("REDIS_URL", cluster.redis.url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(cluster.redis.keys("*:user:*").await.is_empty());
    for replica in 0..2 {
        let source = cluster
            .read(replica, &id)
            .await
            .header("cache-status")
            .to_owned();
        assert_ne!(source, "user-service; hit; detail=process");
    }
    // Without Redis, a command cannot reach the caches of other processes.
    let output = configured(folder.path(), &uri, &clear).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_of_the_cache_are_exported() {
    let cluster = Cluster::start(1).await;
    let id = id_of(&cluster.owner().register("ann").await);
    read_until(&cluster.replicas[0].app, &id, "hit; detail=process").await;
    let text = cluster.owner().anonymous().get("/metrics").await.text;
    for metric in [
        "user_cache_requests_total{tier=\"process\",result=\"hit\"}",
        "user_cache_requests_total{tier=\"shared\",result=\"miss\"}",
        "user_cache_evictions_total{cause=\"size\"}",
        "user_cache_invalidations_total{road=\"write\"}",
        "user_cache_invalidations_total{road=\"push\"}",
        "user_cache_invalidations_total{road=\"tail\"}",
        "user_cache_invalidations_total{road=\"flush\"}",
        "user_cache_tail_age_seconds",
        "user_cache_breaker_open",
        "user_cache_link_up",
        "user_cache_entries",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(metric)),
            "{metric} in {text}"
        );
    }
    cluster.stop().await;
}
