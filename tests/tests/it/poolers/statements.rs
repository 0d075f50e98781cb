//! What the service sends to a pooler.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use sea_orm::sqlx::{Connection, Executor, PgConnection, Row};
use serde_json::{Value, json};
use user_adapters::sea_orm::{Connections, PoolOptions, SeaOrmUsers};
use user_domain::ports::UserWriter;
use user_domain::test_support::samples;
use user_tests::{PgBouncer, PostgresServer, ServiceProcess};

use super::{ANNOUNCED, pooled};

/// The beginning of each entry of the server's log. The id of the server process follows.
const ENTRY: &str = "@@entry ";

async fn migrated(settings: &[&str]) -> PostgresServer {
    let server = PostgresServer::start_with(settings).await;
    let setup = Connections::postgres(&server.url(), &PoolOptions::default()).await;
    let setup = setup.unwrap();
    setup.migrate(None).await.unwrap();
    setup.close().await;
    server
}

/// The statements in the log of the server since a moment, by server process: whether each was a simple query, and its
/// text.
fn statements(log: &str) -> BTreeMap<&str, Vec<(bool, String)>> {
    let mut statements: BTreeMap<&str, Vec<(bool, String)>> = BTreeMap::new();
    for entry in log.split(ENTRY) {
        let Some((process, message)) = entry.split_once(' ') else {
            continue;
        };
        let of_process = statements.entry(process).or_default();
        if let Some(text) = message.trim().strip_prefix("LOG:  statement: ") {
            of_process.push((true, text.to_owned()));
        } else if let Some(text) = message.trim().strip_prefix("LOG:  execute ") {
            of_process.push((false, text.to_owned()));
        }
    }
    statements
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_outlives_a_transaction_is_sent() {
    let prefix = format!("log_line_prefix={ENTRY}%p ");
    let server = migrated(&[&prefix, "log_statement=all"]).await;
    let before = server.log().len();
    let pgbouncer = PgBouncer::in_front_of(&server.url()).await;
    let through = pgbouncer.url(&server.url());
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ANNOUNCED,
        ("DATABASE_MAX_CONNECTIONS", "32"),
        ("ARGON2_MEMORY_KIB", "8"),
        ("PASSWORD_HASHING_THREADS", "6"),
    ];
    let service = ServiceProcess::serve(folder.path(), &through, &settings).await;
    use_most_operations(&service).await;
    assert_eq!(service.terminate().await, Some(0));

    let log = server.log();
    let mut count = 0;
    for statements in statements(&log[before..]).into_values() {
        let mut is_in_transaction = false;
        for (is_simple, text) in statements {
            count += 1;
            if text.starts_with("BEGIN") {
                assert!(
                    is_simple && text.contains("SET LOCAL statement_timeout = "),
                    "{text}"
                );
                is_in_transaction = true;
                continue;
            }
            if text == "COMMIT" || text == "ROLLBACK" {
                is_in_transaction = false;
                continue;
            }
            assert!(
                is_simple || text.starts_with("<unnamed>: "),
                "a named statement: {text}"
            );
            if is_in_transaction {
                assert_ends_with_its_transaction(&text);
                continue;
            }
            let is_known = |part: &str| OUTSIDE.iter().any(|known| part.trim().starts_with(known));
            let is_allowed = text.trim_end_matches(';').split(';').all(is_known);
            assert!(is_allowed, "outside a transaction: {text}");
        }
    }
    assert!(count > 200, "{count} statements");
    for left in left_in_sessions(&through, 4).await {
        assert_eq!(left, "", "left in a session");
    }
}

fn assert_ends_with_its_transaction(text: &str) {
    let text = text.to_ascii_lowercase();
    let lasting = [
        "listen",
        "with hold",
        "pg_advisory_lock",
        "pg_try_advisory_lock",
        "set_config",
        "temp ",
        "prepare ",
    ];
    for word in lasting {
        assert!(!text.contains(word), "{word}: {text}");
    }
    let is_local = !text.starts_with("set ") || text.starts_with("set local ");
    assert!(is_local, "{text}");
}

/// What may run outside a transaction: checks of connections, and what `PgBouncer` restores in a session.
const OUTSIDE: [&str; 9] = [
    "SELECT checks_client, current_setting('server_encoding')",
    "SELECT now() = statement_timestamp(), pg_is_in_recovery()",
    "SELECT pg_is_in_recovery()",
    "SET application_name=",
    "SET client_encoding=",
    "SET DateStyle=",
    "SET TimeZone=",
    "SET standard_conforming_strings=",
    "select 1",
];

async fn use_most_operations(service: &ServiceProcess) {
    let client = user_tests::http_client();
    let send = async |method: &str, path: &str, body: Value| {
        let request = client.request(method.parse().unwrap(), service.url(path));
        let mut request = request.bearer_auth(user_tests::API_TOKEN);
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        assert!(
            response.status().is_success(),
            "{method} {path}: {}",
            response.text().await.unwrap()
        );
        response.json::<Value>().await.unwrap_or_default()
    };
    let work = async |n: usize| {
        let name = format!("person{n}");
        let body = json!({
            "username": name, "email": format!("{name}@example.org"), "password": "a long password of ours",
        });
        let user = send("POST", "/v1/users", body).await;
        let path = format!("/v1/users/{}", user["id"].as_str().unwrap());
        let other =
            json!({"username": format!("{name}.b"), "email": format!("{name}.b@example.org")});
        let other = send("POST", "/v1/users", other).await;
        let other = other["id"].as_str().unwrap();
        send("PATCH", &path, json!({"profile": {"bio": "text"}})).await;
        send(
            "PATCH",
            &path,
            json!({"username": format!("{name}.renamed")}),
        )
        .await;
        send("PUT", &format!("{path}/following/{other}"), Value::Null).await;
        send("PUT", &format!("{path}/blocks/{other}"), Value::Null).await;
        let login =
            json!({"identifier": format!("{name}.renamed"), "password": "a long password of ours"});
        send("POST", "/v1/credentials/verify", login).await;
        for get in [
            "",
            "/followers",
            "/following",
            "/blocks",
            "/export",
            "/lockout",
        ] {
            send("GET", &format!("{path}{get}"), Value::Null).await;
        }
        let relationships = format!("{path}/relationships?with={other}");
        send("GET", &relationships, Value::Null).await;
        for list in ["?q=person", "?sort=updated_at&limit=2", "/count"] {
            send("GET", &format!("/v1/users{list}"), Value::Null).await;
        }
        let ids = json!({"ids": [user["id"], other]});
        send("POST", "/v1/users/batch", ids).await;
        send("POST", &format!("{path}/suspend"), Value::Null).await;
        send("POST", &format!("{path}/activate"), Value::Null).await;
        send("DELETE", &path, Value::Null).await;
        send("POST", &format!("{path}/restore"), Value::Null).await;
        send("DELETE", &format!("{path}?erase=true"), Value::Null).await;
    };
    join_all((0..6).map(work)).await;
}

/// What this number of sessions of the pooler still contain. As many transactions at once see all of them.
pub(super) async fn left_in_sessions(through: &str, sessions: usize) -> Vec<String> {
    let mut connections = Vec::new();
    let mut left = Vec::new();
    for _ in 0..sessions {
        let mut connection = PgConnection::connect_with(&plain(through)).await.unwrap();
        connection.execute("BEGIN").await.unwrap();
        let row = connection.fetch_one(LEFT).await.unwrap();
        left.push(row.get(0));
        connections.push(connection);
    }
    left
}

/// `application_name` is set by `PgBouncer`.
const LEFT: &str = "SELECT concat_ws('; ',
    (SELECT string_agg('statement ' || name, ', ') FROM pg_prepared_statements),
    (SELECT string_agg('setting ' || name, ', ') FROM pg_settings
        WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone')),
    (SELECT string_agg('cursor ' || name, ', ') FROM pg_cursors WHERE is_holdable),
    (SELECT string_agg('channel ' || channel, ', ') FROM pg_listening_channels() AS channel),
    (SELECT string_agg('lock ' || objid, ', ') FROM pg_locks WHERE locktype = 'advisory'))";

fn plain(url: &str) -> sea_orm::sqlx::postgres::PgConnectOptions {
    let options: sea_orm::sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    options.extra_float_digits(None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transaction_sets_what_a_session_would() {
    let server = migrated(&[
        "default_transaction_isolation=serializable",
        "standard_conforming_strings=off",
        "gin_fuzzy_search_limit=5",
        "statement_timeout=0",
        "lock_timeout=0",
        "idle_in_transaction_session_timeout=0",
        "jit=on",
        "timezone=Asia/Kathmandu",
    ])
    .await;
    let record = "CREATE TABLE recorded AS SELECT name, setting FROM pg_settings LIMIT 0;
        CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO recorded SELECT name, setting FROM pg_settings; RETURN NEW; END';
        CREATE TRIGGER record BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION record()";
    server.execute(record).await;
    let pgbouncer = PgBouncer::in_front_of(&server.url()).await;
    let store = SeaOrmUsers::new(pooled(&pgbouncer.url(&server.url())).await);
    for name in ["first", "second"] {
        let user = samples::registered(&samples::new_user(name), &samples::context());
        store.add(&user, &samples::context()).await.unwrap();
    }
    let rows = "SELECT name, setting, count(*) FROM recorded GROUP BY name, setting";
    let rows = server.connect().await.fetch_all(rows).await.unwrap();
    let recorded: BTreeMap<(String, String), i64> = rows
        .iter()
        .map(|row| ((row.get(0), row.get(1)), row.get(2)))
        .collect();
    let is_known = recorded
        .keys()
        .any(|(name, _)| name == "client_connection_check_interval");
    let interval = ("client_connection_check_interval", "300");
    let expected = [
        ("transaction_isolation", "read committed"),
        ("standard_conforming_strings", "on"),
        ("gin_fuzzy_search_limit", "0"),
        ("statement_timeout", "1000"),
        ("lock_timeout", "900"),
        ("idle_in_transaction_session_timeout", "5000"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
        ("client_encoding", "UTF8"),
    ];
    let expected = expected
        .into_iter()
        .chain((cfg!(target_os = "linux") && is_known).then_some(interval));
    for (name, value) in expected {
        let transactions = recorded.get(&(name.to_owned(), value.to_owned()));
        assert_eq!(transactions, Some(&2), "{name}: {recorded:?}");
    }
}
