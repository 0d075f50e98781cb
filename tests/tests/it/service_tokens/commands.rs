//! The commands `token create`, `token list` and `token revoke`.

use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use user_tests::{TestApp, configured, on_each_store};

use super::{client_with_token, shown};
use crate::command_line::{status, stderr, stdout};

struct CommandRunner {
    folder: TempDir,
    uri: String,
}

impl CommandRunner {
    fn of(app: &TestApp) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            uri: app.database_uri(),
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        configured(self.folder.path(), &self.uri, arguments)
            .output()
            .unwrap()
    }

    fn create(&self, more: &[&str]) -> Output {
        let arguments = [
            "token",
            "create",
            "--name",
            "posts",
            "--scope",
            "users:read",
        ];
        self.run(&[&arguments, more].concat())
    }
}

fn lines(output: &Output) -> Vec<Value> {
    stdout(output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

on_each_store! {
    async fn create_prints_only_a_working_token(app: &TestApp) {
        let runner = CommandRunner::of(app);
        let created = runner.create(&["--expires", "90d"]);
        assert_eq!(status(&created), 0, "{}", stderr(&created));
        let text = stdout(&created);
        let token = text.strip_suffix('\n').unwrap();
        assert!(token.starts_with("ust_") && token.len() == 80, "{token}");
        assert!(!stderr(&created).contains(&token[37..]), "stderr contains the secret");
        assert!(stderr(&created).contains("cannot be displayed again"));
        assert_eq!(client_with_token(app, token).get("/v1/users/count").await.status, 200);
    }

    async fn create_with_json_prints_one_object(app: &TestApp) {
        let runner = CommandRunner::of(app);
        let created = runner.create(&["--scope", "users:write,events:read", "--expires", "never", "--json"]);
        assert_eq!(status(&created), 0, "{}", stderr(&created));
        let mut printed = lines(&created).pop().unwrap();
        let token = printed.as_object_mut().unwrap().remove("token").unwrap();
        assert_eq!(printed["scopes"], json!(["users:read", "users:write", "events:read"]));
        assert_eq!((&printed["expires_at"], &printed["created_by"]), (&json!(null), &json!("operator")));
        assert_eq!(shown(app, printed["id"].as_str().unwrap()).await, printed);
        assert_eq!(client_with_token(app, token.as_str().unwrap()).get("/v1/users/count").await.status, 200);
    }

    async fn tokens_are_listed_and_revoked(app: &TestApp) {
        let runner = CommandRunner::of(app);
        let first = lines(&runner.create(&["--expires", "12h", "--json"])).pop().unwrap();
        let second = lines(&runner.create(&["--expires", "52w", "--json"])).pop().unwrap();
        let ids = |output: &Output| -> Vec<Value> {
            lines(output).iter().map(|token| token["id"].clone()).collect()
        };
        let listed = runner.run(&["token", "list"]);
        assert_eq!(ids(&listed), [second["id"].clone(), first["id"].clone()]);
        assert!(lines(&listed).iter().all(|token| token.get("token").is_none()));
        let id = first["id"].as_str().unwrap();
        for _ in 0..2 {
            let revoked = runner.run(&["token", "revoke", id]);
            assert_eq!((status(&revoked), stdout(&revoked).trim()), (0, id));
        }
        let listed = lines(&runner.run(&["token", "list", "--json"]));
        assert!(listed[0]["revoked_at"].is_null() && listed[1]["revoked_at"].is_string());
    }

    async fn an_error_names_the_wrong_option(app: &TestApp) {
        let runner = CommandRunner::of(app);
        for (arguments, expected) in [
            (vec!["create", "--name", "posts", "--scope", "users:read"], "--expires"),
            (vec!["create", "--name", "posts", "--expires", "90d"], "--scope"),
            (vec!["create", "--name", "posts", "--scope", "users:read", "--expires", "90"], "90d"),
            (vec!["create", "--name", "posts", "--scope", "users:read", "--expires", "9999w"], "--expires"),
            (vec!["create", "--name", "Posts", "--scope", "users:read", "--expires", "90d"], "--name"),
            (vec!["create", "--name", "posts", "--scope", "users:eat", "--expires", "90d"], "--scope"),
            (vec!["revoke", "posts"], "token list"),
        ] {
            let output = runner.run(&[&["token"], &*arguments].concat());
            assert_eq!(status(&output), 2, "{arguments:?}: {}", stderr(&output));
            assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
            assert_eq!(stdout(&output), "");
        }
        let unknown = runner.run(&["token", "revoke", "0199b8f2-7c1e-7000-8000-00000000000a"]);
        assert_eq!(status(&unknown), 1);
        assert_eq!(lines(&runner.run(&["token", "list"])), Vec::<Value>::new());
    }
}
