//! `GET /v1/users?q=` where PostgreSQL's index of search texts answers.

use std::collections::BTreeSet;

use sea_orm::sqlx::{Executor as _, PgConnection, Row as _};
use serde_json::json;
use user_tests::{PostgresDatabase, Store, TestApp};

use super::list::{names, walk};
use crate::common::path;

/// More than the index counts out.
const MANY: usize = 2_100;

/// Texts of all lengths, with what means something to `tsquery`, to `LIKE` and to SQL.
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
async fn the_index_finds_whatever_part_of_a_text_is_sought() {
    let database = PostgresDatabase::create().await;
    let mut connection = database.connect().await;
    let mut sought = BTreeSet::new();
    for text in TEXTS {
        let characters: Vec<char> = text.chars().collect();
        for length in 2..=13 {
            sought.extend(
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
    .bind(sought.iter().cloned().collect::<Vec<_>>())
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let missed: Vec<(String, String)> = missed.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(missed, []);
    assert!(sought.len() > 500, "{}", sought.len());
}

/// Inserts users by SQL, as a release does that knows of no index.
async fn insert_many(connection: &mut PgConnection, username: &str, users: usize) {
    let statement = sea_orm::sqlx::query(
        "INSERT INTO users SELECT (jsonb_populate_record(u, jsonb_build_object(
            'id', gen_random_uuid(), 'username', made.of, 'username_key', made.of, 'username_skeleton', made.of,
            'external_id', NULL, 'email', made.of || '@example.org', 'email_key', made.of || '@example.org', 'search_text', made.of || E'\\n'))).*
        FROM users AS u, generate_series(1, $2) AS n, LATERAL (SELECT 'many.' || lpad(n::text, 4, '0')) AS made(of)
        WHERE u.username = $1",
    );
    let inserted = statement
        .bind(username)
        .bind(i32::try_from(users).unwrap())
        .execute(connection)
        .await
        .unwrap();
    assert_eq!(inserted.rows_affected(), users as u64);
}

#[actix_web::test]
async fn few_and_many_are_found_alike_and_in_order() {
    let app = TestApp::start(Store::Postgres).await;
    app.register("alice").await;
    let mut connection = app.postgres().connect().await;
    insert_many(&mut connection, "alice", MANY).await;
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
        let walked = walk(
            &service,
            &format!("/v1/users?sort=username&limit=200&{query}"),
        )
        .await;
        assert_eq!(walked, expected, "{query}");
    }
    let newest_first = walk(&service, "/v1/users?limit=200&q=many.20").await;
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

async fn texts_kept(connection: &mut PgConnection) -> i64 {
    let texts = sea_orm::sqlx::query("SELECT count(*) FROM user_search_texts");
    texts.fetch_one(connection).await.unwrap().get(0)
}

#[actix_web::test]
async fn an_erased_user_leaves_nothing_in_the_index() {
    let app = TestApp::start(Store::Postgres).await;
    let (alice, _) = (app.register("alice").await, app.register("bob").await);
    let service = app.service();
    let mut connection = app.postgres().connect().await;
    let renamed = service
        .patch(&path(&alice), &json!({"username": "carol"}))
        .await;
    assert_eq!(renamed.status, 200, "{}", renamed.text);
    assert_eq!(texts_kept(&mut connection).await, 2);
    assert_eq!(walk(&service, "/v1/users?q=carol").await, ["carol"]);
    assert!(walk(&service, "/v1/users?q=alice").await.is_empty());
    let erased = service
        .delete(&format!("{}?erase=true", path(&alice)))
        .await;
    assert_eq!(erased.status, 204, "{}", erased.text);
    assert_eq!(texts_kept(&mut connection).await, 1);
    assert!(walk(&service, "/v1/users?q=carol").await.is_empty());
}
