//! `token create`, `token list` and `token revoke`, as an operator runs them.

use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use user_tests::{TestApp, configured, on_each_store};

use super::{bearing, shown};
use crate::command_line::{status, stderr, stdout};

struct Operator {
    folder: TempDir,
    uri: String,
}

impl Operator {
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
    async fn a_token_is_printed_alone_and_lets_its_service_in(app: &TestApp) {
        let operator = Operator::of(app);
        let made = operator.create(&["--expires", "90d"]);
        assert_eq!(status(&made), 0, "{}", stderr(&made));
        let text = stdout(&made);
        let token = text.strip_suffix('\n').unwrap();
        assert!(token.starts_with("ust_") && token.len() == 80, "{token}");
        assert!(!stderr(&made).contains(&token[37..]), "the talk shows the secret");
        assert!(stderr(&made).contains("nobody can show it again"));
        assert_eq!(bearing(app, token).get("/v1/users/count").await.status, 200);
    }

    async fn a_token_is_told_of_as_one_object(app: &TestApp) {
        let operator = Operator::of(app);
        let made = operator.create(&["--scope", "users:write,events:read", "--expires", "never", "--json"]);
        assert_eq!(status(&made), 0, "{}", stderr(&made));
        let mut told = lines(&made).pop().unwrap();
        let token = told.as_object_mut().unwrap().remove("token").unwrap();
        assert_eq!(told["scopes"], json!(["users:read", "users:write", "events:read"]));
        assert_eq!((&told["expires_at"], &told["created_by"]), (&json!(null), &json!("operator")));
        assert_eq!(shown(app, told["id"].as_str().unwrap()).await, told);
        assert_eq!(bearing(app, token.as_str().unwrap()).get("/v1/users/count").await.status, 200);
    }

    async fn tokens_are_listed_and_revoked(app: &TestApp) {
        let operator = Operator::of(app);
        let first = lines(&operator.create(&["--expires", "12h", "--json"])).pop().unwrap();
        let second = lines(&operator.create(&["--expires", "52w", "--json"])).pop().unwrap();
        let ids = |output: &Output| -> Vec<Value> {
            lines(output).iter().map(|token| token["id"].clone()).collect()
        };
        let listed = operator.run(&["token", "list"]);
        assert_eq!(ids(&listed), [second["id"].clone(), first["id"].clone()]);
        assert!(lines(&listed).iter().all(|token| token.get("token").is_none()));
        let id = first["id"].as_str().unwrap();
        for _ in 0..2 {
            let revoked = operator.run(&["token", "revoke", id]);
            assert_eq!((status(&revoked), stdout(&revoked).trim()), (0, id));
        }
        let listed = lines(&operator.run(&["token", "list", "--json"]));
        assert!(listed[0]["revoked_at"].is_null() && listed[1]["revoked_at"].is_string());
    }

    async fn what_is_wrong_is_told_by_its_option(app: &TestApp) {
        let operator = Operator::of(app);
        for (arguments, told) in [
            (vec!["create", "--name", "posts", "--scope", "users:read"], "--expires"),
            (vec!["create", "--name", "posts", "--expires", "90d"], "--scope"),
            (vec!["create", "--name", "posts", "--scope", "users:read", "--expires", "90"], "90d"),
            (vec!["create", "--name", "posts", "--scope", "users:read", "--expires", "9999w"], "--expires"),
            (vec!["create", "--name", "Posts", "--scope", "users:read", "--expires", "90d"], "--name"),
            (vec!["create", "--name", "posts", "--scope", "users:eat", "--expires", "90d"], "--scope"),
            (vec!["revoke", "posts"], "token list"),
        ] {
            let output = operator.run(&[&["token"], &*arguments].concat());
            assert_eq!(status(&output), 2, "{arguments:?}: {}", stderr(&output));
            assert!(stderr(&output).contains(told), "{arguments:?}: {}", stderr(&output));
            assert_eq!(stdout(&output), "");
        }
        let unknown = operator.run(&["token", "revoke", "0199b8f2-7c1e-7000-8000-00000000000a"]);
        assert_eq!(status(&unknown), 1);
        assert_eq!(lines(&operator.run(&["token", "list"])), Vec::<Value>::new());
    }
}
