//! The commands `user get`, `user list`, `user export`, `user import` and `completions`.

mod changes;
mod concurrent_use;
mod import;
mod interrupted_import;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use user_tests::{PostgresDatabase, TestApp, binary, configured, on_each_store};

use crate::command_line::{status, stderr, stdout};
use crate::common::{events, full_user_body, id, register_full_user};

/// A working directory for commands, and the database that they use.
pub(crate) struct CommandRunner {
    folder: TempDir,
    uri: String,
    _database: Option<Arc<PostgresDatabase>>,
}

impl CommandRunner {
    /// With a separate SQLite file.
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runner = Self {
            folder,
            uri: "sqlite:///users.db".to_owned(),
            _database: None,
        };
        assert_eq!(status(&runner.run(&["migrate", "up"])), 0);
        runner
    }

    /// With a separate PostgreSQL database.
    async fn postgres() -> Self {
        let database = Arc::new(PostgresDatabase::create().await);
        Self {
            folder: tempfile::tempdir().unwrap(),
            uri: database.url(),
            _database: Some(database),
        }
    }

    /// With the database of a running service.
    fn of(app: &TestApp) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            uri: app.database_uri(),
            _database: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, lines: &[Value]) {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        std::fs::write(self.path(name), lines.join("\n") + "\n").unwrap();
    }

    fn read(&self, name: &str) -> Vec<Value> {
        parse(&std::fs::read_to_string(self.path(name)).unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        configured(self.folder.path(), &self.uri, arguments)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command with this text as standard input.
    fn feed(&self, arguments: &[&str], text: &[u8]) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let text = text.to_vec();
        let feeder = std::thread::spawn(move || stdin.write_all(&text));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap().unwrap();
        output
    }

    /// Exports users of every status.
    fn export_all(&self) -> Vec<Value> {
        let exported = self.run(&["user", "export", "--status", "active,suspended,deleted"]);
        assert_eq!(status(&exported), 0, "{}", stderr(&exported));
        parse(&stdout(&exported))
    }
}

fn parse(lines: &str) -> Vec<Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A record with the required fields only.
fn minimal_record(name: &str) -> Value {
    json!({"username": name, "email": format!("{name}@example.org")})
}

on_each_store! {
    async fn get_finds_a_user_by_each_key_with_all_fields(app: &TestApp) {
        let user = register_full_user(app, "Ann.Lee").await;
        let runner = CommandRunner::of(app);
        for key in [id(&user), "aNN.lee", "ANN.LEE@example.org", "external:ext-Ann.Lee"] {
            let output = runner.run(&["user", "get", key]);
            assert_eq!(status(&output), 0, "{key}: {}", stderr(&output));
            assert_eq!(parse(&stdout(&output)), std::slice::from_ref(&user), "{key}");
        }
        for unknown in ["nobody", "external:nobody", "nobody@example.org", "0199b8f2-7c1e-7000-8000-000000000000"] {
            let output = runner.run(&["user", "get", unknown]);
            assert_eq!((status(&output), stdout(&output)), (1, String::new()), "{unknown}");
        }
        for wrong in ["two words", "external:", "@"] {
            assert_eq!(status(&runner.run(&["user", "get", wrong])), 2, "{wrong}");
        }
    }

    async fn a_command_releases_a_reserved_username(app: &TestApp) {
        let user = app.register("Ann.Lee").await;
        let renamed = app.service().patch(&format!("/v1/users/{}", id(&user)), &json!({"username": "ann.other"})).await;
        assert_eq!(renamed.status, 200);
        let erased = app.register("erased").await;
        assert_eq!(app.service().delete(&format!("/v1/users/{}?erase=true", id(&erased))).await.status, 204);
        let runner = CommandRunner::of(app);
        for (name, shown, holder) in [("ann.LEE", "ann.lee", id(&user)), ("Erased", "-", id(&erased))] {
            let body = json!({"username": name, "email": format!("{name}@other.example")});
            assert_eq!(app.service().post("/v1/users", &body).await.status, 409);
            let released = runner.run(&["user", "release-name", name]);
            assert_eq!(status(&released), 0, "{}", stderr(&released));
            let line = stdout(&released);
            assert!(line.starts_with(&format!("{shown} {holder} 20")) && line.lines().count() == 1, "{line}");
            assert_eq!(app.service().post("/v1/users", &body).await.status, 201);
        }
        for name in ["ann.lee", "nobody"] {
            let again = runner.run(&["user", "release-name", name]);
            assert_eq!((status(&again), stdout(&again)), (0, String::new()), "{name}");
            assert!(stderr(&again).contains("no reservation"), "{}", stderr(&again));
        }
        assert_eq!(status(&runner.run(&["user", "release-name", "two words"])), 2);
    }

    async fn list_prints_users_that_match_all_filters(app: &TestApp) {
        for n in 0..7 {
            app.register(&format!("member{n}")).await;
        }
        let suspended = app.register("troll").await;
        app.service().post_empty(&format!("/v1/users/{}/suspend", id(&suspended)), &[]).await;
        let runner = CommandRunner::of(app);
        let names = |arguments: &[&str]| -> Vec<String> {
            let listed = runner.run(&[&["user", "list"], arguments].concat());
            assert_eq!(status(&listed), 0, "{}", stderr(&listed));
            parse(&stdout(&listed))
                .iter()
                .map(|user| user["username"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names(&[]).len(), 8);
        assert_eq!(names(&["--sort", "username", "-n", "2"]), ["member0", "member1"]);
        assert_eq!(names(&["--status", "suspended"]), ["troll"]);
        assert_eq!(names(&["-q", "ROLL"]), ["troll"]);
        assert_eq!(names(&["--email", "MEMBER3@example.org"]), ["member3"]);
        assert_eq!(names(&["--username-prefix", "tr", "--json"]), ["troll"]);
        assert!(names(&["--role", "admin"]).is_empty());
        assert_eq!(names(&["--sort=-created_at", "-n", "1"]), ["troll"]);
    }

    async fn an_invalid_option_is_named_and_exits_with_2(app: &TestApp) {
        let runner = CommandRunner::of(app);
        for (arguments, named) in [
            (&["user", "list", "--status", "gone"][..], "--status"),
            (&["user", "list", "--created-since", "yesterday"], "--created-since"),
            (&["user", "list", "--sort", "age"], "--sort"),
            (&["user", "list", "--limit", "0"], "--limit"),
            (&["user", "export", "--status", ""], "--status"),
        ] {
            let run = runner.run(arguments);
            assert_eq!(status(&run), 2, "{arguments:?}");
            assert!(stderr(&run).contains(named), "{}", stderr(&run));
        }
    }

    async fn an_export_contains_each_user_once_and_deleted_ones_on_request(app: &TestApp) {
        for n in 0..420 {
            app.register(&format!("member{n}")).await;
        }
        let deleted = app.register("gone").await;
        app.service().delete(&format!("/v1/users/{}", id(&deleted))).await;
        let runner = CommandRunner::of(app);
        let exported = runner.run(&["user", "export"]);
        assert_eq!(status(&exported), 0);
        assert!(stderr(&exported).contains("420 users exported"));
        let ids: std::collections::BTreeSet<String> = parse(&stdout(&exported))
            .iter()
            .map(|user| id(user).to_owned())
            .collect();
        assert_eq!(ids.len(), 420);
        assert_eq!(parse(&stdout(&exported)).len(), 420);
        let all = runner.export_all();
        assert_eq!(all.len(), 421);
        assert_eq!(all[420]["standing"], "active");
    }

    async fn a_running_service_shows_imported_changes(app: &TestApp) {
        let user = register_full_user(app, "ann").await;
        let path = format!("/v1/users/{}", id(&user));
        assert_eq!(app.service().get(&path).await.status, 200);
        let runner = CommandRunner::of(app);
        let mut changed = full_user_body("ann");
        changed["profile"]["name"] = json!("Ann Changed");
        runner.write("users.ndjson", &[changed, minimal_record("newcomer")]);
        let imported = runner.run(&["user", "import", "users.ndjson"]);
        assert_eq!(status(&imported), 0, "{}", stderr(&imported));
        let started = std::time::Instant::now();
        while app.service().get(&path).await.json["profile"]["name"] != "Ann Changed" {
            assert!(started.elapsed() < std::time::Duration::from_secs(5));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let newcomer = app.service().get("/v1/users/by-username/newcomer").await;
        assert_eq!(newcomer.status, 200);
        assert_eq!(
            events(app, id(&user)).await,
            [("user.created".to_owned(), 1), ("user.updated".to_owned(), 2)]
        );
    }
}

#[test]
fn user_commands_report_pending_migrations() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users.ndjson"), "{}\n").unwrap();
    for arguments in [
        &["user", "get", "ann"][..],
        &["user", "list"],
        &["user", "export"],
        &[
            "user",
            "import",
            "users.ndjson",
            "--results",
            "results.ndjson",
        ],
    ] {
        let run = configured(folder.path(), "sqlite:///users.db", arguments)
            .output()
            .unwrap();
        assert_eq!(status(&run), 1, "{arguments:?}");
        assert!(stderr(&run).contains("migrate up"), "{}", stderr(&run));
    }
    assert!(!folder.path().join("results.ndjson").exists());
}

#[test]
fn a_closed_output_pipe_does_not_fail_an_export() {
    let runner = CommandRunner::sqlite();
    let users: Vec<Value> = (0..1500)
        .map(|n| minimal_record(&format!("member{n}")))
        .collect();
    runner.write("users.ndjson", &users);
    assert_eq!(status(&runner.run(&["user", "import", "users.ndjson"])), 0);
    let mut child = runner
        .command(&["user", "export"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn completion_scripts_contain_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = binary(folder.path(), &["completions", shell])
            .output()
            .unwrap();
        assert_eq!(status(&output), 0);
        for word in ["grant-role", "export", "dry-run"] {
            assert!(stdout(&output).contains(word), "{shell} lacks {word}");
        }
    }
    let completed = complete(folder.path(), &["user-service", "user", "im"]);
    assert_eq!(completed, "import\n");
}

/// Returns the bash completion of the last word.
fn complete(folder: &Path, words: &[&str]) -> String {
    let script = binary(folder, &["completions", "bash"]).output().unwrap();
    let script = format!(
        "{}\nset -- $(complete -p user-service)\nwhile [ \"$1\" != -F ]; do shift; done\ncompleter=$2\n\
         COMP_WORDS=({})\nCOMP_CWORD={}\n$completer {} {} {}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        stdout(&script),
        words.join(" "),
        words.len() - 1,
        words[0],
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let completed = Command::new("bash").args(["-c", &script]).output().unwrap();
    stdout(&completed)
}
