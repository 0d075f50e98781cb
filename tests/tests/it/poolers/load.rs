//! Concurrent requests through `PgBouncer`.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::json;
use user_tests::{PgBouncer, Reply, Store, TestApp};

use super::ANNOUNCED;
use crate::common::path;
use crate::passwords::{PASSWORD, verify, with_password};

/// A service behind `PgBouncer`, and one with the same database that is not.
async fn behind_pgbouncer() -> (TestApp, TestApp, PgBouncer) {
    let direct = TestApp::start(Store::Postgres).await;
    let pgbouncer = PgBouncer::in_front_of(&direct.database_uri()).await;
    let through = pgbouncer.url(&direct.database_uri());
    // Without the cache, every read is a query.
    let settings = [
        ("DATABASE_URI", &*through),
        ANNOUNCED,
        ("CACHE_MEMORY_MB", "0"),
        // More than the sessions of the pooler, and enough that no list waits for admission.
        ("DATABASE_MAX_CONNECTIONS", "32"),
    ];
    let pooled = direct.replica_with(&settings).await;
    (pooled, direct, pgbouncer)
}

#[track_caller]
fn assert_ok(reply: &Reply) {
    assert!(reply.status < 300, "{} {}", reply.status, reply.text);
}

/// Uses every kind of statement as one of many clients.
async fn use_all(app: &TestApp, client: usize) {
    let name = format!("person{client}");
    let user = with_password(app, &name).await;
    let path = path(&user);
    for round in 0..10 {
        let bio = format!("{name} in round {round}");
        let patched = app
            .service()
            .patch(&path, &json!({"profile": {"bio": bio}}))
            .await;
        assert_ok(&patched);
        let read = app.service().get(&path).await;
        assert_eq!(read.json["profile"]["bio"], bio, "{}", read.text);
        let by_name = app
            .service()
            .get(&format!("/v1/users/by-username/{name}"))
            .await;
        assert_eq!(by_name.json["id"], user["id"], "{}", by_name.text);
        let target = format!(
            "{path}/following/{}",
            app.register(&format!("{name}.{round}")).await["id"]
                .as_str()
                .unwrap()
        );
        assert_ok(&app.service().put(&target).await);
        let following = app
            .service()
            .get(&format!("{path}/following?limit=100"))
            .await;
        assert_eq!(
            following.json["users"].as_array().map(Vec::len),
            Some(round + 1),
            "{}",
            following.text
        );
        let list = app
            .service()
            .get(&format!("/v1/users?q={name}.{round}&limit=5"))
            .await;
        assert_ok(&list);
        let names = list.json["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["username"]);
        assert!(
            names
                .clone()
                .any(|found| *found == format!("{name}.{round}")),
            "{}",
            list.text
        );
        assert_ok(
            &app.service()
                .get("/v1/users?sort=-created_at&limit=3")
                .await,
        );
        assert_ok(&app.service().get("/v1/users/count").await);
    }
    let verified = verify(app, &name, PASSWORD).await;
    assert_eq!(verified.json["id"], user["id"], "{}", verified.text);
    assert_eq!(verify(app, &name, "another password").await.status, 401);
    assert_ok(&app.service().delete(&path).await);
    assert_eq!(app.service().get(&path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_clients_get_their_own_answers_without_errors() {
    let (pooled, direct, _pgbouncer) = behind_pgbouncer().await;
    join_all((0..8).map(|client| use_all(&pooled, client))).await;
    pooled.stop().await;
    direct.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_pooler_loses_no_acknowledged_write() {
    let (pooled, direct, pgbouncer) = behind_pgbouncer().await;
    let user = pooled.register("reader").await;
    let is_over = AtomicBool::new(false);
    let write = async |client: usize| {
        let mut acknowledged = Vec::new();
        for n in 0.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let name = format!("w{client}.{n}");
            let body = json!({"username": name, "email": format!("{name}@example.org")});
            let made = pooled.service().post("/v1/users", &body).await;
            let read = pooled.service().get(&path(&user)).await;
            assert!([201, 503, 504].contains(&made.status), "{}", made.text);
            assert!([200, 503].contains(&read.status), "{}", read.text);
            if made.status == 201 {
                acknowledged.push(path(&made.json));
            }
        }
        acknowledged
    };
    let restart = async {
        for _ in 0..5 {
            pgbouncer.restart().await;
            // All clients use connections again.
            for n in 0..20 {
                let path = format!("/v1/users/by-username/absent{n}");
                while pooled.service().get(&path).await.status != 404 {}
            }
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (acknowledged, ()) = tokio::join!(join_all((0..6).map(write)), restart);
    let acknowledged = acknowledged.concat();
    assert!(acknowledged.len() > 20, "{}", acknowledged.len());
    for path in acknowledged {
        assert_eq!(direct.service().get(&path).await.status, 200, "{path}");
    }

    // A restart between two requests is not noticed.
    pgbouncer.restart().await;
    let requests = (0..12).map(async |n| {
        let read = pooled.service().get(&path(&user)).await;
        assert_eq!(read.status, 200, "{}", read.text);
        pooled.register(&format!("later{n}")).await;
    });
    join_all(requests).await;
    pooled.stop().await;
    direct.stop().await;
}
