//! Redis servers as operators configure them: with users, databases, sockets and Sentinel.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use user_adapters::guards::{Guard, Guards};
use user_tests::{
    Cluster, RedisReply, RedisServer, SentinelGroup, ServiceProcess, Store, TestApp, configured,
};

use super::faults::{limits, wait_until_redis_is_used};
use super::workload::{REPLICAS, Workload};
use super::{REDIS_ONLY, redis_only};

/// The time within which an expected state must appear.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Starts the service with this Redis, and waits until users are read from it.
async fn assert_is_used(redis_url: &str, settings: &[(&str, &str)]) -> TestApp {
    let settings = [&[("REDIS_URL", redis_url)], REDIS_ONLY.as_slice(), settings].concat();
    let app = TestApp::start_with(Store::Sqlite, &settings).await;
    assert_reads_from_redis(&app, "ann").await;
    app
}

/// Registers a user, and waits until it is read from Redis.
async fn assert_reads_from_redis(app: &TestApp, username: &str) {
    let user = app.register(username).await;
    let path = format!("/v1/users/{}", user["id"].as_str().unwrap());
    let started = Instant::now();
    loop {
        let reply = app.service().get(&path).await;
        let source = reply.header("cache-status");
        if source == "user-service; hit; detail=shared" {
            return;
        }
        assert!(started.elapsed() < TIMEOUT, "{source}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Creates a user of Redis that may do anything.
async fn create_user(redis: &RedisServer, name: &str, password: &str) {
    let password = format!(">{password}");
    set_user(redis, &[name, "on", &password, "~*", "&*", "+@all"]).await;
}

async fn set_user(redis: &RedisServer, rules: &[&str]) {
    let reply = redis.command(&[&["ACL", "SETUSER"], rules].concat()).await;
    assert_eq!(reply, RedisReply::Status("OK".to_owned()), "{rules:?}");
}

/// The URL of a server with credentials in it, each byte of which is escaped.
fn with_credentials(redis: &RedisServer, name: &str, password: &str) -> String {
    let escaped = |text: &str| {
        text.bytes().fold(String::new(), |mut escaped, byte| {
            write!(escaped, "%{byte:02X}").unwrap();
            escaped
        })
    };
    let credentials = format!("redis://{}:{}@", escaped(name), escaped(password));
    redis.url().replacen("redis://", &credentials, 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_awkward_credentials_logs_in() {
    let redis = RedisServer::start().await;
    let awkward = [
        ("a", "two words"),
        ("quoted\"name", "a\"b'c"),
        ("back\\slash", "\\x41\\\\ \"end"),
        ("lines", "first\r\nPING\r\nlast"),
        ("umlaut\u{e4}", "p\u{e4}ss \u{1f511}"),
    ];
    for (name, password) in awkward {
        create_user(&redis, name, password).await;
    }
    // Without a login, nothing is permitted.
    set_user(&redis, &["default", "off"]).await;
    for (name, password) in awkward {
        let url = with_credentials(&redis, name, password);
        assert_is_used(&url, &[]).await.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_without_a_user_name_logs_in() {
    let redis = RedisServer::start_with(&["--requirepass", "two words"]).await;
    let url = redis.url().replacen("redis://", "redis://:two%20words@", 1);
    assert_is_used(&url, &[]).await.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_logged_and_shown_by_the_metrics() {
    let redis = RedisServer::start().await;
    create_user(&redis, "app", "right").await;
    set_user(&redis, &["default", "off"]).await;
    for (credentials, reason) in [("app:planted%20wrong@", "WRONGPASS"), ("", "NOAUTH")] {
        let url = redis
            .url()
            .replacen("redis://", &format!("redis://{credentials}"), 1);
        let folder = tempfile::tempdir().unwrap();
        let service =
            ServiceProcess::serve(folder.path(), "sqlite:///users.db", &[("REDIS_URL", &url)])
                .await;
        wait_for_log(&service, "Redis unavailable").await;
        assert!(service.written().contains(reason), "{}", service.written());
        assert!(
            !service.written().contains("planted"),
            "{}",
            service.written()
        );
        let metrics = user_tests::http_client()
            .get(service.url("/metrics"))
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(
            metrics.lines().any(|line| line == "user_cache_link_up 0"),
            "{metrics}"
        );
    }
}

/// The rules of a user without the commands that Redis calls dangerous, such as INFO.
const NOT_DANGEROUS: [&str; 7] = ["app", "on", ">password", "~*", "&*", "+@all", "-@dangerous"];

/// Starts a server with a user that may not use INFO. The user survives restarts.
async fn start_without_info() -> (RedisServer, String) {
    let redis = RedisServer::start_with(&[&["--user"], &NOT_DANGEROUS[..]].concat()).await;
    let url = with_credentials(&redis, "app", "password");
    (redis, url)
}

async fn epoch(redis: &RedisServer) -> Vec<u8> {
    let keys = redis.keys("*:epoch").await;
    redis.get_raw(&keys[0]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_without_info_shares_an_epoch_with_other_replicas() {
    let (redis, url) = start_without_info().await;
    let app = assert_is_used(&url, &[]).await;
    let before = epoch(&redis).await;
    let other = app.replica_with(&redis_only(&url)).await;
    assert_reads_from_redis(&other, "ben").await;
    // A replica that may use INFO names the run of the server in the epoch, and the others join it.
    assert_eq!(epoch(&redis).await, before);
    let third = app.replica_with(&redis_only(&redis.url())).await;
    for (replica, name) in [(&third, "cid"), (&other, "dan"), (&app, "eve")] {
        assert_reads_from_redis(replica, name).await;
    }
    let named = epoch(&redis).await;
    assert_ne!(named, before);
    assert_reads_from_redis(&app, "fay").await;
    assert_eq!(epoch(&redis).await, named);
    for replica in [third, other, app] {
        replica.stop().await;
    }
}

/// Without INFO, a restart is noticed because no session of the earlier epoch is connected any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_info_a_restart_with_older_data_starts_a_new_epoch() {
    let starts_new_epoch = async |guards: Guards| {
        let (redis, url) = start_without_info().await;
        let app = TestApp::start(Store::Sqlite).await;
        let settings = redis_only(&url);
        let replicas = [
            app.replica_with_guards(&settings, guards).await,
            app.replica_with_guards(&settings, guards).await,
        ];
        assert_reads_from_redis(&replicas[0], "ann").await;
        assert_reads_from_redis(&replicas[1], "ben").await;
        let before = epoch(&redis).await;
        let snapshot = redis.snapshot().await;
        redis.restart_from(&snapshot).await;
        assert_reads_from_redis(&replicas[0], "cid").await;
        assert_reads_from_redis(&replicas[1], "dan").await;
        let after = epoch(&redis).await;
        for replica in replicas {
            replica.stop().await;
        }
        app.stop().await;
        before != after
    };
    assert!(starts_new_epoch(Guards::default()).await);
    assert!(!starts_new_epoch(Guards::without(Guard::ServerIdentity)).await);
}

/// The rules of the user in docs/caching.md are sufficient, with and without INFO.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_rules_of_the_redis_user_are_sufficient() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/caching.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rules = page
        .split_once("ACL SETUSER user-service ")
        .and_then(|(_, rules)| rules.split_once("\n\n"))
        .map(|(rules, _)| rules.replace('\\', " "))
        .expect("docs/caching.md contains the rules");
    for further in ["", "-info"] {
        let redis = RedisServer::start().await;
        let rules = rules.replace("PASSWORD", "two-words");
        let rules: Vec<&str> = [
            &["user-service"],
            &rules.split_whitespace().collect::<Vec<_>>()[..],
        ]
        .concat();
        set_user(&redis, &rules).await;
        if !further.is_empty() {
            set_user(&redis, &["user-service", further]).await;
        }
        let url = with_credentials(&redis, "user-service", "two-words") + "/2";
        let app = assert_is_used(&url, &[]).await;
        let body = serde_json::json!({"username": "anna"});
        let user = app.service().get("/v1/users/by-username/ann").await;
        let path = format!("/v1/users/{}", user.id());
        assert_eq!(app.service().patch(&path, &body).await.status, 200);
        assert_reads_from_redis(&app, "ben").await;
        let folder = tempfile::tempdir().unwrap();
        let clear = configured(folder.path(), &app.database_uri(), &["cache", "clear"])
            .env("REDIS_URL", &url)
            .output()
            .unwrap();
        assert!(clear.status.success(), "{clear:?}");
        let refused = redis.command(&["ACL", "LOG"]).await;
        let RedisReply::Array(refused) = refused else {
            panic!("{refused:?}");
        };
        // The eighth member of an entry is the command.
        let refused = refused.iter().map(|entry| match entry {
            RedisReply::Array(members) => members[7].text(),
            other => panic!("{other:?}"),
        });
        let expected: &[&str] = if further.is_empty() { &[] } else { &["info"] };
        assert_eq!(refused.collect::<Vec<_>>(), expected);
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_named_by_the_path_or_by_a_parameter() {
    let redis = RedisServer::start().await;
    for (suffix, number) in [("/2", "2"), ("?db=3", "3")] {
        let url = redis.url() + suffix;
        assert_is_used(&url, &[]).await.stop().await;
        let keyspace = redis.command(&["INFO", "keyspace"]).await.text();
        assert!(keyspace.contains(&format!("db{number}:")), "{keyspace}");
        assert!(!keyspace.contains("db0:"), "{keyspace}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_reached_through_a_socket() {
    let redis = RedisServer::start_with(&["--requirepass", "two words"]).await;
    let socket = redis.socket();
    for scheme in ["unix", "redis+unix"] {
        let url = format!("{scheme}://:two%20words@{}?db=1", socket.display());
        assert_is_used(&url, &[]).await.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_shown_to_a_server_that_requires_one() {
    let redis = RedisServer::start_tls_with(&["--tls-auth-clients", "yes"]).await;
    let (authority, (certificate, key)) = (redis.ca_file(), redis.certificate_files());
    let authority = ("REDIS_CA_FILE", authority.to_str().unwrap());
    let with_certificate = [
        authority,
        ("REDIS_CERT_FILE", certificate.to_str().unwrap()),
        ("REDIS_KEY_FILE", key.to_str().unwrap()),
    ];
    assert_is_used(&redis.url(), &with_certificate)
        .await
        .stop()
        .await;
    let folder = tempfile::tempdir().unwrap();
    let url = redis.url();
    let settings = [("REDIS_URL", url.as_str()), authority];
    let service = ServiceProcess::serve(folder.path(), "sqlite:///users.db", &settings).await;
    wait_for_log(&service, "Redis unavailable").await;
}

/// Waits until the log of a service contains a text.
async fn wait_for_log(service: &ServiceProcess, text: &str) {
    let started = Instant::now();
    while !service.written().contains(text) {
        assert!(started.elapsed() < TIMEOUT, "{}", service.written());
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_cluster_is_refused_at_the_start() {
    let rules = [&["--cluster-enabled", "yes", "--user"], &NOT_DANGEROUS[..]].concat();
    let redis = RedisServer::start_with(&rules).await;
    let sentence = "REDIS_URL cannot be used: the server is part of a Redis Cluster, which is not supported; \
                    use a single server or Sentinel";
    for url in [redis.url(), with_credentials(&redis, "app", "password")] {
        let folder = tempfile::tempdir().unwrap();
        let settings = [("REDIS_URL", url.as_str())];
        let mut service = ServiceProcess::start(folder.path(), "sqlite:///users.db", &settings);
        assert_eq!(service.end().await, Some(1));
        assert!(
            service.written().contains(sentence),
            "{}",
            service.written()
        );
    }
}

/// The clients of three replicas notice nothing of a failover by Sentinel: no request fails, and nothing is older than
/// promised.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_by_sentinel_is_invisible_to_clients() {
    let primary = RedisServer::start().await;
    let group = SentinelGroup::watch(&primary).await;
    let url = group.url();
    let settings = redis_only(&url);
    let cluster = Cluster::start_on(primary, REPLICAS, &settings, Guards::default()).await;
    let before = epoch(&cluster.redis).await;

    let workload = Workload::begin(&cluster).await;
    let scenario = async {
        sleep(Duration::from_millis(700)).await;
        let fault = async {
            cluster.redis.kill();
            group.wait_until_failed_over().await;
            while group.replica.subscriber_count().await < REPLICAS {
                sleep(Duration::from_millis(10)).await;
            }
        };
        workload
            .history
            .during("failed over by Sentinel", fault)
            .await;
        wait_until_redis_is_used(&cluster, Instant::now()).await;
        workload.stop();
    };
    tokio::join!(workload.run_until_stopped(), scenario);

    let verdict = workload.check(&limits()).await;
    assert!(verdict.is_clean(), "seed {}: {verdict}", workload.seed());
    let after = epoch(&group.replica).await;
    assert_ne!(before, after, "a failover starts a new epoch");
    cluster.stop().await;
}

/// Without INFO, the role of the server reveals that its data may have been replaced while it kept its connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_info_a_server_that_was_a_replica_for_a_while_starts_a_new_epoch() {
    let (redis, url) = start_without_info().await;
    let app = assert_is_used(&url, &[]).await;
    let before = epoch(&redis).await;
    let copy = redis.copy().await;
    let port = copy.url().rsplit(':').next().unwrap().to_owned();
    redis.command(&["REPLICAOF", "127.0.0.1", &port]).await;
    let started = Instant::now();
    while redis.subscriber_count().await > 0 {
        assert!(started.elapsed() < TIMEOUT, "the session has not ended");
        sleep(Duration::from_millis(10)).await;
    }
    redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    assert_reads_from_redis(&app, "ben").await;
    assert_ne!(epoch(&redis).await, before);
    app.stop().await;
}
