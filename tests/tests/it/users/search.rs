//! `GET /v1/users?q=` with the PostgreSQL index of search texts.

use std::collections::BTreeSet;

use sea_orm::sqlx::{Executor as _, PgConnection, Row as _};
use serde_json::json;
use user_tests::{PostgresDatabase, Store, TestApp};

use super::list::{names, read_all_pages};
use crate::common::path;
use crate::migrations::migrate;

/// More matches than the index query counts exactly.
const MANY: usize = 2_100;

/// Texts of several lengths, with characters that are special in `tsquery`, `LIKE` and SQL.
const TEXTS: [&str; 9] = [
    "a\n",
    "ab\nab",
    "aaaaaaaa\naaaa",
    "o'hara\n'' \\' \\\\ \\",
    "a:*b\n100% & !(_) <-> |",
    "weiß\u{308}e 𝒜𝓁𝒾 👩\u{200d}🚀",
    "яна\nαλέξανδρος",
    "tab\u{b}bed  name ",
    "\"quoted\"\n:* :a :b",
];

#[actix_web::test]
async fn the_index_finds_every_substring() {
    let database = PostgresDatabase::create().await;
    let mut connection = database.connect().await;
    let mut terms = BTreeSet::new();
    for text in TEXTS {
        let characters: Vec<char> = text.chars().collect();
        for length in 2..=13 {
            terms.extend(
                characters
                    .windows(length)
                    .map(|part| part.iter().collect::<String>()),
            );
        }
    }
    let missed = sea_orm::sqlx::query(
        "SELECT t, s FROM unnest($1::text[]) AS t, unnest($2::text[]) AS s
        WHERE position(s IN t) > 0 AND (user_search_parts(t) @@ user_search_query(s)) IS NOT TRUE",
    )
    .bind(TEXTS.as_slice())
    .bind(terms.iter().cloned().collect::<Vec<_>>())
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let missed: Vec<(String, String)> = missed.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(missed, []);
    assert!(terms.len() > 500, "{}", terms.len());
}

/// Inserts copies of this user by SQL, as a release without the index does. They are created this many seconds later.
pub(super) async fn insert_many(
    connection: &mut PgConnection,
    username: &str,
    (prefix, users, seconds_later): (&str, usize, i32),
) {
    let statement = sea_orm::sqlx::query(
        "INSERT INTO users SELECT (jsonb_populate_record(u, jsonb_build_object(
            'id', gen_random_uuid(), 'username', made.of, 'username_key', made.of, 'username_skeleton', made.of,
            'external_id', NULL, 'email', made.of || $5, 'email_key', made.of || $5, 'search_text', made.of || E'\\n', 'created_at', u.created_at + make_interval(secs => $4)))).*
        FROM users AS u, generate_series(1, $2) AS n, LATERAL (SELECT $3 || lpad(n::text, greatest(4, length(n::text)), '0')) AS made(of)
        WHERE u.username = $1",
    );
    let inserted = statement
        .bind(username)
        .bind(i32::try_from(users).unwrap())
        .bind(prefix)
        .bind(f64::from(seconds_later))
        // Bound as a parameter, because the driver logs the text of slow statements.
        .bind("@example.org")
        .execute(connection)
        .await
        .unwrap();
    assert_eq!(inserted.rows_affected(), users as u64);
}

#[actix_web::test]
async fn small_and_large_results_have_the_same_order() {
    let app = TestApp::start(Store::Postgres).await;
    app.register("alice").await;
    let mut connection = app.postgres().connect().await;
    insert_many(&mut connection, "alice", ("many.", MANY, 0)).await;
    connection.execute("ANALYZE").await.unwrap();
    let service = app.service();
    let all: Vec<String> = (1..=MANY).map(|n| format!("many.{n:04}")).collect();
    for (query, expected) in [
        ("q=many", all.clone()),
        ("q=any.&username_prefix=MANY.1", all[999..1999].to_vec()),
        ("q=many.1", all[999..1999].to_vec()),
        ("q=any.0&username_prefix=many.09", all[899..999].to_vec()),
        ("q=MANY.2100", all[2099..].to_vec()),
        (
            "q=00",
            all.iter()
                .filter(|name| name.contains("00"))
                .cloned()
                .collect(),
        ),
        ("q=many&status=suspended", vec![]),
        ("q=ny.210&status=suspended", vec![]),
        ("q=many.21000", vec![]),
    ] {
        let listed = read_all_pages(
            &service,
            &format!("/v1/users?sort=username&limit=200&{query}"),
        )
        .await;
        assert_eq!(listed, expected, "{query}");
    }
    let newest_first = read_all_pages(&service, "/v1/users?limit=200&q=many.20").await;
    assert_eq!(newest_first.len(), 100);
    assert_eq!(newest_first.iter().collect::<BTreeSet<_>>().len(), 100);
    let last_page = service
        .get("/v1/users?sort=username&limit=200&q=many.20")
        .await;
    assert_eq!(
        (names(&last_page).len(), &last_page.json["next_cursor"]),
        (100, &json!(null))
    );
}

/// More rows than a page scans before it reads all matches from the index.
const NEWER: usize = 10_100;

#[actix_web::test]
async fn many_late_matches_are_found_and_counted() {
    let app = TestApp::start(Store::Postgres).await;
    app.register("alice").await;
    let mut connection = app.postgres().connect().await;
    insert_many(&mut connection, "alice", ("many.", MANY, -60)).await;
    insert_many(&mut connection, "alice", ("newer.", NEWER, 60)).await;
    connection.execute("ANALYZE").await.unwrap();
    let service = app.service();
    let listed = read_all_pages(&service, "/v1/users?limit=200&q=many").await;
    let once: BTreeSet<&String> = listed.iter().collect();
    assert_eq!((listed.len(), once.len()), (MANY, MANY));
    assert!(listed.iter().all(|name| name.starts_with("many.")));
    for (query, count) in [
        ("q=many", MANY),
        ("q=newer", NEWER),
        ("q=er.10", 201),
        ("q=many&status=suspended", 0),
        ("q=many&username_prefix=many.00", 99),
        ("q=missing", 0),
        ("q=li", 1),
    ] {
        let counted = service.get(&format!("/v1/users/count?{query}")).await;
        assert_eq!(counted.json, json!({ "count": count }), "{query}");
    }
    let suspended = read_all_pages(&service, "/v1/users?limit=200&q=many&status=suspended").await;
    assert!(suspended.is_empty());
}

/// The rows read from `users`, as far as PostgreSQL has reported them.
async fn rows_read(connection: &mut PgConnection) -> i64 {
    let read = "SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables WHERE relname = 'users'";
    let read = sea_orm::sqlx::query(read);
    read.fetch_one(connection).await.unwrap().get(0)
}

#[actix_web::test]
async fn late_matches_are_found_without_reading_all_earlier_rows() {
    const LATE: usize = 1_000;
    const EARLY: usize = 20_000;
    let app = TestApp::start(Store::Postgres).await;
    app.register("alice").await;
    let mut connection = app.postgres().connect().await;
    insert_many(&mut connection, "alice", ("far.", LATE, -60)).await;
    insert_many(&mut connection, "alice", ("a.near.", EARLY, 60)).await;
    let roles = "UPDATE users SET roles = '[\"keeper\"]' WHERE username_key LIKE 'far.%'";
    connection.execute(roles).await.unwrap();
    connection.execute("VACUUM (ANALYZE) users").await.unwrap();
    // Otherwise this connection reports what it has read so far at some later time.
    connection
        .execute("SELECT pg_stat_force_next_flush()")
        .await
        .unwrap();
    let service = app.service();
    let late = |from: usize| -> Vec<String> {
        (from..).take(100).map(|n| format!("far.{n:04}")).collect()
    };
    let alice = service.get("/v1/users/by-username/alice").await.json;
    let before = alice["created_at"].as_str().unwrap();
    for filter in [
        "username_prefix=far.".to_owned(),
        "q=far.".to_owned(),
        "role=keeper&sort=username".to_owned(),
        format!("created_until={before}&sort=username"),
    ] {
        let before = rows_read(&mut connection).await;
        let page = service.get(&format!("/v1/users?limit=100&{filter}")).await;
        let found: BTreeSet<String> = names(&page).into_iter().map(str::to_owned).collect();
        assert_eq!(found.len(), 100, "{filter}");
        if filter.contains("sort=username") {
            assert_eq!(found.into_iter().collect::<Vec<_>>(), late(1), "{filter}");
        } else {
            assert!(
                found.iter().all(|name| name.starts_with("far.")),
                "{filter}"
            );
        }
        let counted = service
            .get(&format!(
                "/v1/users/count?{}",
                filter.replace("&sort=username", "")
            ))
            .await;
        assert_eq!(counted.json, json!({ "count": LATE }), "{filter}");
        // A connection reports its reads at most once a second, on its next read.
        let mut read = 0;
        for _ in 0..600 {
            read = rows_read(&mut connection).await - before;
            if read > 3_000 {
                break;
            }
            names(&service.get("/v1/users?limit=1").await);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert!((3_000..16_000).contains(&read), "{filter}: {read}");
    }
}

async fn search_text_count(connection: &mut PgConnection) -> i64 {
    let texts = sea_orm::sqlx::query("SELECT count(*) FROM user_search_texts");
    texts.fetch_one(connection).await.unwrap().get(0)
}

#[actix_web::test]
async fn an_erased_user_is_removed_from_the_index() {
    let app = TestApp::start(Store::Postgres).await;
    let (alice, _) = (app.register("alice").await, app.register("bob").await);
    let service = app.service();
    let mut connection = app.postgres().connect().await;
    let renamed = service
        .patch(&path(&alice), &json!({"username": "carol"}))
        .await;
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    assert_eq!(search_text_count(&mut connection).await, 2);
    assert_eq!(
        read_all_pages(&service, "/v1/users?q=carol").await,
        ["carol"]
    );
    assert!(
        read_all_pages(&service, "/v1/users?q=alice")
            .await
            .is_empty()
    );
    let erased = service
        .delete(&format!("{}?erase=true", path(&alice)))
        .await;
    assert_eq!(erased.status, 204, "{}", erased.text);
    assert_eq!(search_text_count(&mut connection).await, 1);
    assert!(
        read_all_pages(&service, "/v1/users?q=carol")
            .await
            .is_empty()
    );
}

#[actix_web::test]
async fn searches_find_all_users_while_the_index_is_invalid() {
    let app = TestApp::start(Store::Postgres).await;
    app.register("alice").await;
    app.register("bob").await;
    let mut connection = app.postgres().connect().await;
    // The texts are not copied yet, and the creation of the index was interrupted.
    let interrupt = "DELETE FROM seaql_migrations WHERE version = 'm20261124_000007_search';
        DROP INDEX user_search_texts_ix; UPDATE user_search_texts SET search_text = ''";
    connection.execute(interrupt).await.unwrap();
    let invalid =
        "CREATE UNIQUE INDEX CONCURRENTLY user_search_texts_ix ON user_search_texts (search_text)";
    connection.execute(invalid).await.unwrap_err();
    connection
        .execute("DELETE FROM user_search_texts")
        .await
        .unwrap();
    let service = app.service();
    let assert_found = async || {
        assert_eq!(names(&service.get("/v1/users?q=lic").await), ["alice"]);
        let counted = service.get("/v1/users/count?q=lic").await;
        assert_eq!(counted.json, json!({ "count": 1 }));
    };
    assert_found().await;
    assert_eq!(migrate(app.postgres()).await, ["m20261124_000007_search"]);
    assert_eq!(search_text_count(&mut connection).await, 2);
    let index = "SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = 'user_search_texts_ix'::regclass";
    let index = connection.fetch_one(index).await.unwrap();
    assert_eq!((index.get(0), index.get(1)), (true, false));
    assert_found().await;
}
