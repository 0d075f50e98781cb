//! Effects of disconnecting clients and failing databases. The submodules test the matrix of `docs/reliability.md`:
//! each fault while 32 clients read and write.

mod platform;
mod postgres;
mod process;
mod redis;
mod responses;
mod sqlite;
mod stored_state;
mod trial;
mod workload;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sea_orm::sqlx::Row;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use user_tests::{API_TOKEN, Proxy, Store, TestApp};

/// Starts an app, a proxy in front of its database, and a replica of the app that connects through the proxy.
async fn start_behind_proxy() -> (TestApp, Proxy, TestApp) {
    let direct = TestApp::start(Store::Postgres).await;
    let (proxy, through) = Proxy::in_front_of(&direct.database_uri()).await;
    let app = direct
        .replica_with(&[
            ("DATABASE_URI", &through),
            ("DATABASE_MAX_CONNECTIONS", "16"),
        ])
        .await;
    (direct, proxy, app)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_reset_connections_leave_no_open_transaction() {
    let (direct, proxy, app) = start_behind_proxy().await;
    proxy.delay(Duration::from_millis(10));
    let waiting_client = async {
        let mut acknowledged = Vec::new();
        for n in 0..60 {
            let body = json!({"username": format!("waiting{n}"), "email": format!("waiting{n}@example.org")});
            let reply = app.service().post("/v1/users", &body).await;
            match reply.status {
                201 => acknowledged.push(reply.id().to_owned()),
                // A refusal takes a millisecond. Without this pause, all sixty requests would end while the queue is
                // full.
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        acknowledged
    };
    let address = app.address();
    let resetting_clients = async {
        let mut random = StdRng::seed_from_u64(1);
        for n in 0..500 {
            let delay = Duration::from_micros(random.random_range(0..40_000));
            tokio::spawn(reset_after(address, n, delay));
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    let (acknowledged, ()) = tokio::join!(waiting_client, resetting_clients);
    assert!(
        acknowledged.len() >= 10,
        "only {} creations succeeded",
        acknowledged.len()
    );
    tokio::time::sleep(Duration::from_secs(2)).await;

    assert_no_open_transaction(&direct).await;
    app.stop().await;
    for id in &acknowledged {
        let read = direct.service().get(&format!("/v1/users/{id}")).await;
        assert_eq!(read.status, 200, "an acknowledged write was lost");
    }
    assert_each_user_has_its_event(&direct).await;
    direct.stop().await;
}

/// Waits for the last writes, but for less time than PostgreSQL needs to end an idle transaction by itself.
async fn assert_no_open_transaction(app: &TestApp) {
    let mut connection = app.postgres().connect().await;
    for _ in 0..30 {
        let open: i64 = sea_orm::sqlx::query(
            "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap()
        .get(0);
        if open == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a connection is still in a transaction");
}

/// Sends the creation of a user, and resets the connection after `delay` without reading the response.
pub(crate) async fn reset_after(address: std::net::SocketAddr, n: usize, delay: Duration) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    let body =
        json!({"username": format!("resetting{n}"), "email": format!("resetting{n}@example.org")})
            .to_string();
    let request = format!(
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    if stream.write_all(request.as_bytes()).await.is_ok() {
        tokio::time::sleep(delay).await;
        let _ = stream.set_zero_linger();
    }
}

async fn assert_each_user_has_its_event(app: &TestApp) {
    let mut connection = app.postgres().connect().await;
    let mut ids = async |sql: &'static str| -> BTreeSet<uuid::Uuid> {
        let rows = sea_orm::sqlx::query(sql)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let users = ids("SELECT id FROM users").await;
    let created = ids("SELECT subject_id FROM events WHERE type = 'user.created'").await;
    assert_eq!(
        users, created,
        "a user and its event were not written together"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_database_is_a_503_until_it_is_reachable() {
    let (direct, proxy, app) = start_behind_proxy().await;
    let user = app.register("steady").await;
    let path = format!("/v1/users/{}", user["id"].as_str().unwrap());
    assert_eq!(app.anonymous().get("/health/ready").await.status, 200);

    proxy.cut();
    // Longer than the result of a readiness check is reused.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let ready = app.anonymous().get("/health/ready").await;
    assert_eq!((ready.status, ready.code()), (503, "not_ready"));
    assert_eq!(app.anonymous().get("/health/live").await.status, 200);
    let current = [("Cache-Control", "no-cache")];
    let read = app.service().get_with(&path, &current).await;
    assert_eq!(
        (read.status, read.code()),
        (503, "unavailable"),
        "{}",
        read.text
    );
    assert!(!read.header("Retry-After").is_empty());
    let write = app
        .service()
        .patch(&path, &json!({"profile": {"nickname": "lost"}}))
        .await;
    assert_eq!(write.status, 503, "{}", write.text);

    proxy.clear_faults();
    tokio::time::timeout(Duration::from_secs(10), async {
        while app.anonymous().get("/health/ready").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    let after = app.service().get(&path).await;
    assert_eq!((after.status, after.version()), (200, 1));
    app.stop().await;
    direct.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_database_connections_are_replaced_and_do_not_block_shutdown() {
    let (direct, proxy, app) = start_behind_proxy().await;
    let user = app.register("steady").await;
    let path = format!("/v1/users/{}", user["id"].as_str().unwrap());
    let read_and_write = |n: usize| {
        let (app, path) = (&app, &path);
        async move {
            let body = json!({"metadata": {"user": {(format!("k{n}")): n}}});
            let service = app.service();
            let (read, write) = tokio::join!(service.get(path), service.patch(path, &body));
            (read.status, write.status)
        }
    };
    join_all((0..8).map(read_and_write)).await;
    proxy.freeze();
    for (read, write) in join_all((0..8).map(read_and_write)).await {
        assert!(
            matches!(read, 200 | 503) && matches!(write, 200 | 503 | 504),
            "{read} {write}"
        );
    }
    let recovery = tokio::time::timeout(Duration::from_secs(15), async {
        while read_and_write(9).await != (200, 200) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(
        recovery.await.is_ok(),
        "the pools still contain dead connections"
    );

    proxy.freeze();
    join_all((0..4).map(read_and_write)).await;
    let stopped = tokio::time::timeout(Duration::from_secs(15), app.stop()).await;
    assert!(stopped.is_ok(), "dead connections block the shutdown");
    direct.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_starts_without_a_database_and_becomes_ready_with_it() {
    let direct = TestApp::start(Store::Postgres).await;
    let empty = user_tests::PostgresDatabase::create_empty().await;
    let (proxy, through) = Proxy::in_front_of(&empty.url()).await;
    proxy.cut();
    let app = direct.replica_with(&[("DATABASE_URI", &through)]).await;
    assert_eq!(app.anonymous().get("/health/ready").await.status, 503);
    proxy.clear_faults();
    tokio::time::timeout(Duration::from_secs(15), async {
        while app.anonymous().get("/health/ready").await.status != 200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    app.register("first").await;
    app.stop().await;
    direct.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unmigrated_database_is_schema_pending_and_a_foreign_schema_is_refused() {
    let direct = TestApp::start(Store::Postgres).await;
    let empty = user_tests::PostgresDatabase::create_empty().await;
    let app = direct
        .replica_with(&[
            ("DATABASE_URI", &empty.url()),
            ("MIGRATE_ON_START", "false"),
        ])
        .await;
    let ready = app.anonymous().get("/health/ready").await;
    assert_eq!((ready.status, ready.code()), (503, "schema_pending"));
    app.stop().await;

    let mut connection = empty.connect().await;
    sea_orm::sqlx::query("CREATE TABLE users (id serial PRIMARY KEY)")
        .execute(&mut connection)
        .await
        .unwrap();
    let refused = direct
        .try_replica_with(&[("DATABASE_URI", &empty.url())])
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains("DATABASE_SCHEMA"), "{refused}");
    let separate = direct
        .replica_with(&[
            ("DATABASE_URI", &empty.url()),
            ("DATABASE_SCHEMA", "people"),
        ])
        .await;
    separate.register("separate").await;
    separate.stop().await;
    direct.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_migrate_concurrently_both_start() {
    let direct = TestApp::start(Store::Postgres).await;
    let empty = user_tests::PostgresDatabase::create_empty().await;
    let url = empty.url();
    let settings = [("DATABASE_URI", url.as_str())];
    let (a, b) = tokio::join!(
        direct.replica_with(&settings),
        direct.replica_with(&settings)
    );
    for app in [a, b] {
        assert_eq!(app.anonymous().get("/health/ready").await.status, 200);
        app.stop().await;
    }
    direct.stop().await;
}
