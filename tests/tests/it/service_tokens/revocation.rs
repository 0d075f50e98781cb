//! A token that is revoked on one replica is refused by the others within a second, whatever one fault there is.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use user_adapters::guards::{Guard, Guards};
use user_tests::{Cluster, PostgresDatabase, Process, Proxy, Store, TestApp, shared_redis};

use super::{bearing, made_with};

/// What is promised under any single fault.
const BOUND: Duration = Duration::from_secs(1);
const REPLICAS: usize = 3;
const ROUNDS: usize = 3;
const PATH: &str = "/v1/users/batch";

/// Asks for nobody, which needs no database: whether the token is believed is all that matters.
async fn seen(app: &TestApp, token: &str) -> u16 {
    let nobody = serde_json::json!({"ids": []});
    bearing(app, token).post(PATH, &nobody).await.status
}

/// How long replicas are asked before a token changes: the news of its making has come to all of them by then, and what
/// it made them forget is known again.
const SETTLED: Duration = Duration::from_millis(1500);

/// Asks replicas with tokens until they know them for good.
async fn are_known(apps: &[&TestApp], tokens: &[&str]) {
    let begun = Instant::now();
    while begun.elapsed() < SETTLED {
        for app in apps {
            for token in tokens {
                assert_eq!(seen(app, token).await, 200);
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Asserts that a replica goes on believing a token: for a moment it may not be sure, where the machine is busy.
async fn goes_on_believing(app: &TestApp, token: &str) {
    let begun = Instant::now();
    while seen(app, token).await != 200 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it does not");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Asserts that a replica refuses a token from within the bound after its revocation on.
async fn refuses(app: &TestApp, token: &str, acknowledged: Instant, bound: Duration) -> Duration {
    let mut since = None;
    loop {
        let begun = acknowledged.elapsed();
        let seen = seen(app, token).await;
        // Without its database a replica cannot tell what has become of the token, only that it has changed.
        let is_refused = seen == 401 || seen == 503;
        assert!(
            is_refused || (since.is_none() && begun < bound),
            "{seen}, {begun:?} after"
        );
        if is_refused {
            since.get_or_insert(begun);
        }
        if let Some(since) = since
            && begun > BOUND + BOUND / 4
        {
            return since;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Revokes tokens through one replica, with the links of the others as they are or spoilt.
#[expect(clippy::print_stdout, reason = "the figures of a test that failed")]
async fn ends_everywhere(settings: &[(&str, &str)], fault: Option<fn(&user_tests::Replica)>) {
    let cluster = Cluster::start_with(REPLICAS, settings, Guards::default()).await;
    for round in 0..ROUNDS {
        let (id, token) = made_with(cluster.owner(), &["users:read"]).await;
        let (_, kept) = made_with(cluster.owner(), &["users:read"]).await;
        let apps: Vec<&TestApp> = cluster
            .replicas
            .iter()
            .map(|replica| &replica.app)
            .collect();
        are_known(&apps, &[&token, &kept]).await;
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
                refuses(&replica.app, &token, acknowledged, bound)
            });
        let took = futures_util::future::join_all(all).await;
        println!("round {round}: refused after {took:?}");
        for replica in &cluster.replicas {
            goes_on_believing(&replica.app, &kept).await;
        }
        for replica in &cluster.replicas {
            replica.redis.mend();
            replica.database.mend();
        }
        cluster.linked().await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_everywhere() {
    ends_everywhere(&[], None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_on_replicas_without_redis() {
    ends_everywhere(&[], Some(|replica| replica.redis.cut())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_on_replicas_whose_redis_is_silent() {
    ends_everywhere(&[], Some(|replica| replica.redis.hang())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_on_replicas_without_the_database_and_others_go_on() {
    ends_everywhere(&[], Some(|replica| replica.database.cut())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_on_replicas_whose_database_is_silent_and_others_go_on() {
    ends_everywhere(&[], Some(|replica| replica.database.hang())).await;
}

/// Two replicas that nothing but the database connects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_where_there_is_no_redis_at_all() {
    let app = TestApp::start(Store::Postgres).await;
    let other = app.replica().await;
    for _ in 0..ROUNDS {
        let (id, token) = made_with(&app, &["users:read"]).await;
        are_known(&[&other], &[&token]).await;
        let revoked = app.service().delete(&format!("/v1/tokens/{id}")).await;
        assert_eq!(revoked.status, 204);
        refuses(&other, &token, Instant::now(), BOUND).await;
    }
    other.stop().await;
    app.stop().await;
}

/// A process that was stopped believes nothing from before when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_refused_by_a_replica_that_was_paused_meanwhile() {
    let app = TestApp::start(Store::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let url = shared_redis();
    let settings = [("REDIS_URL", url.as_str())];
    let paused = Process::serve(folder.path(), &app.database_uri(), &settings).await;
    let (id, token) = made_with(&app, &["users:read"]).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async || {
        let request = client.post(paused.url(PATH)).bearer_auth(&token);
        let reply = request.json(&serde_json::json!({"ids": []})).send().await;
        reply.unwrap().status().as_u16()
    };
    for _ in 0..5 {
        assert_eq!(ask().await, 200);
    }
    paused.signal("STOP");
    let revoked = app.service().delete(&format!("/v1/tokens/{id}")).await;
    assert_eq!(revoked.status, 204);
    sleep(BOUND + BOUND / 4).await;
    paused.signal("CONT");
    assert_ne!(ask().await, 200);
    drop(paused);
    app.stop().await;
}

/// Not a promise: it shows that it is the age of the look at the outbox that keeps the one above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_age_of_the_look_a_replica_without_its_database_goes_on_believing() {
    let app = TestApp::start(Store::Postgres).await;
    let (database, uri) = Proxy::before(&app.database_uri()).await;
    let settings = [("DATABASE_URI", uri.as_str())];
    let careless = app
        .replica_guarded(&settings, Guards::without(Guard::PollAge))
        .await;
    let (id, token) = made_with(&app, &["users:read"]).await;
    are_known(&[&careless], &[&token]).await;
    database.cut();
    let revoked = app.service().delete(&format!("/v1/tokens/{id}")).await;
    assert_eq!(revoked.status, 204);
    sleep(BOUND * 2).await;
    assert_eq!(seen(&careless, &token).await, 200);
    database.mend();
    careless.stop().await;
    app.stop().await;
}

/// What the outbox tells of tokens reaches a command that is run beside the service, and the other way round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_store_is_told_beside_the_service_is_heard() {
    let database = PostgresDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let service = Process::serve(folder.path(), &database.url(), &[]).await;
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
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async || {
        let request = client.post(service.url(PATH)).bearer_auth(&token);
        let reply = request.json(&serde_json::json!({"ids": []})).send().await;
        reply.unwrap().status().as_u16()
    };
    assert_eq!(ask().await, 200);
    run(&["token", "revoke", &token]);
    let acknowledged = Instant::now();
    while ask().await == 200 {
        assert!(acknowledged.elapsed() < BOUND, "it is still believed");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ask().await, 401);
}
