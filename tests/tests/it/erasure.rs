//! An erasure leaves no readable data in the database and keeps the username reserved.

use reqwest::Method;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement};
use serde_json::json;
use user_tests::{Reply, TestApp, configured};

use crate::common::{assert_problem, full_user_body, id, path};
use crate::retention::database;

pub(crate) async fn texts(database: &DatabaseConnection, sql: String) -> Vec<String> {
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| {
            row.try_get::<Option<String>>("", "text")
                .unwrap()
                .unwrap_or_default()
        })
        .collect()
}

/// Every row of every table, as text.
async fn dump(database: &DatabaseConnection) -> Vec<(String, String)> {
    let is_postgres = database.get_database_backend() == DatabaseBackend::Postgres;
    let tables = if is_postgres {
        "SELECT table_name::text AS text FROM information_schema.tables
            WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
    } else {
        "SELECT name AS text FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    };
    let mut rows = Vec::new();
    for table in texts(database, tables.to_owned()).await {
        let sql = if is_postgres {
            format!("SELECT row_to_json(t)::text AS text FROM {table} AS t")
        } else {
            let columns = format!(
                "SELECT 'quote(\"' || name || '\")' AS text FROM pragma_table_info('{table}')"
            );
            let columns = texts(database, columns).await.join(" || ' ' || ");
            format!("SELECT {columns} AS text FROM {table}")
        };
        let found = texts(database, sql).await;
        rows.extend(found.into_iter().map(|row| (table.clone(), row)));
    }
    rows
}

/// Whether a SQLite file contains a text anywhere, including its free pages.
async fn is_in_the_file(app: &TestApp, database: &DatabaseConnection, text: &str) -> bool {
    // Recent readers may delay the truncation of the write-ahead log.
    let emptied = async {
        loop {
            let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
            let statement = Statement::from_string(DatabaseBackend::Sqlite, sql);
            let row = database.query_one_raw(statement).await.unwrap().unwrap();
            if row.try_get::<i32>("", "busy").unwrap() == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), emptied)
        .await
        .unwrap();
    let uri = app.database_uri();
    let file = std::fs::read(uri.strip_prefix("sqlite:///").unwrap()).unwrap();
    file.windows(text.len()).any(|part| part == text.as_bytes())
}

user_tests::on_each_store! {
    async fn an_erasure_leaves_no_readable_trace_of_the_user(app: &TestApp) {
        let service = app.service();
        let mut body = full_user_body("Planted.First");
        body["profile"] = json!({"name": "Planted Name", "bio": "planted"});
        body["metadata"] = json!({"public": {"a": "planted"}, "user": {"a": "planted"}, "private": {"a": "planted"}});
        let user = service.post_with("/v1/users", &body, &[("Idempotency-Key", "planted-create")]).await.json;
        let own = app.user(id(&user));
        for name in ["Planted.Second", "Planted.Third"] {
            let renamed = own.patch_with("/v1/users/me", &json!({"username": name}), &[("Idempotency-Key", name)]).await;
            assert_eq!(renamed.status, 200, "{}", renamed.text);
        }
        let login = json!({"identifier": "Planted.Third", "password": "planted", "source": "planted"});
        assert_eq!(service.post("/v1/credentials/verify", &login).await.status, 401);
        let other = app.register("bob").await;
        let follow = own.request(Method::PUT, &format!("{}/following/{}", path(&user), id(&other)));
        assert_eq!(Reply::send(follow).await.status, 204);
        let block = format!("{}/blocks/{}", path(&other), id(&user));
        assert_eq!(app.user(id(&other)).put(&block).await.status, 204);

        let database = database(app).await;
        let is_planted = |(_, row): &(String, String)| row.to_lowercase().contains("planted");
        let before = dump(&database).await;
        assert!(before.iter().any(is_planted));
        // Idempotency keys are never stored in plain text. Released usernames are, until their owner is erased.
        assert!(before.iter().all(|(table, row)| table != "idempotency_keys" || !is_planted(&(String::new(), row.clone()))));
        assert_eq!(before.iter().filter(|(table, _)| table == "idempotency_keys").count(), 3);

        let erased = service.delete_with(&format!("{}?erase=true", path(&user)), &[("Idempotency-Key", "planted-erase")]).await;
        assert_eq!(erased.status, 204, "{}", erased.text);
        let remaining: Vec<(String, String)> = dump(&database).await.into_iter().filter(is_planted).collect();
        assert_eq!(remaining, []);
        let blocks = app.user(id(&other)).get(&format!("{}/blocks", path(&other))).await;
        assert_eq!(blocks.json["users"][0]["username"], json!(null), "{}", blocks.text);
        if database.get_database_backend() == DatabaseBackend::Sqlite {
            assert!(!is_in_the_file(app, &database, "Planted Name").await, "the file still contains the user");
        }
        for name in ["planted.first", "PLANTED.second", "Planted.Third"] {
            let body = json!({"username": name, "email": format!("{name}@example.org")});
            assert_problem(&service.post("/v1/users", &body).await, 409, "username_taken");
        }
    }

    async fn a_purge_conceals_plain_names_left_by_an_earlier_release(app: &TestApp) {
        let other = app.register("stays").await;
        let renamed = app.service().patch(&path(&other), &json!({"username": "stayed"})).await;
        assert_eq!(renamed.status, 200);
        let planted = app.register("planted").await;
        app.service().delete(&format!("{}?erase=true", path(&planted))).await;
        let database = database(app).await;
        // The earlier release kept the plain name on erasure.
        database.execute_unprepared(
            "UPDATE released_usernames SET username_key = 'planted', username_skeleton = 'planted' WHERE username_key <> 'stays'"
        ).await.unwrap();
        let names = async || {
            let mut names = texts(&database, "SELECT username_key AS text FROM released_usernames".to_owned()).await;
            names.sort();
            names
        };
        assert_eq!(names().await, ["planted", "stays"]);
        let folder = tempfile::tempdir().unwrap();
        let purged = configured(folder.path(), &app.database_uri(), &["purge"]).output().unwrap();
        assert_eq!(purged.status.code(), Some(0));
        let names = names().await;
        assert_eq!((names.len(), &*names[1]), (2, "stays"), "{names:?}");
        assert!(!names[0].contains("planted"), "{names:?}");
        let body = json!({"username": "Planted", "email": "planted@example.org"});
        assert_problem(&app.service().post("/v1/users", &body).await, 409, "username_taken");
    }

    async fn a_plain_idempotency_key_of_an_earlier_release_still_replays(app: &TestApp) {
        let service = app.service();
        let body = json!({"username": "alice", "email": "alice@example.org"});
        let key = [("Idempotency-Key", "planted")];
        let first = service.post_with("/v1/users", &body, &key).await;
        assert_eq!(first.status, 201);
        let database = database(app).await;
        database.execute_unprepared("UPDATE idempotency_keys SET key = 'planted'").await.unwrap();
        for _ in 0..2 {
            let replay = service.post_with("/v1/users", &body, &key).await;
            assert_eq!((replay.status, replay.header("idempotency-replayed")), (201, "true"), "{}", replay.text);
            assert_eq!(replay.json["id"], first.json["id"]);
        }
        let other = json!({"username": "bob", "email": "bob@example.org"});
        assert_problem(&service.post_with("/v1/users", &other, &key).await, 422, "idempotency_key_reused");
        // It expires after a day, like any other key.
        database.execute_unprepared("UPDATE idempotency_keys SET created_at = '2025-01-01T00:00:00+00:00'").await.unwrap();
        let fresh = service.post_with("/v1/users", &other, &key).await;
        assert_eq!((fresh.status, fresh.header("idempotency-replayed")), (201, ""));
        let replay = service.post_with("/v1/users", &other, &key).await;
        assert_eq!(replay.header("idempotency-replayed"), "true");
    }

    async fn a_user_reserves_at_most_three_former_usernames(app: &TestApp) {
        let user = app.register("name0").await;
        let own = app.user(id(&user));
        for n in 1..6 {
            let renamed = own.patch("/v1/users/me", &json!({"username": format!("name{n}")})).await;
            assert_eq!(renamed.status, 200, "{}", renamed.text);
        }
        for n in 0..6 {
            let body = json!({"username": format!("name{n}"), "email": format!("other{n}@example.org")});
            let taken = app.service().post("/v1/users", &body).await;
            assert_eq!(taken.status, if n < 2 { 201 } else { 409 }, "name{n}: {}", taken.text);
        }
    }
}
