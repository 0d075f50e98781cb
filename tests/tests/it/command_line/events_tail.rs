//! `events tail` against a running service.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};
use tempfile::TempDir;
use user_tests::{API_TOKEN, RestartableService, binary};

use super::{Running, client, create, status, stderr, stdout};
use crate::common::eventually;

/// A service, and the folder of its files and those of its followers.
struct Scene {
    folder: TempDir,
    service: RestartableService,
}

/// A running `events tail` whose output goes to files.
struct Follower {
    process: Running,
    out: PathBuf,
    errors: PathBuf,
}

impl Scene {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = RestartableService::start(folder.path(), "sqlite:///users.db", &[]).await;
        service.wait_until_ready().await;
        fs::write(folder.path().join("token"), format!("{API_TOKEN}\n")).unwrap();
        Self { folder, service }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn tail(&self, arguments: &[&str]) -> Command {
        let (token, url) = (self.path().join("token"), self.service.url(""));
        let mut command = binary(self.path(), &["events", "tail", "--url", &url]);
        command.arg("--token-file").arg(token).args(arguments);
        command
    }

    /// Starts a follower.
    fn follow(&self, name: &str, arguments: &[&str]) -> Follower {
        let [out, errors] = ["out", "err"].map(|end| self.path().join(format!("{name}.{end}")));
        let mut command = self.tail(arguments);
        command.stdout(File::create(&out).unwrap());
        command.stderr(File::create(&errors).unwrap());
        Follower {
            process: Running(command.spawn().unwrap()),
            out,
            errors,
        }
    }

    /// Creates users, and returns their ids.
    async fn create(&self, prefix: &str, count: usize) -> Vec<Value> {
        let mut ids = Vec::new();
        for number in 0..count {
            let user = create(
                &client(),
                &self.service.url(""),
                &format!("{prefix}{number}"),
            )
            .await;
            ids.push(user.unwrap()["id"].clone());
        }
        ids
    }
}

impl Follower {
    /// The events of the complete lines.
    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.out).unwrap();
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits for events, and returns the ids of their subjects.
    async fn subjects(&self, count: usize) -> Vec<Value> {
        eventually("events are printed", async || self.events().len() >= count).await;
        let events = self.events();
        events
            .iter()
            .map(|event| event["subject"].clone())
            .collect()
    }

    fn errors(&self) -> String {
        fs::read_to_string(&self.errors).unwrap()
    }

    /// Ends the follower with a signal, and returns the cursor that it prints.
    fn end(&mut self, signal: &str) -> String {
        self.process.signal(signal);
        assert_eq!(self.process.end(), Some(0), "{}", self.errors());
        let errors = self.errors();
        let last = errors.lines().last().unwrap();
        last.strip_prefix("continue with --from ")
            .unwrap()
            .to_owned()
    }
}

#[tokio::test]
async fn a_follower_prints_each_event_once_across_restarts_of_the_service() {
    let scene = Scene::start().await;
    let mut expected = scene.create("early", 3).await;
    let mut all = scene.follow("all", &["--from", "oldest"]);
    assert_eq!(all.subjects(3).await, expected);
    for round in 0..2 {
        expected.extend(scene.create(&format!("round{round}."), 4).await);
        let reports = || all.errors().matches("next attempt in").count();
        scene.service.kill();
        let before = reports();
        eventually("the outage is reported", async || reports() > before).await;
        scene.service.restart().await;
        scene.service.wait_until_ready().await;
        expected.extend(scene.create(&format!("again{round}."), 4).await);
        assert_eq!(all.subjects(expected.len()).await, expected);
    }
    let cursor = all.end("INT");
    assert!(!all.errors().contains(API_TOKEN));

    // The next follower continues there, and its filters apply.
    let missed = scene.create("missed", 2).await;
    let subject = missed[1].as_str().unwrap();
    let mut rest = scene.follow("rest", &["--from", &cursor]);
    let filters = [
        "--from",
        &cursor,
        "--types",
        "user.created",
        "--subject",
        subject,
        "--include",
        "user",
    ];
    let mut one = scene.follow("one", &filters);
    assert_eq!(rest.subjects(2).await, missed);
    assert_eq!(one.subjects(1).await, missed[1..]);
    assert_eq!(
        one.events()[0]["data"]["user"]["username"],
        json!("missed1")
    );
    assert_ne!(rest.end("TERM"), cursor);
    assert_ne!(one.end("INT"), cursor);
    assert_eq!(all.subjects(expected.len()).await, expected);
}

#[tokio::test]
async fn a_closed_output_ends_the_follower_quietly() {
    let scene = Scene::start().await;
    let mut command = scene.tail(&["--from", "oldest"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    scene.create("reader", 1).await;
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await;
    let output = output.unwrap().unwrap();
    assert_eq!((status(&output), &*stderr(&output)), (0, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_requests_end_the_follower_with_the_reason() {
    let scene = Scene::start().await;
    scene.create("user", 1).await;
    let mut follower = scene.follow("now", &["--from", "oldest"]);
    follower.subjects(1).await;
    let cursor = follower.end("INT");
    let wrong = scene.path().join("wrong");
    fs::write(&wrong, "planted-wrong-token").unwrap();
    let database = format!("sqlite://{}", scene.path().join("users.db").display());
    let database = Database::connect(database).await.unwrap();
    let purged = "UPDATE store SET events_purged_seq = 1000";
    database.execute_unprepared(purged).await.unwrap();
    for (arguments, reason, next) in [
        (
            &["--types", "user.made"] as &[&str],
            "422 invalid",
            "continue with --from now",
        ),
        (
            &["--from", "nonsense"],
            "400 invalid_cursor",
            "continue with --from nonsense",
        ),
        (
            &["--from", &cursor],
            "410 cursor_expired",
            "the last position was",
        ),
        (
            &["--token-file", wrong.to_str().unwrap()],
            "401 invalid_token",
            "continue with --from now",
        ),
        (&["--token-file", "missing"], "cannot read the token", ""),
    ] {
        let mut command = binary(
            scene.path(),
            &["events", "tail", "--url", &scene.service.url("")],
        );
        if !arguments.contains(&"--token-file") {
            command.arg("--token-file").arg(scene.path().join("token"));
        }
        let output = tokio::task::block_in_place(|| command.args(arguments).output().unwrap());
        let errors = stderr(&output);
        assert_eq!((status(&output), &*stdout(&output)), (1, ""), "{errors}");
        assert!(errors.contains(reason) && errors.contains(next), "{errors}");
        assert!(!errors.contains("planted"), "{errors}");
    }
}
