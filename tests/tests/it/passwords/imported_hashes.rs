//! Logins with password hashes imported from other platforms.

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use user_tests::{Store, TestApp};

use super::{assert_refused, verify};
use crate::common::path;

/// Hashes of other platforms' libraries: one for each algorithm and library, of passwords that this service accepts.
fn hashes() -> Vec<(String, String, String)> {
    let all: Vec<Value> =
        serde_json::from_str(include_str!("../../../data/password_hashes.json")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    all.iter()
        .filter(|entry| text(entry, "password").len() > 1)
        .filter(|entry| seen.insert((text(entry, "library"), text(entry, "scheme"))))
        .map(|entry| {
            let by = format!("{} {}", text(entry, "library"), text(entry, "scheme"));
            (by, text(entry, "password"), text(entry, "hash"))
        })
        .collect()
}

async fn assert_imports(app: &TestApp, number: usize, by: &str, password: &str, hash: &str) {
    let name = format!("mover{number}");
    let body =
        json!({"username": name, "email": format!("{name}@example.org"), "password_hash": hash});
    let user = app.service().post("/v1/users", &body).await;
    assert_eq!(user.status, 201, "{by}: {}", user.text);
    assert_refused(&verify(app, &name, &format!("!{password}")).await);
    // The second time the password may already be rehashed.
    for time in ["first", "second"] {
        let verified = verify(app, &name, password).await;
        assert_eq!(
            verified.status, 200,
            "{by}, the {time} time: {}",
            verified.text
        );
    }
    assert_refused(&verify(app, &name, &format!("!{password}")).await);
    let again = json!({"password_hash": hash});
    let place = format!("{}/password", path(&user.json));
    assert_eq!(
        app.service().put_with(&place, &again, &[]).await.status,
        204
    );
    assert_eq!(verify(app, &name, password).await.status, 200, "{by}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imported_users_log_in_with_their_old_passwords() {
    let app = TestApp::start(Store::Postgres).await;
    let hashes = hashes();
    assert!(hashes.len() >= 10, "{} kinds of hashes", hashes.len());
    stream::iter(hashes.iter().enumerate())
        .for_each_concurrent(4, |(number, (by, password, hash))| {
            assert_imports(&app, number, by, password, hash)
        })
        .await;
    // Every user has logged in. A rehash may finish after its response.
    let mut connection = app.postgres().connect().await;
    let mut foreign: i64 = 1;
    for _ in 0..200 {
        let row = sea_orm::sqlx::query(
            "SELECT count(*) FROM credentials WHERE password_hash NOT LIKE '$argon2id$v=19$m=8,t=1,p=1$%'",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        foreign = sea_orm::sqlx::Row::get(&row, 0);
        if foreign == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(foreign, 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_table_holds_a_plain_password() {
    let app = TestApp::start(Store::Postgres).await;
    let user = super::with_password(&app, "alice").await;
    let body = json!({"password": super::PASSWORD});
    let place = format!("{}/password", path(&user));
    let key = [("Idempotency-Key", "set")];
    assert_eq!(
        app.service().put_with(&place, &body, &key).await.status,
        204
    );
    assert_refused(
        &super::verify_from(&app, "planted-source", "alice", "a wrong planted one").await,
    );
    assert_refused(&super::verify_from(&app, "planted-source", "planted-stranger", "x").await);
    let mut connection = app.postgres().connect().await;
    let mut rows = 0;
    for table in [
        "users",
        "events",
        "credentials",
        "login_attempts",
        "idempotency_keys",
        "store",
    ] {
        let sql = format!("SELECT row_to_json(t)::text FROM {table} AS t");
        let found = sea_orm::sqlx::query(sea_orm::sqlx::AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        for row in &found {
            let text: String = sea_orm::sqlx::Row::get(row, 0);
            assert!(
                !text.contains("correct horse") && !text.contains("planted"),
                "{table}: {text}"
            );
            assert!(
                table == "credentials" || !text.contains("argon2"),
                "{table}: {text}"
            );
        }
        rows += found.len();
    }
    assert!(rows >= 8, "{rows} rows");
    app.stop().await;
}
