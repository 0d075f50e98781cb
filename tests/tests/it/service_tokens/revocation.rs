//! A token that is revoked at one replica is refused by the others within a second, under any single fault.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use user_adapters::guards::{Guard, Guards};
use user_tests::{Cluster, PostgresDatabase, Proxy, ServiceProcess, Store, TestApp, shared_redis};

use super::{client_with_token, create_with_scopes};

/// The promised bound under any single fault.
const BOUND: Duration = Duration::from_secs(1);
const REPLICAS: usize = 3;
const ROUNDS: usize = 3;
const PATH: &str = "/v1/users/batch";

/// Sends an empty batch, which needs no database, and returns the status. Only the token decides it.
async fn status(app: &TestApp, token: &str) -> u16 {
    let body = serde_json::json!({"ids": []});
    client_with_token(app, token).post(PATH, &body).await.status
}

/// The time of requests before a token changes. By then every replica has received the invalidation of its creation and
/// has cached the token again.
const WARM_UP: Duration = Duration::from_millis(1500);

/// Sends requests with the tokens until all replicas have cached them.
async fn warm_up(apps: &[&TestApp], tokens: &[&str]) {
    let started = Instant::now();
    while started.elapsed() < WARM_UP {
        for app in apps {
            for token in tokens {
                assert_eq!(status(app, token).await, 200);
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Asserts that a replica still accepts a token. On a busy machine, it may refuse it for a moment with 503.
async fn assert_still_accepted(app: &TestApp, token: &str) {
    let started = Instant::now();
    while status(app, token).await != 200 {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "the token is not accepted"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

/// Asserts that a replica refuses a revoked token within the bound and from then on. Returns the delay.
async fn assert_refused(
    app: &TestApp,
    token: &str,
    acknowledged: Instant,
    bound: Duration,
) -> Duration {
    let mut since = None;
    loop {
        let sent = acknowledged.elapsed();
        let seen = status(app, token).await;
        // Without its database, a replica only knows that the token has changed, and responds with 503.
        let is_refused = seen == 401 || seen == 503;
        assert!(
            is_refused || (since.is_none() && sent < bound),
            "{seen} after {sent:?}"
        );
        if is_refused {
            since.get_or_insert(sent);
        }
        if let Some(since) = since
            && sent > BOUND + BOUND / 4
        {
            return since;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Revokes tokens through one replica, optionally with a fault of the connections of the others.
#[expect(clippy::print_stdout, reason = "figures for a failed test")]
async fn assert_ends_everywhere(
    settings: &[(&str, &str)],
    fault: Option<fn(&user_tests::Replica)>,
) {
    let cluster = Cluster::start_with(REPLICAS, settings, Guards::default()).await;
    for round in 0..ROUNDS {
        let (id, token) = create_with_scopes(cluster.owner(), &["users:read"]).await;
        let (_, valid) = create_with_scopes(cluster.owner(), &["users:read"]).await;
        let apps: Vec<&TestApp> = cluster
            .replicas
            .iter()
            .map(|replica| &replica.app)
            .collect();
        warm_up(&apps, &[&token, &valid]).await;
        if let Some(fault) = fault {
            cluster.replicas[1..].iter().for_each(fault);
        }
        let path = format!("/v1/tokens/{id}");
        let revoked = cluster.replicas[0].app.service().delete(&path).await;
        assert_eq!(revoked.status, 204, "{}", revoked.text);
        let acknowledged = Instant::now();
        let all = cluster
            .replicas
            .iter()
            .enumerate()
            .map(|(number, replica)| {
                let bound = if number == 0 { Duration::ZERO } else { BOUND };
                assert_refused(&replica.app, &token, acknowledged, bound)
            });
        let took = futures_util::future::join_all(all).await;
        println!("round {round}: refused after {took:?}");
        for replica in &cluster.replicas {
            assert_still_accepted(&replica.app, &valid).await;
        }
        for replica in &cluster.replicas {
            replica.redis.clear_faults();
            replica.database.clear_faults();
        }
        cluster.wait_until_connected().await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_everywhere() {
    assert_ends_everywhere(&[], None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_on_replicas_without_redis() {
    assert_ends_everywhere(&[], Some(|replica| replica.redis.cut())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_on_replicas_with_a_silent_redis() {
    assert_ends_everywhere(&[], Some(|replica| replica.redis.hang())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_only_the_revoked_token_ends() {
    assert_ends_everywhere(&[], Some(|replica| replica.database.cut())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_silent_database_only_the_revoked_token_ends() {
    assert_ends_everywhere(&[], Some(|replica| replica.database.hang())).await;
}

/// Two replicas that only share the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_everywhere_without_redis() {
    let app = TestApp::start(Store::Postgres).await;
    let other = app.replica().await;
    for _ in 0..ROUNDS {
        let (id, token) = create_with_scopes(&app, &["users:read"]).await;
        warm_up(&[&other], &[&token]).await;
        let revoked = app.service().delete(&format!("/v1/tokens/{id}")).await;
        assert_eq!(revoked.status, 204);
        assert_refused(&other, &token, Instant::now(), BOUND).await;
    }
    other.stop().await;
    app.stop().await;
}

/// A process that was paused must not use cached tokens from before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resumed_replica_refuses_a_revoked_token() {
    let app = TestApp::start(Store::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let url = shared_redis();
    let settings = [("REDIS_URL", url.as_str())];
    let paused = ServiceProcess::serve(folder.path(), &app.database_uri(), &settings).await;
    let (id, token) = create_with_scopes(&app, &["users:read"]).await;
    let client = user_tests::http_client();
    let send = async || {
        let request = client.post(paused.url(PATH)).bearer_auth(&token);
        let reply = request.json(&serde_json::json!({"ids": []})).send().await;
        reply.unwrap().status().as_u16()
    };
    for _ in 0..5 {
        assert_eq!(send().await, 200);
    }
    paused.signal("STOP");
    let revoked = app.service().delete(&format!("/v1/tokens/{id}")).await;
    assert_eq!(revoked.status, 204);
    sleep(BOUND + BOUND / 4).await;
    paused.signal("CONT");
    assert_ne!(send().await, 200);
    drop(paused);
    app.stop().await;
}

/// Shows that the promise depends on the check of the poll age.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_poll_age_a_disconnected_replica_accepts_a_revoked_token() {
    let app = TestApp::start(Store::Postgres).await;
    let (database, uri) = Proxy::in_front_of(&app.database_uri()).await;
    let settings = [("DATABASE_URI", uri.as_str())];
    let unguarded = app
        .replica_with_guards(&settings, Guards::without(Guard::PollAge))
        .await;
    let (id, token) = create_with_scopes(&app, &["users:read"]).await;
    warm_up(&[&unguarded], &[&token]).await;
    database.cut();
    let revoked = app.service().delete(&format!("/v1/tokens/{id}")).await;
    assert_eq!(revoked.status, 204);
    sleep(BOUND * 2).await;
    assert_eq!(status(&unguarded, &token).await, 200);
    database.clear_faults();
    unguarded.stop().await;
    app.stop().await;
}

/// A running service sees the tokens that commands create and revoke.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_created_and_revoked_by_commands_take_effect() {
    let database = PostgresDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let service = ServiceProcess::serve(folder.path(), &database.url(), &[]).await;
    let run = |arguments: &[&str]| {
        let output = user_tests::configured(folder.path(), &database.url(), arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let make = [
        "token",
        "create",
        "--name",
        "posts",
        "--scope",
        "users:read",
        "--expires",
        "1h",
    ];
    let token = run(&make);
    let client = user_tests::http_client();
    let send = async || {
        let request = client.post(service.url(PATH)).bearer_auth(&token);
        let reply = request.json(&serde_json::json!({"ids": []})).send().await;
        reply.unwrap().status().as_u16()
    };
    assert_eq!(send().await, 200);
    run(&["token", "revoke", &token]);
    let acknowledged = Instant::now();
    while send().await == 200 {
        assert!(
            acknowledged.elapsed() < BOUND,
            "the token is still accepted"
        );
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(send().await, 401);
}
