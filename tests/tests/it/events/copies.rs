//! The consumers of docs/events.md, which keep a copy of users. They run as they are in the document.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sea_orm::sqlx::{Connection, Executor, Row, SqliteConnection};
use serde_json::{Value, json};
use user_tests::{API_TOKEN, TestApp, TestClient, program};

use super::feed::purge_events;
use super::now;
use crate::common::{assert_problem, eventually, id, path};

const GUIDE: &str = include_str!("../../../../docs/events.md");
const RUST: &str = include_str!("../../../src/bin/keep_a_copy.rs");

/// The code block of the guide in a language.
fn code_in_guide(language: &str) -> &'static str {
    let (_, code) = GUIDE.split_once(&format!("```{language}\n")).unwrap();
    code.split_once("```").unwrap().0
}

/// A consumer with its copy. It is killed when this value is dropped.
struct Consumer {
    command: Vec<PathBuf>,
    copy: PathBuf,
    process: Option<Child>,
}

impl Consumer {
    fn new(command: Vec<PathBuf>, copy: PathBuf) -> Self {
        Self {
            command,
            copy,
            process: None,
        }
    }

    fn start(&mut self, app: &TestApp) {
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            // Without a proxy, which the environment may name.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("USERS_URL", app.url(""))
            .env("USERS_TOKEN", API_TOKEN)
            .env("USERS_COPY", &self.copy)
            .stdin(Stdio::null());
        self.process = Some(command.spawn().unwrap());
    }

    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        assert_eq!(process.try_wait().unwrap(), None, "{:?}", self.command);
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Returns the texts in a column of the copy, or none while its tables do not exist.
    async fn column(&self, sql: &'static str) -> Option<Vec<String>> {
        let url = format!("sqlite://{}", self.copy.display());
        let mut copy = SqliteConnection::connect(&url).await.ok()?;
        let rows = copy.fetch_all(sql).await.ok()?;
        Some(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Waits until the copy holds exactly these users.
    async fn equals(&self, expected: &[Value]) {
        let expected: Vec<Value> = expected.iter().map(without_nulls).collect();
        let mut users: Vec<Value> = Vec::new();
        let is_equal = async || {
            let texts = self.column("SELECT user FROM users ORDER BY id").await;
            let texts = texts.unwrap_or_default();
            users = texts
                .iter()
                .map(|user| without_nulls(&serde_json::from_str(user).unwrap()))
                .collect();
            users == expected
        };
        eventually(&format!("{:?} has a complete copy", self.command), is_equal).await;
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The value without the members that are null, which the Rust client leaves out.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let set = members.iter().filter(|(_, value)| !value.is_null());
            set.map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect()
        }
        other => other.clone(),
    }
}

/// The consumers of the guide, with their copies in a folder.
fn consumers(folder: &Path) -> [Consumer; 2] {
    let script = folder.join("keep_a_copy.py");
    fs::write(&script, code_in_guide("python")).unwrap();
    let rust = program().with_file_name("keep_a_copy");
    [
        Consumer::new(vec!["python3".into(), script], folder.join("python.db")),
        Consumer::new(vec![rust], folder.join("rust.db")),
    ]
}

/// All users, ordered by id.
async fn users(caller: &TestClient<'_>) -> Vec<Value> {
    let reply = caller.get("/v1/users?limit=200").await;
    assert_eq!(reply.json["next_cursor"], json!(null), "{}", reply.text);
    let mut users = reply.json["users"].as_array().unwrap().clone();
    users.sort_by_key(|user| id(user).to_owned());
    users
}

/// Creates users, and changes, deletes, restores and erases some.
async fn change_users(app: &TestApp, prefix: &str) {
    let service = app.service();
    let mut created = Vec::new();
    for number in 0..6 {
        created.push(app.register(&format!("{prefix}{number}")).await);
    }
    for (number, user) in created.iter().enumerate() {
        let name = json!({"profile": {"name": format!("Name \u{e4} {number}")}, "metadata": {"private": {"n": 1.5}}});
        service.patch(&path(user), &name).await;
    }
    service
        .post_empty(&format!("{}/suspend", path(&created[1])), &[])
        .await;
    service.delete(&path(&created[2])).await;
    service.delete(&path(&created[3])).await;
    service
        .post_empty(&format!("{}/restore", path(&created[3])), &[])
        .await;
    service
        .delete(&format!("{}?erase=true", path(&created[4])))
        .await;
    let follow = format!("{}/following/{}", path(&created[0]), id(&created[5]));
    app.user(id(&created[0])).put(&follow).await;
}

#[test]
fn the_guide_contains_the_rust_consumer() {
    assert_eq!(code_in_guide("rust"), RUST);
}

user_tests::on_each_store! {
    async fn the_consumers_of_the_guide_keep_a_complete_copy(app: &TestApp) {
        let service = app.service();
        let folder = tempfile::tempdir().unwrap();
        let mut consumers = consumers(folder.path());
        change_users(app, "before").await;
        for consumer in &mut consumers {
            consumer.start(app);
        }
        change_users(app, "during").await;
        let expected = users(&service).await;
        for consumer in &consumers {
            consumer.equals(&expected).await;
        }
        // From here on, the copies change by events only.
        change_users(app, "followed").await;
        let expected = users(&service).await;
        for consumer in &consumers {
            consumer.equals(&expected).await;
        }

        // They are away until their events are purged, and miss an erasure and a change.
        for consumer in &mut consumers {
            consumer.kill();
        }
        service.delete(&format!("{}?erase=true", path(&expected[0]))).await;
        change_users(app, "missed").await;
        now(&service).await;
        purge_events(app).await;
        let expected = users(&service).await;
        for consumer in &mut consumers {
            let cursor = consumer.column("SELECT cursor FROM position").await.unwrap();
            let reply = service.get(&format!("/v1/events?cursor={}", cursor[0])).await;
            assert_problem(&reply, 410, "cursor_expired");
            consumer.start(app);
        }
        for consumer in &mut consumers {
            consumer.equals(&expected).await;
            consumer.kill();
        }
    }
}
