//! The commands `user create`, `suspend`, `activate`, `delete` and `revoke-role`, and the settings that commands need.

use super::import::on_each_database;
use super::*;
use crate::command_line::{Running, dev};

/// The only user in the output of a command.
fn printed(output: &Output) -> Value {
    assert_eq!(status(output), 0, "{}", stderr(output));
    let mut users = parse(&stdout(output));
    assert_eq!(users.len(), 1);
    users.remove(0)
}

on_each_database! {
    async fn commands_create_change_and_delete_a_user(runner: CommandRunner) {
        assert_eq!(status(&runner.run(&["migrate", "up"])), 0);
        let created = printed(&runner.run(&[
            "user", "create", "ann", "ann@example.org", "--name", "Ann Lee", "--role", "admin,support",
            "--external-id", "42", "--email-verified",
        ]));
        assert_eq!(created["profile"]["name"], "Ann Lee");
        assert_eq!(created["roles"], json!(["admin", "support"]));
        assert_eq!((&created["external_id"], &created["email_verified"]), (&json!("42"), &json!(true)));
        let taken = runner.run(&["user", "create", "other", "ANN@example.org"]);
        assert_eq!((status(&taken), stdout(&taken)), (1, String::new()));
        assert!(stderr(&taken).contains("email"), "{}", stderr(&taken));
        let invalid = runner.run(&["user", "create", "a b", "nowhere"]);
        assert_eq!(status(&invalid), 2);
        assert!(stderr(&invalid).contains("username") && stderr(&invalid).contains("email"), "{}", stderr(&invalid));

        for (command, expected) in [("suspend", "suspended"), ("suspend", "suspended"), ("activate", "active")] {
            let changed = printed(&runner.run(&["user", command, "external:42"]));
            assert_eq!(changed["status"], expected);
        }
        let suspend = |options: &[&str]| runner.run(&[&["user", "suspend", "ann"], options].concat());
        let suspended = printed(&suspend(&["--reason", "spam", "--until", "2199-01-31T00:00:00Z"]));
        assert_eq!(suspended["suspension"], json!({"reason": "spam", "until": "2199-01-31T00:00:00.000000Z"}));
        let refused = suspend(&["--until", "2001-01-31T00:00:00Z"]);
        assert_eq!((status(&refused), stdout(&refused)), (2, String::new()));
        assert!(stderr(&refused).contains("--until: "), "{}", stderr(&refused));
        let active = printed(&runner.run(&["user", "activate", "ann"]));
        assert_eq!((&active["status"], &active["suspension"]), (&json!("active"), &json!(null)));
        for _ in 0..2 {
            let revoked = printed(&runner.run(&["user", "revoke-role", "ann", "admin"]));
            assert_eq!(revoked["roles"], json!(["support"]));
        }
        let number = id(&created);
        for (arguments, outcome) in [
            (&["ann"][..], "deleted"),
            // A deleted user can only be named by its id.
            (&[number], "deleted"),
            (&[number, "--erase"], "erased"),
        ] {
            let deleted = printed(&runner.run(&[&["user", "delete"], arguments].concat()));
            assert_eq!(deleted, json!({"id": number, "outcome": outcome}));
        }
        assert!(runner.export_all().is_empty());
        for command in [&["suspend", "ann"][..], &["activate", number], &["delete", "ann"], &["revoke-role", "ann", "admin"]] {
            let missing = runner.run(&[&["user"], command].concat());
            assert_eq!((status(&missing), stdout(&missing)), (1, String::new()), "{command:?}");
        }
        for command in [&["suspend", "a b"][..], &["delete", "@"], &["revoke-role", "ann", "Not A Role"]] {
            assert_eq!(status(&runner.run(&[&["user"], command].concat())), 2, "{command:?}");
        }
        // The external id of an erased user cannot be imported again.
        let mut back = minimal_record("back");
        back["external_id"] = json!("42");
        runner.write("back.ndjson", &[back]);
        let refused = runner.run(&["user", "import", "back.ndjson"]);
        assert!(stderr(&refused).contains("/external_id Belonged to an erased user"), "{}", stderr(&refused));
    }

    async fn a_command_validates_only_the_settings_that_it_uses(runner: CommandRunner) {
        let run = |arguments: &[&str]| {
            let mut command = binary(runner.folder.path(), arguments);
            command.env("DATABASE_URI", &runner.uri);
            // Invalid values of settings that only `serve` uses.
            command.env("JWT_LEEWAY_SECONDS", "many").env("PORT", "http").env("LOG_LEVEL", "loud");
            command.output().unwrap()
        };
        for arguments in [
            &["migrate", "up"][..],
            &["migrate", "status"],
            &["user", "create", "ann", "ann@example.org"],
            &["user", "get", "ann"],
            &["user", "list"],
            &["user", "export"],
            &["user", "grant-role", "ann", "admin"],
            &["user", "lockout", "ann"],
            &["user", "unlock", "ann"],
            &["token", "list"],
            &["token", "create", "--name", "posts", "--scope", "users:read", "--expires", "1d"],
            &["purge"],
        ] {
            let done = run(arguments);
            assert_eq!(status(&done), 0, "{arguments:?}: {}", stderr(&done));
        }
        let checked = run(&["check-settings"]);
        assert_eq!(status(&checked), 2);
        for variable in ["JWT_SECRET_KEY", "JWT_LEEWAY_SECONDS", "PORT", "LOG_LEVEL"] {
            assert!(stderr(&checked).contains(variable), "{}", stderr(&checked));
        }
    }
}

#[test]
fn commands_work_in_a_folder_that_dev_prepared() {
    let folder = tempfile::tempdir().unwrap();
    let port = user_tests::free_port();
    let (running, _): (Running, _) = dev(folder.path(), port);
    let run = |arguments: &[&str]| binary(folder.path(), arguments).output().unwrap();
    let mut alive = binary(folder.path(), &["healthcheck"]);
    let alive = alive.env("PORT", port.to_string()).output().unwrap();
    assert_eq!(status(&alive), 0, "{}", stderr(&alive));
    for arguments in [
        &["migrate", "status"][..],
        &["user", "get", "ada"],
        &[
            "user",
            "create",
            "ann",
            "ann@example.org",
            "--role",
            "admin",
        ],
        &["user", "suspend", "ada"],
        &["token", "list"],
        &["purge"],
    ] {
        let done = run(arguments);
        assert_eq!(status(&done), 0, "{arguments:?}: {}", stderr(&done));
        assert!(
            stderr(&done).contains("DATABASE_URI is not set: using ./data/users.db"),
            "{}",
            stderr(&done)
        );
    }
    drop(running);
}

#[test]
fn a_command_without_a_database_setting_creates_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["user", "list"][..], &["migrate", "up"], &["purge"]] {
        let refused = binary(folder.path(), arguments).output().unwrap();
        assert_eq!(status(&refused), 2, "{arguments:?}");
        assert!(
            stderr(&refused).contains("DATABASE_URI: is required"),
            "{}",
            stderr(&refused)
        );
    }
    let mut misnamed = binary(folder.path(), &["user", "list"]);
    let refused = misnamed
        .env("DATABASE_URL", "sqlite:///users.db")
        .output()
        .unwrap();
    assert!(
        stderr(&refused).contains("did you mean DATABASE_URI?"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_password_is_read_from_stdin() {
    let runner = CommandRunner::sqlite();
    let created = runner.feed(
        &[
            "user",
            "create",
            "ann",
            "ann@example.org",
            "--password-stdin",
        ],
        b"correct horse battery staple\n",
    );
    assert_eq!(printed(&created)["username"], "ann");
    let short = runner.feed(
        &[
            "user",
            "create",
            "bob",
            "bob@example.org",
            "--password-stdin",
        ],
        b"short\n",
    );
    assert_eq!(status(&short), 2);
    assert!(stderr(&short).contains("password"), "{}", stderr(&short));
}
