//! `user get`, `user list`, `user export`, `user import` and `completions`, as an operator runs them.

mod beside;
mod import;
mod kill;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use user_tests::{PostgresDatabase, TestApp, binary, configured, on_each_store};

use crate::command_line::{status, stderr, stdout};
use crate::common::{events, everything, id, register_everything};

/// A folder to run commands in, and the database that they work on.
pub(crate) struct Workplace {
    folder: TempDir,
    uri: String,
    _database: Option<Arc<PostgresDatabase>>,
}

impl Workplace {
    /// On a SQLite file of its own.
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workplace = Self {
            folder,
            uri: "sqlite:///users.db".to_owned(),
            _database: None,
        };
        assert_eq!(status(&workplace.run(&["migrate", "up"])), 0);
        workplace
    }

    /// On a PostgreSQL database of its own.
    async fn postgres() -> Self {
        let database = Arc::new(PostgresDatabase::create().await);
        Self {
            folder: tempfile::tempdir().unwrap(),
            uri: database.url(),
            _database: Some(database),
        }
    }

    /// On the store of a service that runs.
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

    /// Runs a command that reads this text.
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
    fn everybody(&self) -> Vec<Value> {
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

/// A record with nothing that it does not need.
fn plain(name: &str) -> Value {
    json!({"username": name, "email": format!("{name}@example.org")})
}

on_each_store! {
    async fn a_user_is_got_by_each_of_its_keys_with_all_that_is_kept_of_it(app: &TestApp) {
        let user = register_everything(app, "Ann.Lee").await;
        let workplace = Workplace::of(app);
        for key in [id(&user), "aNN.lee", "ANN.LEE@example.org", "external:ext-Ann.Lee"] {
            let got = workplace.run(&["user", "get", key]);
            assert_eq!(status(&got), 0, "{key}: {}", stderr(&got));
            assert_eq!(parse(&stdout(&got)), std::slice::from_ref(&user), "{key}");
        }
        for nobody in ["nobody", "external:nobody", "nobody@example.org", "0199b8f2-7c1e-7000-8000-000000000000"] {
            let got = workplace.run(&["user", "get", nobody]);
            assert_eq!((status(&got), stdout(&got)), (1, String::new()), "{nobody}");
        }
        for wrong in ["two words", "external:", "@"] {
            assert_eq!(status(&workplace.run(&["user", "get", wrong])), 2, "{wrong}");
        }
    }

    async fn users_are_listed_as_lines_that_pass_every_filter(app: &TestApp) {
        for n in 0..7 {
            app.register(&format!("member{n}")).await;
        }
        let suspended = app.register("troll").await;
        app.service().verb(&format!("/v1/users/{}/suspend", id(&suspended)), &[]).await;
        let workplace = Workplace::of(app);
        let names = |arguments: &[&str]| -> Vec<String> {
            let listed = workplace.run(&[&["user", "list"], arguments].concat());
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

    async fn options_that_make_no_sense_are_misuse_and_named(app: &TestApp) {
        let workplace = Workplace::of(app);
        for (arguments, named) in [
            (&["user", "list", "--status", "gone"][..], "--status"),
            (&["user", "list", "--created-since", "yesterday"], "--created-since"),
            (&["user", "list", "--sort", "age"], "--sort"),
            (&["user", "list", "--limit", "0"], "--limit"),
            (&["user", "export", "--status", ""], "--status"),
        ] {
            let run = workplace.run(arguments);
            assert_eq!(status(&run), 2, "{arguments:?}");
            assert!(stderr(&run).contains(named), "{}", stderr(&run));
        }
    }

    async fn an_export_has_everybody_once_and_the_deleted_only_when_asked(app: &TestApp) {
        for n in 0..420 {
            app.register(&format!("member{n}")).await;
        }
        let gone = app.register("gone").await;
        app.service().delete(&format!("/v1/users/{}", id(&gone))).await;
        let workplace = Workplace::of(app);
        let exported = workplace.run(&["user", "export"]);
        assert_eq!(status(&exported), 0);
        assert!(stderr(&exported).contains("420 users exported"));
        let ids: std::collections::BTreeSet<String> = parse(&stdout(&exported))
            .iter()
            .map(|user| id(user).to_owned())
            .collect();
        assert_eq!(ids.len(), 420);
        assert_eq!(parse(&stdout(&exported)).len(), 420);
        let everybody = workplace.everybody();
        assert_eq!(everybody.len(), 421);
        assert_eq!(everybody[420]["standing"], "active");
    }

    async fn a_running_service_shows_what_was_imported_beside_it(app: &TestApp) {
        let user = register_everything(app, "ann").await;
        let path = format!("/v1/users/{}", id(&user));
        assert_eq!(app.service().get(&path).await.status, 200);
        let workplace = Workplace::of(app);
        let mut changed = everything("ann");
        changed["profile"]["name"] = json!("Ann Changed");
        workplace.write("users.ndjson", &[changed, plain("newcomer")]);
        let imported = workplace.run(&["user", "import", "users.ndjson"]);
        assert_eq!(status(&imported), 0, "{}", stderr(&imported));
        let begun = std::time::Instant::now();
        while app.service().get(&path).await.json["profile"]["name"] != "Ann Changed" {
            assert!(begun.elapsed() < std::time::Duration::from_secs(5));
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
fn a_command_on_users_says_that_the_database_is_not_up_to_date() {
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
fn a_reader_that_has_seen_enough_of_an_export_is_no_failure() {
    let workplace = Workplace::sqlite();
    let users: Vec<Value> = (0..1500).map(|n| plain(&format!("member{n}"))).collect();
    workplace.write("users.ndjson", &users);
    assert_eq!(
        status(&workplace.run(&["user", "import", "users.ndjson"])),
        0
    );
    let mut child = workplace
        .command(&["user", "export"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn completions_are_scripts_that_know_the_commands() {
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
    let asked = complete(folder.path(), &["user-service", "user", "im"]);
    assert_eq!(asked, "import\n");
}

/// Lets bash complete the last of these words.
fn complete(folder: &Path, words: &[&str]) -> String {
    let script = binary(folder, &["completions", "bash"]).output().unwrap();
    let ask = format!(
        "{}\nset -- $(complete -p user-service)\nwhile [ \"$1\" != -F ]; do shift; done\ncompleter=$2\n\
         COMP_WORDS=({})\nCOMP_CWORD={}\n$completer {} {} {}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        stdout(&script),
        words.join(" "),
        words.len() - 1,
        words[0],
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let completed = Command::new("bash").args(["-c", &ask]).output().unwrap();
    stdout(&completed)
}
