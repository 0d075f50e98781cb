//! `GET /v1/users?metadata.public.<key>=` and `metadata.private.<key>=`, and the indexes that serve them.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};
use serde_json::{Value, json};
use user_adapters::sea_orm::{Connections, IndexOutcome, PoolOptions, SeaOrmUsers};
use user_domain::directory::MetadataKey;
use user_domain::test_support::contracts::{StoreUnderTest, user_directory};
use user_tests::{PostgresDatabase, Store, TestApp, TestClient};

use super::list::{names, read_all_pages};
use crate::common::{assert_faults, assert_problem, encode, path};

const KEYS: &str = "public.plan, private.crm.id";

async fn with_keys(app: &TestApp) -> TestApp {
    app.replica_with(&[("INDEXED_METADATA", KEYS)]).await
}

async fn register(app: &TestApp, username: &str, public: &Value, private: &Value) -> Value {
    let body = json!({
        "username": username,
        "email": format!("{username}@example.org"),
        "metadata": {"public": public, "private": private},
    });
    let reply = app.service().post("/v1/users", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply.json
}

async fn reader_of(app: &TestApp, scopes: &[&str]) -> String {
    let body = json!({"name": "posts", "scopes": scopes});
    let made = app.service().post("/v1/tokens", &body).await;
    format!("Bearer {}", made.json["token"].as_str().unwrap())
}

async fn count(caller: &TestClient<'_>, filter: &str) -> Value {
    let counted = caller.get(&format!("/v1/users/count?{filter}")).await;
    assert_eq!(counted.status, 200, "{}", counted.text);
    counted.json["count"].clone()
}

user_tests::on_each_store! {
    async fn users_are_filtered_by_configured_metadata_keys(app: &TestApp) {
        let app = &with_keys(app).await;
        let service = app.service();
        for (name, public, private) in [
            ("ann", json!({"plan": "gold"}), json!({"crm.id": 7})),
            ("bob", json!({"plan": "gold,silver"}), json!({"crm.id": "7"})),
            ("cat", json!({"plan": "silver", "other": "gold"}), json!({"crm.id": 1.5})),
            ("dan", json!({"plan": true}), json!({"crm.id": null})),
            ("eve", json!({}), json!({})),
        ] {
            register(app, name, &public, &private).await;
        }
        for (filter, expected) in [
            ("metadata.public.plan=gold", &["ann"][..]),
            ("metadata.public.plan=GOLD", &[]),
            ("metadata.public.plan=gold,silver", &["bob"]),
            ("metadata.public.plan=gold&metadata.public.plan=silver&metadata.public.plan=gold", &["cat", "ann"]),
            ("metadata.public.plan=true", &["dan"]),
            ("metadata.public.plan=", &[]),
            ("metadata.private.crm.id=7", &["bob", "ann"]),
            ("metadata%2Eprivate.crm.id=1.5", &["cat"]),
            ("metadata.private.crm.id=null", &[]),
            ("metadata.private.crm.id=7&metadata.public.plan=gold", &["ann"]),
            ("metadata.private.crm.id=7&q=bo", &["bob"]),
            ("metadata.private.crm.id=7&status=deleted", &[]),
        ] {
            let page = service.get(&format!("/v1/users?{filter}")).await;
            assert_eq!(names(&page), expected, "{filter}");
            assert_eq!(count(&service, filter).await, json!(expected.len()), "{filter}");
        }
        let filter = "/v1/users?metadata.private.crm.id=7&metadata.public.plan=gold&metadata.public.plan=gold,silver&limit=1";
        assert_eq!(read_all_pages(&service, filter).await, ["bob", "ann"]);
        let first = service.get("/v1/users?metadata.private.crm.id=7&limit=1").await;
        let cursor = first.json["next_cursor"].as_str().unwrap();
        for other in ["metadata.private.crm.id=8", "metadata.public.plan=7", "status=active"] {
            let refused = service.get(&format!("/v1/users?{other}&limit=1&cursor={cursor}")).await;
            assert_problem(&refused, 400, "invalid_cursor");
        }
    }

    async fn an_unconfigured_metadata_key_is_an_unknown_parameter(app: &TestApp) {
        let with_keys = with_keys(app).await;
        for (app, named) in [(app, false), (&with_keys, true)] {
            for name in ["metadata.public.other", "metadata.user.plan", "metadata.plan", "metadata.public.plan.x", "metadata.Public.plan"] {
                for path in ["/v1/users", "/v1/users/count"] {
                    let refused = app.service().get(&format!("{path}?{name}=gold")).await;
                    assert_faults(&refused, &[(name, "unknown_parameter")]);
                    let detail = refused.json["errors"][0]["detail"].as_str().unwrap();
                    assert!(detail.contains("INDEXED_METADATA") && !detail.contains("crm"), "{detail}");
                }
            }
            let known = app.service().get("/v1/users/count?metadata.public.plan=gold").await;
            assert_eq!(known.status, if named { 200 } else { 422 }, "{}", known.text);
        }
        let too_many = (0..33).map(|n| format!("metadata.public.plan={n}")).collect::<Vec<_>>().join("&");
        let too_long = format!("metadata.public.plan={}", "x".repeat(257));
        for (query, code) in [
            (too_many.as_str(), "too_many"),
            (&too_long, "too_long"),
            ("metadata.public.plan=a%00", "forbidden_character"),
        ] {
            let refused = with_keys.service().get(&format!("/v1/users?{query}")).await;
            assert_faults(&refused, &[("metadata.public.plan", code)]);
        }
    }

    async fn private_metadata_filters_need_the_private_scope(app: &TestApp) {
        let app = &with_keys(app).await;
        register(app, "ann", &json!({"plan": "gold"}), &json!({"crm.id": 7})).await;
        let reader = app.authorized(reader_of(app, &["users:read"]).await);
        assert_eq!(count(&reader, "metadata.public.plan=gold").await, json!(1));
        // The response does not reveal whether a key is configured.
        for key in ["crm.id", "other"] {
            for path in ["/v1/users", "/v1/users/count"] {
                let refused = reader.get(&format!("{path}?metadata.private.{key}=7&limit=x")).await;
                assert_problem(&refused, 403, "insufficient_scope");
                assert_eq!(refused.json["required_scope"], "users:read_private");
            }
        }
        let reader = app.authorized(reader_of(app, &["users:read", "users:read_private"]).await);
        for caller in [&reader, &app.admin().await] {
            assert_eq!(count(caller, "metadata.private.crm.id=7").await, json!(1));
        }
    }

    async fn a_value_of_any_length_can_be_stored_under_an_indexed_key(app: &TestApp) {
        let app = &with_keys(app).await;
        let longest = "ü".repeat(256);
        let ann = register(app, "ann", &json!({"plan": longest}), &json!({})).await;
        let found = format!("metadata.public.plan={}", encode(&longest));
        assert_eq!(count(&app.service(), &found).await, json!(1));
        for longer in [format!("{longest}ü"), "\u{1d49c}".repeat(4_000), "x".repeat(16_000)] {
            let body = json!({"metadata": {"public": {"plan": longer}}});
            let kept = app.service().patch(&path(&ann), &body).await;
            assert_eq!(kept.json["metadata"]["public"]["plan"], longer, "{}", kept.status);
            assert_eq!(count(&app.service(), &found).await, json!(0));
        }
    }
}

/// The existing metadata indexes: expression, oid, and whether they are valid.
async fn indexes(connection: &mut PgConnection) -> Vec<(String, i64, bool)> {
    let rows = sea_orm::sqlx::query(
        "SELECT pg_get_expr(indexprs, indrelid), indexrelid::oid::bigint, indisvalid FROM pg_index
        WHERE indrelid = 'users'::regclass AND indexrelid::regclass::text LIKE 'users\\_metadata\\_%' ORDER BY 1",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    let index = |row: &sea_orm::sqlx::postgres::PgRow| (row.get(0), row.get(1), row.get(2));
    rows.iter().map(index).collect()
}

/// Waits until the metadata indexes meet a condition.
async fn indexes_that(
    connection: &mut PgConnection,
    expected: impl Fn(&[(String, i64, bool)]) -> bool,
) -> Vec<(String, i64, bool)> {
    for _ in 0..600 {
        let found = indexes(connection).await;
        if expected(&found) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("unexpected indexes: {:?}", indexes(connection).await);
}

#[actix_web::test]
async fn indexes_follow_the_setting_and_invalid_ones_are_rebuilt() {
    let named = |keys: &'static str| [("INDEXED_METADATA", keys)];
    let app = TestApp::start_with(Store::Postgres, &named("public.a,private.o'x")).await;
    let mut connection = app.postgres().connect().await;
    let are_valid =
        |found: &[(String, i64, bool)]| found.len() == 2 && found.iter().all(|index| index.2);
    let first = indexes_that(&mut connection, are_valid).await;
    assert!(
        first[0].0.contains("'o''x'") && first[1].0.contains("metadata_public"),
        "{first:?}"
    );

    // An interrupted creation leaves an invalid index.
    let broken = format!(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = {}",
        first[0].1
    );
    connection.execute(AssertSqlSafe(broken)).await.unwrap();
    let replica = app.replica_with(&named("public.a,private.o'x")).await;
    let second = indexes_that(&mut connection, are_valid).await;
    assert_ne!(first[0].1, second[0].1);
    assert_eq!(first[1], second[1]);

    // A changed setting.
    let other = app.replica_with(&named("public.a,public.b")).await;
    let has_other = |found: &[(String, i64, bool)]| {
        are_valid(found)
            && found
                .iter()
                .all(|index| index.0.contains("metadata_public"))
    };
    let third = indexes_that(&mut connection, has_other).await;
    assert!(third.contains(&first[1]), "{third:?}");
    for app in [other, replica, app] {
        app.stop().await;
    }
}

#[actix_web::test]
async fn only_one_replica_builds_the_indexes() {
    let database = PostgresDatabase::create().await;
    let keys = [MetadataKey::parse("public.a").unwrap()];
    let mut other = database.connect().await;
    let lock = "SELECT pg_advisory_lock((SELECT x'757365726d657461'::bit(64)::bigint))";
    other.execute(lock).await.unwrap();
    let options = PoolOptions {
        max_connections: 2,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&database.url(), &options)
        .await
        .unwrap();
    let busy = connections.update_metadata_indexes(&keys, true).await;
    assert_eq!(busy.unwrap(), IndexOutcome::Deferred);
    other
        .execute("SELECT pg_advisory_unlock_all()")
        .await
        .unwrap();
    for made in [1, 0] {
        let ready = connections.update_metadata_indexes(&keys, true).await;
        assert_eq!(ready.unwrap(), IndexOutcome::Ready(made));
    }
    // A writer does not wait for the creation, even while the creation waits for a transaction.
    let mut old = database.connect().await;
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        .await
        .unwrap();
    old.execute("DELETE FROM users").await.unwrap();
    let keys = [MetadataKey::parse("public.b").unwrap()];
    let creation = connections.clone();
    let creation = tokio::spawn(async move { creation.update_metadata_indexes(&keys, true).await });
    indexes_that(&mut other, |found| found.iter().any(|index| !index.2)).await;
    other.execute("SET statement_timeout = '5s'").await.unwrap();
    let written = "UPDATE users SET metadata_public = '{\"b\":1}'";
    other
        .execute(written)
        .await
        .expect("a write that does not wait");
    assert!(!creation.is_finished());
    old.execute("COMMIT").await.unwrap();
    assert_eq!(creation.await.unwrap().unwrap(), IndexOutcome::Ready(1));
    connections.close().await;
}

/// A store on a database that prefers the metadata indexes.
async fn indexed_store() -> StoreUnderTest {
    let database = PostgresDatabase::create().await;
    let url = database.url();
    let name = url.rsplit('/').next().unwrap();
    let forced = format!("ALTER DATABASE {name} SET enable_seqscan = off");
    let mut connection = database.connect().await;
    connection.execute(AssertSqlSafe(forced)).await.unwrap();
    let options = PoolOptions {
        max_connections: 8,
        ..PoolOptions::default()
    };
    let connections = Connections::postgres(&url, &options).await.unwrap();
    let keys = [
        "public.a",
        "private.a",
        "private.b",
        "public.a'b",
        "public.$.a",
        "public.[0]",
        "public.größe",
    ];
    let keys = keys.map(|key| MetadataKey::parse(key).unwrap());
    let ready = connections.update_metadata_indexes(&keys, true).await;
    assert_eq!(ready.unwrap(), IndexOutcome::Ready(keys.len()));
    StoreUnderTest::from(Arc::new(SeaOrmUsers::new(connections))).with_resource(database)
}

#[actix_web::test]
async fn an_index_changes_no_result() {
    use user_directory::*;
    let (strings, keys, changes) = (
        indexed_store().await,
        indexed_store().await,
        indexed_store().await,
    );
    a_metadata_filter_compares_strings_by_text_and_others_by_json(&strings).await;
    a_metadata_filter_takes_keys_literally(&keys).await;
    a_metadata_filter_sees_changes_and_values_of_any_length(&changes).await;
}

/// The number of scans of the metadata indexes. PostgreSQL reports it with a delay.
async fn scans(connection: &mut PgConnection) -> i64 {
    let scans = sea_orm::sqlx::query(
        "SELECT coalesce(sum(idx_scan), 0)::bigint FROM pg_stat_user_indexes WHERE indexrelname LIKE 'users\\_metadata\\_%'",
    );
    scans.fetch_one(connection).await.unwrap().get(0)
}

#[actix_web::test]
async fn a_filter_uses_its_index() {
    let app = TestApp::start_with(Store::Postgres, &[("INDEXED_METADATA", KEYS)]).await;
    register(
        &app,
        "ann",
        &json!({"plan": "gold"}),
        &json!({"crm.id": "c-1"}),
    )
    .await;
    let mut connection = app.postgres().connect().await;
    super::search::insert_many(&mut connection, "ann", ("many.", 3_000, 60)).await;
    let numbered = "UPDATE users SET metadata_private = '{\"crm.id\":\"m-' || username_key || '\"}' WHERE username_key <> 'ann'";
    connection.execute(numbered).await.unwrap();
    indexes_that(&mut connection, |found| {
        found.len() == 2 && found.iter().all(|index| index.2)
    })
    .await;
    // Beside the creation of an index, it can end in a deadlock.
    connection.execute("ANALYZE users").await.unwrap();
    for _ in 0..600 {
        let page = app
            .service()
            .get("/v1/users?metadata.private.crm.id=c-1")
            .await;
        assert_eq!(names(&page), ["ann"]);
        if scans(&mut connection).await > 0 {
            return app.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the index is not used");
}
