//! The migration guide for Flask services, executed: users of an older service are exported with the SQL of the guide,
//! imported, and read with tokens of the older service.

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

/// The table that SQLAlchemy creates for the model of the older service.
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

/// The number of users of the older service.
const USERS: i32 = 1000;

/// A user that the older service accepted and this one refuses.
struct InvalidUser {
    id: i32,
    username: &'static str,
    email: &'static str,
    /// The field that is refused, and the code of the error.
    pointer: &'static str,
    code: &'static str,
}

impl InvalidUser {
    const fn new(
        id: i32,
        username: &'static str,
        email: &'static str,
        pointer: &'static str,
        code: &'static str,
    ) -> Self {
        Self {
            id,
            username,
            email,
            pointer,
            code,
        }
    }
}

const INVALID: [InvalidUser; 14] = [
    InvalidUser::new(11, "ab", "odd11@example.org", "/username", "too_short"),
    InvalidUser::new(
        12,
        "two words",
        "odd12@example.org",
        "/username",
        "forbidden_character",
    ),
    InvalidUser::new(
        13,
        "ann@example.org",
        "odd13@example.org",
        "/username",
        "forbidden_character",
    ),
    InvalidUser::new(14, "root", "odd14@example.org", "/username", "reserved"),
    InvalidUser::new(
        15,
        "a.name.of.more.than.thirty-two.characters",
        "odd15@example.org",
        "/username",
        "too_long",
    ),
    InvalidUser::new(
        16,
        "ends.with.a.dot.",
        "odd16@example.org",
        "/username",
        "format",
    ),
    // The username of another user in another case, and a look-alike of another one with a Latin alpha.
    InvalidUser::new(17, "MEMBER6", "odd17@example.org", "/username", "duplicate"),
    InvalidUser::new(
        18,
        "p\u{251}ypal",
        "odd18@example.org",
        "/username",
        "taken",
    ),
    InvalidUser::new(19, "good.name19", "nobody at all", "/email", "format"),
    InvalidUser::new(
        20,
        "good.name20",
        "MEMBER6@example.org",
        "/email",
        "duplicate",
    ),
    InvalidUser::new(
        21,
        "0199b8f2-7c1e-7000-8000-000000000000",
        "odd21@example.org",
        "/username",
        "format",
    ),
    InvalidUser::new(
        22,
        "new\nline",
        "odd22@example.org",
        "/username",
        "forbidden_character",
    ),
    InvalidUser::new(
        23,
        "\u{202e}gnp.exe",
        "odd23@example.org",
        "/username",
        "forbidden_character",
    ),
    InvalidUser::new(24, "  ", "odd24@example.org", "/username", "blank"),
];

/// Returns a valid username.
fn name(id: i32) -> String {
    match id {
        // Imported before user 18, which looks like it.
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

/// Returns a password and its Werkzeug hash.
fn password_of(id: i32) -> (String, String) {
    static HASHES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
        let all: Vec<Value> =
            serde_json::from_str(include_str!("../../data/password_hashes.json")).unwrap();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        all.iter()
            .filter(|entry| entry["library"] == "werkzeug" && text(entry, "password").len() > 1)
            .map(|entry| (text(entry, "password"), text(entry, "hash")))
            .collect()
    });
    HASHES[usize::try_from(id).unwrap() % HASHES.len()].clone()
}

/// Returns a row as the older service inserted it.
fn row(id: i32) -> String {
    let invalid = invalid(id);
    let name = invalid.map_or_else(|| name(id), |invalid| invalid.username.to_owned());
    let email = invalid.map_or_else(
        || format!("member{id}@example.org"),
        |invalid| invalid.email.to_owned(),
    );
    let bio = if id % 2 == 0 {
        literal("It's me.\nI write \\ \"things\" 🦀")
    } else {
        "NULL".to_owned()
    };
    let updated = match id % 3 {
        0 => "NULL".to_owned(),
        // The older service called utcnow twice, so the second column may be earlier.
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

/// Returns the SQL of the guide.
fn guides_sql() -> String {
    let (_, rest) = GUIDE.split_once("```sql\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Executes the SQL of the guide like `psql -At -f`.
async fn export(old: &mut PgConnection, file: &Path) {
    let as_text = format!(
        "SELECT line::text FROM ({}) AS exported (line)",
        guides_sql()
    );
    let rows = old.fetch_all(AssertSqlSafe(as_text)).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    std::fs::write(file, lines.join("\n") + "\n").unwrap();
}

/// This service in the same database as the older one.
struct NewService<'a> {
    folder: &'a Path,
    database: &'a PostgresDatabase,
}

impl NewService<'_> {
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

    /// Returns the outcome of each line, with pointer and code of the first error.
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

/// Returns a token like those of Flask-JWT-Extended 4.
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

fn invalid(id: i32) -> Option<&'static InvalidUser> {
    INVALID.iter().find(|invalid| invalid.id == id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_flask_users_are_migrated_by_the_guide() {
    let folder = tempfile::tempdir().unwrap();
    let database = PostgresDatabase::create_empty().await;
    let mut old = PgConnection::connect(&database.url()).await.unwrap();
    fill(&mut old).await;
    let service = NewService {
        folder: folder.path(),
        database: &database,
    };
    let (_running, base) = service.serve().await;
    export(&mut old, &folder.path().join("users.ndjson")).await;

    let dry_run = [
        "user",
        "import",
        "users.ndjson",
        "--dry-run",
        "--results",
        "dry-run.ndjson",
    ];
    let output = service.run(&dry_run);
    assert_eq!(status(&output), 1, "{}", stderr(&output));
    let first = [
        "user",
        "import",
        "users.ndjson",
        "--results",
        "results.ndjson",
    ];
    let imported = service.run(&first);
    assert_eq!(status(&imported), 1, "{}", stderr(&imported));
    let invalid_count = i32::try_from(INVALID.len()).unwrap();
    let summary = format!(
        "{USERS} lines: {} created, 0 updated, 0 unchanged, {invalid_count} refused",
        USERS - invalid_count,
    );
    assert_eq!(stdout(&imported).trim(), summary);

    let outcomes = service.outcomes("results.ndjson");
    assert_eq!(outcomes.len(), usize::try_from(USERS).unwrap());
    for id in 1..=USERS {
        let expected = invalid(id).map_or(("created", "", ""), |invalid| {
            ("refused", invalid.pointer, invalid.code)
        });
        let (outcome, pointer, code) = &outcomes[&u64::try_from(id).unwrap()];
        assert_eq!(
            (outcome.as_str(), pointer.as_str(), code.as_str()),
            expected,
            "row {id}"
        );
    }
    // The dry run predicted all outcomes.
    assert_eq!(outcomes, service.outcomes("dry-run.ndjson"));

    read_with_old_tokens(&base).await;
    log_in_with_old_passwords(&base).await;

    // The invalid users are corrected in the older service, and another user changes there.
    for InvalidUser { id, .. } in INVALID {
        let correct = format!(
            "UPDATE users SET username = 'corrected.{id}', email = 'corrected{id}@example.org' WHERE id = {id}"
        );
        old.execute(AssertSqlSafe(correct)).await.unwrap();
    }
    old.execute("UPDATE users SET bio = 'Anew.', is_active = false WHERE id = 500")
        .await
        .unwrap();
    export(&mut old, &folder.path().join("again.ndjson")).await;
    let again = service.run(&["user", "import", "again.ndjson"]);
    assert_eq!(status(&again), 0, "{}", stderr(&again));
    let summary = format!(
        "{USERS} lines: {invalid_count} created, 1 updated, {} unchanged, 0 refused",
        USERS - invalid_count - 1
    );
    assert_eq!(stdout(&again).trim(), summary);
    let (_, count) = get(&base, "/v1/users/count", API_TOKEN).await;
    assert_eq!(count["count"], json!(USERS));
    let (_, changed) = get(&base, "/v1/users/by-external-id/500", API_TOKEN).await;
    assert_eq!(changed["profile"]["bio"], "Anew.");
    assert_eq!(changed["status"], "suspended");
    assert_eq!(changed["version"], 2);

    // The older table still has all users.
    let count = old.fetch_one("SELECT count(*) FROM users").await.unwrap();
    assert_eq!(count.get::<i64, _>(0), i64::from(USERS));
}

async fn read_with_old_tokens(base: &str) {
    for id in (1..=USERS).filter(|id| id % 37 == 1 || invalid(*id).is_some()) {
        for sub in [json!(id), json!(id.to_string())] {
            let (status, me) = get(base, "/v1/users/me", &flask_token(sub)).await;
            if invalid(id).is_some() || is_suspended(id) {
                assert_eq!(status, 401, "row {id}");
                continue;
            }
            assert_eq!(status, 200, "row {id}: {me}");
            assert_eq!(me["username"], json!(name(id)));
            assert_eq!(me["external_id"], json!(id.to_string()));
            assert_eq!(me["email_verified"], json!(id % 2 == 0));
            assert_eq!(me["profile"]["name"], json!(format!("Member Number {id}")));
            assert_eq!(me["version"], 1);
            let created = me["created_at"].as_str().unwrap();
            assert!(
                created.starts_with("2019-05-0") && created.ends_with(".123456Z"),
                "{created}"
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
    // On a busy machine, a million iterations of PBKDF2 may exceed the deadline of the service.
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
    // This range contains each kind of hash that Werkzeug creates.
    for id in (100..150).filter(|id| !is_suspended(*id)) {
        let (password, hash) = password_of(id);
        assert_eq!(log_in(base, id, &password).await, 200, "{hash}");
        assert_eq!(log_in(base, id, "another").await, 401, "{hash}");
    }
    let (password, _) = password_of(107);
    assert_eq!(log_in(base, 107, &password).await, 401, "a suspended user");
}
