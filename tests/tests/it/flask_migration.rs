//! The guide for those who come from a Flask service, walked through: users as the older service's models made them,
//! exported by the guide's own SQL, imported, and read with the older service's tokens.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use sea_orm::sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use serde_json::{Value, json};
use user_tests::{API_TOKEN, PostgresDatabase, claims, configured, free_port, sign};

use crate::command_line::{Running, client, ready, status, stderr, stdout};

const GUIDE: &str = include_str!("../../../docs/migrating-from-flask.md");

/// The table that SQLAlchemy makes of the older service's model.
const OLD_TABLE: &str = "CREATE TABLE users (
    id SERIAL NOT NULL,
    username VARCHAR(80) NOT NULL,
    email VARCHAR(120) NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    full_name VARCHAR(200),
    bio TEXT,
    avatar_url VARCHAR(500),
    is_active BOOLEAN DEFAULT true NOT NULL,
    is_admin BOOLEAN DEFAULT false NOT NULL,
    email_confirmed BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITHOUT TIME ZONE,
    PRIMARY KEY (id),
    UNIQUE (username),
    UNIQUE (email)
)";

/// How many users the older service has.
const USERS: i32 = 1000;
const THOUSAND: usize = 1000;

/// What the older service took for a username or an address and this one does not: its row, and where and why it is
/// refused.
const ODD: [(i32, &str, &str, &str, &str); 14] = [
    (11, "ab", "odd11@example.org", "/username", "too_short"),
    (
        12,
        "two words",
        "odd12@example.org",
        "/username",
        "forbidden_character",
    ),
    (
        13,
        "ann@example.org",
        "odd13@example.org",
        "/username",
        "forbidden_character",
    ),
    (14, "root", "odd14@example.org", "/username", "reserved"),
    (
        15,
        "a.name.of.more.than.thirty-two.characters",
        "odd15@example.org",
        "/username",
        "too_long",
    ),
    (
        16,
        "ends.with.a.dot.",
        "odd16@example.org",
        "/username",
        "format",
    ),
    // Another user in another case, and one that looks like another in Cyrillic letters.
    (
        17,
        "MEMBER6",
        "odd17@example.org",
        "/external_id",
        "conflict",
    ),
    (
        18,
        "\u{440}\u{430}ypal",
        "odd18@example.org",
        "/username",
        "taken",
    ),
    (19, "good.name19", "nobody at all", "/email", "format"),
    (
        20,
        "good.name20",
        "MEMBER6@example.org",
        "/external_id",
        "conflict",
    ),
    (
        21,
        "0199b8f2-7c1e-7000-8000-000000000000",
        "odd21@example.org",
        "/username",
        "format",
    ),
    (
        22,
        "new\nline",
        "odd22@example.org",
        "/username",
        "forbidden_character",
    ),
    (
        23,
        "\u{202e}gnp.exe",
        "odd23@example.org",
        "/username",
        "forbidden_character",
    ),
    (24, "  ", "odd24@example.org", "/username", "blank"),
];

/// A username as somebody may have chosen it, which is fine.
fn name(id: i32) -> String {
    match id {
        // Before 18, who looks like it.
        5 => "paypal".to_owned(),
        _ if id % 10 == 1 => format!("Member.{id}"),
        _ if id % 10 == 2 => format!("ÅNGSTRÖM_{id}"),
        _ if id % 10 == 3 => format!("пользователь-{id}"),
        _ if id % 10 == 4 => format!("北京{id}"),
        _ if id % 10 == 5 => format!("{id}.begins.with-a_digit"),
        _ => format!("member{id}"),
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A password, and its hash as Werkzeug made it for the older service.
fn password_of(id: i32) -> (String, String) {
    static MADE: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        let all: Vec<Value> =
            serde_json::from_str(include_str!("../../data/password_hashes.json")).unwrap();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        all.iter()
            .filter(|entry| entry["library"] == "werkzeug" && text(entry, "password").len() > 1)
            .map(|entry| (text(entry, "password"), text(entry, "hash")))
            .collect()
    });
    MADE[usize::try_from(id).unwrap() % MADE.len()].clone()
}

/// A row as the older service inserted it.
fn row(id: i32) -> String {
    let odd = ODD.iter().find(|odd| odd.0 == id);
    let name = odd.map_or_else(|| name(id), |odd| odd.1.to_owned());
    let email = odd.map_or_else(|| format!("member{id}@example.org"), |odd| odd.2.to_owned());
    let bio = if id % 2 == 0 {
        literal("It's me.\nI write \\ \"things\" 🦀")
    } else {
        "NULL".to_owned()
    };
    let updated = match id % 3 {
        0 => "NULL".to_owned(),
        // Two calls of utcnow: the second column may be the earlier one.
        1 => format!("timestamp '2019-05-04 12:00:00.123455' + interval '{id} minutes'"),
        _ => "timestamp '2024-01-01 00:00:00'".to_owned(),
    };
    format!(
        "({id}, {}, {}, {}, {}, {bio}, NULL, {}, {}, {}, \
         timestamp '2019-05-04 12:00:00.123456' + interval '{id} minutes', {updated})",
        literal(&name),
        literal(&email),
        literal(&password_of(id).1),
        literal(&format!("Member Number {id}")),
        !is_suspended(id),
        id == 1,
        id % 2 == 0,
    )
}

fn is_suspended(id: i32) -> bool {
    id % 25 == 7
}

async fn fill(old: &mut PgConnection) {
    old.execute(OLD_TABLE).await.unwrap();
    let mut rows = String::new();
    for id in 1..=USERS {
        let separator = if id == 1 { "" } else { ", " };
        write!(rows, "{separator}{}", row(id)).unwrap();
    }
    let insert = format!("INSERT INTO users VALUES {rows}");
    old.execute(AssertSqlSafe(insert)).await.unwrap();
}

/// The SQL of the guide.
fn guides_sql() -> String {
    let (_, rest) = GUIDE.split_once("```sql\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Does what `psql -At -f` does with the guide's SQL.
async fn export(old: &mut PgConnection, file: &Path) {
    let as_text = format!(
        "SELECT line::text FROM ({}) AS exported (line)",
        guides_sql()
    );
    let rows = old.fetch_all(AssertSqlSafe(as_text)).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    std::fs::write(file, lines.join("\n") + "\n").unwrap();
}

/// The service beside the older one, in one database.
struct Beside<'a> {
    folder: &'a Path,
    database: &'a PostgresDatabase,
}

impl Beside<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = configured(self.folder, &self.database.url(), arguments);
        command
            .env("DATABASE_SCHEMA", "user_service")
            .env("JWT_SUBJECT", "external_id");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    async fn serve(&self) -> (Running, String) {
        let port = free_port();
        let child = self
            .command(&["serve"])
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let base = format!("http://127.0.0.1:{port}");
        ready(&base).await;
        (Running(child), base)
    }

    /// What became of each line that is not as before: its place and code if it was refused.
    fn outcomes(&self, results: &str) -> BTreeMap<u64, (String, String, String)> {
        let results = std::fs::read_to_string(self.folder.join(results)).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        results
            .lines()
            .map(|line| {
                let result: Value = serde_json::from_str(line).unwrap();
                let first = &result["errors"][0];
                (
                    result["line"].as_u64().unwrap(),
                    (
                        text(&result["outcome"]),
                        text(&first["pointer"]),
                        text(&first["code"]),
                    ),
                )
            })
            .collect()
    }
}

/// A token as Flask-JWT-Extended 4 makes it.
fn flask_token(sub: Value) -> String {
    let mut claims = claims("");
    claims["sub"] = sub;
    claims["fresh"] = json!(false);
    claims["type"] = json!("access");
    claims["jti"] = json!("6c9e1e4e-7a57-4b3a-9a53-3a4a7a1f9d55");
    claims["csrf"] = json!("1f0f1b6e-50a0-4c25-8a5b-5f2f4c3f7d10");
    claims["nbf"] = claims["iat"].clone();
    sign(&claims)
}

async fn get(base: &str, path: &str, token: &str) -> (u16, Value) {
    let reply = client()
        .get(format!("{base}{path}"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    (
        reply.status().as_u16(),
        reply.json().await.unwrap_or(Value::Null),
    )
}

fn is_odd(id: i32) -> bool {
    ODD.iter().any(|odd| odd.0 == id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_users_of_a_flask_service_move_by_the_guide_and_are_read_with_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let database = PostgresDatabase::create_empty().await;
    let mut old = PgConnection::connect(&database.url()).await.unwrap();
    fill(&mut old).await;
    let beside = Beside {
        folder: folder.path(),
        database: &database,
    };
    let (_running, base) = beside.serve().await;
    export(&mut old, &folder.path().join("users.ndjson")).await;

    let rehearsal = [
        "user",
        "import",
        "users.ndjson",
        "--dry-run",
        "--results",
        "rehearsal.ndjson",
    ];
    let rehearsed = beside.run(&rehearsal);
    assert_eq!(status(&rehearsed), 1, "{}", stderr(&rehearsed));
    let first = [
        "user",
        "import",
        "users.ndjson",
        "--results",
        "results.ndjson",
    ];
    let imported = beside.run(&first);
    assert_eq!(status(&imported), 1, "{}", stderr(&imported));
    let tally = format!(
        "{USERS} lines: {} created, 0 updated, 0 unchanged, {} refused",
        THOUSAND - ODD.len(),
        ODD.len()
    );
    assert_eq!(stdout(&imported).trim(), tally);

    let outcomes = beside.outcomes("results.ndjson");
    assert_eq!(outcomes.len(), THOUSAND);
    for id in 1..=USERS {
        let refusal = ODD.iter().find(|odd| odd.0 == id);
        let expected = refusal.map_or(("created", "", ""), |odd| ("refused", odd.3, odd.4));
        let (outcome, pointer, code) = &outcomes[&u64::try_from(id).unwrap()];
        assert_eq!(
            (outcome.as_str(), pointer.as_str(), code.as_str()),
            expected,
            "row {id}"
        );
    }
    // The rehearsal foresaw all of it but what one line of the file takes from another far away, and there is none.
    assert_eq!(outcomes, beside.outcomes("rehearsal.ndjson"));

    read_with_old_tokens(&base).await;
    log_in_with_old_passwords(&base).await;

    // The odd ones are settled in the older service, and others change there.
    for (id, ..) in ODD {
        let settle = format!(
            "UPDATE users SET username = 'settled.{id}', email = 'settled{id}@example.org' WHERE id = {id}"
        );
        old.execute(AssertSqlSafe(settle)).await.unwrap();
    }
    old.execute("UPDATE users SET bio = 'Anew.', is_active = false WHERE id = 500")
        .await
        .unwrap();
    export(&mut old, &folder.path().join("again.ndjson")).await;
    let again = beside.run(&["user", "import", "again.ndjson"]);
    assert_eq!(status(&again), 0, "{}", stderr(&again));
    let tally = format!(
        "{USERS} lines: {} created, 1 updated, {} unchanged, 0 refused",
        ODD.len(),
        THOUSAND - ODD.len() - 1
    );
    assert_eq!(stdout(&again).trim(), tally);
    let (_, count) = get(&base, "/v1/users/count", API_TOKEN).await;
    assert_eq!(count["count"], json!(USERS));
    let (_, changed) = get(&base, "/v1/users/by-external-id/500", API_TOKEN).await;
    assert_eq!(changed["profile"]["bio"], "Anew.");
    assert_eq!(changed["status"], "suspended");
    assert_eq!(changed["version"], 2);

    // The older table is as it was.
    let kept = old.fetch_one("SELECT count(*) FROM users").await.unwrap();
    assert_eq!(kept.get::<i64, _>(0), i64::from(USERS));
}

async fn read_with_old_tokens(base: &str) {
    for id in (1..=USERS).filter(|id| id % 37 == 1 || ODD.iter().any(|odd| odd.0 == *id)) {
        for sub in [json!(id), json!(id.to_string())] {
            let (status, me) = get(base, "/v1/users/me", &flask_token(sub)).await;
            if is_odd(id) || is_suspended(id) {
                assert_eq!(status, 401, "row {id}");
                continue;
            }
            assert_eq!(status, 200, "row {id}: {me}");
            assert_eq!(me["username"], json!(name(id)));
            assert_eq!(me["external_id"], json!(id.to_string()));
            assert_eq!(me["email_verified"], json!(id % 2 == 0));
            assert_eq!(me["profile"]["name"], json!(format!("Member Number {id}")));
            assert_eq!(me["version"], 1);
            let made = me["created_at"].as_str().unwrap();
            assert!(
                made.starts_with("2019-05-0") && made.ends_with(".123456Z"),
                "{made}"
            );
        }
    }
    let (_, suspended) = get(base, "/v1/users/by-external-id/7", API_TOKEN).await;
    assert_eq!(suspended["status"], "suspended");
    let (_, with_text) = get(base, "/v1/users/by-external-id/6", API_TOKEN).await;
    assert_eq!(
        with_text["profile"]["bio"],
        "It's me.\nI write \\ \"things\" 🦀"
    );
    let (status, _) = get(
        base,
        "/v1/users/by-username/MEMBER.31",
        &flask_token(json!(31)),
    )
    .await;
    assert_eq!(status, 200);
    let (_, administrators) = get(base, "/v1/users?role=admin", API_TOKEN).await;
    assert_eq!(administrators["users"].as_array().unwrap().len(), 1);
    assert_eq!(administrators["users"][0]["external_id"], "1");
}

async fn log_in(base: &str, id: i32, password: &str) -> u16 {
    let login = json!({"identifier": format!("member{id}@example.org"), "password": password});
    // A million rounds of PBKDF2 may take longer than the service waits, on a machine that has something else to do.
    for _ in 0..20 {
        let reply = client()
            .post(format!("{base}/v1/credentials/verify"))
            .bearer_auth(API_TOKEN)
            .json(&login)
            .send();
        let status = reply.await.unwrap().status().as_u16();
        if status != 503 {
            return status;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    503
}

async fn log_in_with_old_passwords(base: &str) {
    // A thousand hashes in turn: each kind that Werkzeug makes is among these.
    for id in (100..150).filter(|id| !is_suspended(*id)) {
        let (password, hash) = password_of(id);
        assert_eq!(log_in(base, id, &password).await, 200, "{hash}");
        assert_eq!(log_in(base, id, "another").await, 401, "{hash}");
    }
    let (password, _) = password_of(107);
    assert_eq!(log_in(base, 107, &password).await, 401, "a suspended user");
}
