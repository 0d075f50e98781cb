//! The outcomes of the lines of an import.

use super::*;

/// Creates each test once per database, for tests that need no running service.
macro_rules! on_each_database {
    ($(async fn $name:ident($runner:ident: CommandRunner) $body:block)+) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() { super::$name(super::CommandRunner::sqlite()).await; })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() { super::$name(super::CommandRunner::postgres().await).await; })+
        }
        $(async fn $name($runner: CommandRunner) $body)+
    };
}

pub(super) use on_each_database;

fn outcome(result: &Value) -> (u64, &str, &str, &str) {
    let first = &result["errors"][0];
    (
        result["line"].as_u64().unwrap(),
        text_of(&result["outcome"]),
        text_of(&first["pointer"]),
        text_of(&first["code"]),
    )
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Users with every field, every status, and times in the past.
fn varied() -> Vec<Value> {
    let mut users: Vec<Value> = ["Ann.Lee", "bob", "Çelik", "北京人"]
        .into_iter()
        .enumerate()
        .map(|(n, name)| {
            let mut user = full_user_body(name);
            user["email"] = json!(format!("varied{n}@example.org"));
            user["external_id"] = json!(format!("{n}"));
            user["id"] = json!(format!("0199b8f2-7c1e-7000-8000-00000000000{n}"));
            user["version"] = json!(n + 3);
            user["created_at"] = json!(format!("2019-05-0{}T12:00:00.123456Z", n + 1));
            user["updated_at"] = json!("2020-05-04T12:00:00.000001Z");
            user["deleted_at"] = Value::Null;
            user["suspension"] = Value::Null;
            user["metadata"]["private"] =
                serde_json::from_str(r#"{"exact":1.10,"big":12345678901234567}"#).unwrap();
            user
        })
        .collect();
    users[1]["status"] = json!("suspended");
    let until = "2999-01-01T00:00:00.000000Z";
    users[1]["suspension"] = json!({"reason": "spam\nand more", "until": until});
    users[2]["status"] = json!("deleted");
    users[2]["standing"] = json!("suspended");
    users[2]["suspension"] = json!({"reason": null, "until": null});
    users[2]["deleted_at"] = json!("2020-05-04T12:00:00.000001Z");
    users[3]["tokens_valid_after"] = json!("2020-01-01T00:00:00.000000Z");
    users
}

/// The users with sorted members.
fn sorted(users: &[Value]) -> Vec<std::collections::BTreeMap<String, Value>> {
    users
        .iter()
        .map(|user| user.as_object().unwrap().clone().into_iter().collect())
        .collect()
}

on_each_database! {
    async fn an_export_equals_the_import(runner: CommandRunner) {
        runner.write("users.ndjson", &varied());
        let imported = runner.run(&["user", "import", "users.ndjson"]);
        assert_eq!(status(&imported), 0, "{}", stderr(&imported));
        assert_eq!(sorted(&runner.export_all()), sorted(&varied()));
    }

    async fn an_export_survives_an_import_into_the_other_database(runner: CommandRunner) {
        runner.write("users.ndjson", &varied());
        assert_eq!(status(&runner.run(&["user", "import", "users.ndjson"])), 0);
        let export_all = ["user", "export", "--status", "active,suspended,deleted"];
        let exported = runner.run(&export_all);
        let other = if runner.uri.starts_with("sqlite") {
            CommandRunner::postgres().await
        } else {
            CommandRunner::sqlite()
        };
        let imported = other.feed(&["user", "import", "-"], &exported.stdout);
        assert_eq!(status(&imported), 0, "{}", stderr(&imported));
        assert_eq!(stdout(&other.run(&export_all)), stdout(&exported));
        let again = other.feed(&["user", "import", "-"], &exported.stdout);
        assert!(stdout(&again).contains(" 0 created, 0 updated, 4 unchanged, 0 refused"), "{}", stdout(&again));
    }

    async fn reserved_ids_mixed_scripts_and_unreadable_numbers_are_refused(runner: CommandRunner) {
        let with = |name: &str, member: &str, value: Value| {
            let mut user = minimal_record(name);
            user[member] = value;
            user.to_string()
        };
        let lines = [
            with("nil", "id", json!("00000000-0000-0000-0000-000000000000")),
            with("greatest", "id", json!("ffffffff-ffff-FFFF-ffff-ffffffffffff")),
            with("least", "id", json!("00000000-0000-0000-0000-000000000001")),
            with("mixed", "username", json!("mіxed")),
            r#"{"username":"number","email":"number@example.org","metadata":{"public":{"a":[1e400]}}}"#.to_owned(),
        ];
        let imported = runner.feed(&["user", "import", "-", "--results", "results.ndjson"], lines.join("\n").as_bytes());
        assert_eq!(status(&imported), 1, "{}", stderr(&imported));
        let results = runner.read("results.ndjson");
        let found: Vec<_> = results.iter().map(outcome).collect();
        assert_eq!(found, [
            (1, "refused", "/id", "reserved"),
            (2, "refused", "/id", "reserved"),
            (3, "created", "", ""),
            (4, "refused", "/username", "mixed_scripts"),
            (5, "refused", "/metadata/public/a/0", "out_of_range"),
        ]);
    }

    async fn each_line_has_its_own_outcome(runner: CommandRunner) {
        let mut unknown = minimal_record("unknown");
        unknown["password"] = json!("secret");
        unknown["profile"] = json!({"nick/name": 1});
        let lines: Vec<Vec<u8>> = vec![
            b"\xef\xbb\xbf".iter().copied().chain(minimal_record("ann").to_string().into_bytes()).chain(*b"\r").collect(),
            b"".to_vec(),
            b"  \t".to_vec(),
            b"{\"username\":\"torn\",\"ema".to_vec(),
            b"{\"username\":\"twice\",\"username\":\"twice\",\"email\":\"twice@example.org\"}".to_vec(),
            b"{\"username\":\"\xff\xfe\",\"email\":\"x@example.org\"}".to_vec(),
            b"[1,2]".to_vec(),
            format!("{{\"username\":\"long\",\"email\":\"{}\"}}", "x".repeat(1024 * 1024)).into_bytes(),
            unknown.to_string().into_bytes(),
            b"{\"username\":\"a b\"}".to_vec(),
            minimal_record("ANN").to_string().into_bytes(),
            json!({"username": "\u{251}nn", "email": "look.alike@example.org"}).to_string().into_bytes(),
            minimal_record("bob").to_string().into_bytes(),
        ];
        let text = lines.join(&b'\n');
        let imported = runner.feed(&["user", "import", "-", "--results", "results.ndjson"], &text);
        assert_eq!(status(&imported), 1, "{}", stderr(&imported));
        assert_eq!(stdout(&imported).trim(), "11 lines: 2 created, 0 updated, 0 unchanged, 9 refused");
        let results = runner.read("results.ndjson");
        let found: Vec<_> = results.iter().map(outcome).collect();
        assert_eq!(found, [
            (1, "created", "", ""),
            (4, "refused", "", "malformed_json"),
            (5, "refused", "", "malformed_json"),
            (6, "refused", "", "invalid_utf8"),
            (7, "refused", "", "type"),
            (8, "refused", "", "too_long"),
            (9, "refused", "/password", "unknown_field"),
            (10, "refused", "/email", "required"),
            // The username of the first line in another case.
            (11, "refused", "/username", "duplicate"),
            (12, "refused", "/username", "taken"),
            (13, "created", "", ""),
        ]);
        assert_eq!(results[6]["errors"][1]["pointer"], "/profile/nick~1name");
        assert_eq!(results[7]["errors"].as_array().unwrap().len(), 2, "{}", results[7]);
        for refused in [4, 5, 6, 7, 8, 9, 10, 11, 12] {
            assert!(stderr(&imported).contains(&format!("line {refused}: ")), "{}", stderr(&imported));
        }
        assert!(!stderr(&imported).contains("secret"));
        let names: Vec<String> = runner.export_all().iter().map(|user| text_of(&user["username"]).to_owned()).collect();
        assert_eq!(names, ["ann", "bob"]);
    }

    async fn a_dry_run_reports_the_changes_and_writes_nothing(runner: CommandRunner) {
        runner.write("first.ndjson", &[minimal_record("ann"), minimal_record("bob")]);
        assert_eq!(status(&runner.run(&["user", "import", "first.ndjson"])), 0);
        let before = runner.export_all();
        let mut bob = minimal_record("bob");
        bob["profile"] = json!({"name": "Bob"});
        runner.write("users.ndjson", &[minimal_record("ann"), bob, minimal_record("cleo"), minimal_record("x")]);
        let summary = "4 lines: 1 created, 1 updated, 1 unchanged, 1 refused";
        let import = ["user", "import", "users.ndjson", "--match-by", "username"];
        let dry_run = runner.run(&[&import[..], &["--dry-run", "--results", "predicted.ndjson"]].concat());
        assert_eq!(status(&dry_run), 1);
        assert_eq!(
            stdout(&dry_run),
            format!(
                "line 2: changes {}: profile.name\nline 3: creates cleo\n{summary} (dry run: nothing was written)\n",
                id(&before[1]),
            )
        );
        let predicted = runner.read("predicted.ndjson");
        assert_eq!(predicted[1]["changed"], json!(["profile.name"]));
        assert_eq!(predicted[1]["id"], before[1]["id"]);
        assert_eq!(predicted[2]["id"], Value::Null, "the id is only assigned by the import");
        assert_eq!(runner.export_all(), before);
        // The results of a dry run cannot be resumed.
        let resumed = runner.run(&["user", "import", "users.ndjson", "--results", "predicted.ndjson", "--resume"]);
        assert_eq!(status(&resumed), 2, "{}", stderr(&resumed));
        let imported = runner.run(&import);
        assert_eq!(status(&imported), 1);
        assert_eq!(stdout(&imported).trim(), summary);
    }

    async fn an_email_repeated_in_another_case_is_refused(runner: CommandRunner) {
        let of = |username: &str, email: &str| json!({"username": username, "email": email});
        let lines = [
            of("carol", "carol@example.org"),
            of("caroline", "Carol@example.org"),
            of("dave", "dave@example.org"),
        ];
        runner.write("users.ndjson", &lines);
        for more in [&["--dry-run"][..], &[]] {
            let imported = runner.run(&[&["user", "import", "users.ndjson"], more].concat());
            assert_eq!(status(&imported), 1, "{}", stderr(&imported));
            let summary = "3 lines: 2 created, 0 updated, 0 unchanged, 1 refused";
            assert!(stdout(&imported).contains(summary), "{}", stdout(&imported));
            let errors = stderr(&imported);
            assert!(errors.contains("line 2: /email Line 2 repeats the email of the user of line 1."), "{errors}");
        }
        let users = runner.export_all();
        let names: Vec<&str> = users.iter().map(|user| text_of(&user["username"])).collect();
        assert_eq!(names, ["carol", "dave"]);
        assert!(users.iter().all(|user| user["version"] == 1));
    }

    async fn a_unique_value_matches_a_user_only_with_match_by(runner: CommandRunner) {
        runner.write("users.ndjson", &[minimal_record("ann")]);
        assert_eq!(status(&runner.run(&["user", "import", "users.ndjson"])), 0);
        let before = runner.export_all();
        let mut renamed = minimal_record("anna");
        renamed["email"] = json!("ANN@example.org");
        runner.write("users.ndjson", &[renamed]);
        let import = |more: &[&str]| runner.run(&[&["user", "import", "users.ndjson"], more].concat());
        for more in [&[][..], &["--match-by", "username"]] {
            let refused = import(more);
            assert_eq!(status(&refused), 1, "{more:?}");
            assert!(stderr(&refused).contains(&format!("/email Belongs to user {}", id(&before[0]))), "{}", stderr(&refused));
        }
        assert_eq!(runner.export_all(), before);
        assert_eq!(status(&import(&["--match-by", "email"])), 0);
        let after = runner.export_all();
        assert_eq!((&after[0]["username"], &after[0]["id"]), (&json!("anna"), &before[0]["id"]));
    }

    async fn a_dry_run_and_a_resumed_import_agree_over_many_batches(runner: CommandRunner) {
        let with_id = |name: &str, number: usize| {
            let mut user = minimal_record(name);
            user["external_id"] = json!(number.to_string());
            user
        };
        runner.write("first.ndjson", &[with_id("stored", 1)]);
        assert_eq!(status(&runner.run(&["user", "import", "first.ndjson"])), 0);
        let mut users: Vec<Value> = (2..=1200).map(|n| with_id(&format!("member{n}"), n)).collect();
        users[0] = with_id("renamed", 1);
        // In a later batch than the lines that they conflict with: a username, a released username, a released address,
        // an external id, and a look-alike.
        users[1100] = minimal_record("Member7");
        users[1101] = json!({"username": "stored", "email": "elsewhere@example.org"});
        users[1102] = json!({"username": "other", "email": "stored@example.org"});
        users[1103] = with_id("another", 9);
        users[1104] = json!({"username": "ren\u{251}med", "email": "look.alike@example.org"});
        runner.write("users.ndjson", &users);
        let import = |more: &[&str]| runner.run(&[&["user", "import", "users.ndjson"], more].concat());
        assert_eq!(status(&import(&["--dry-run", "--results", "predicted.ndjson"])), 1);
        let predicted = runner.read("predicted.ndjson");
        assert_eq!(status(&import(&["--results", "results.ndjson"])), 1);
        let summary = |results: &[Value]| {
            let outcomes = results.iter().map(|result| {
                (result["line"].clone(), result["outcome"].clone(), result["changed"].clone(), result["errors"].clone())
            });
            outcomes.collect::<Vec<_>>()
        };
        let done = runner.read("results.ndjson");
        assert_eq!(summary(&predicted), summary(&done));
        let refused: Vec<_> = done.iter().map(outcome).filter(|found| found.1 == "refused").collect();
        assert_eq!(refused, [
            (1101, "refused", "/username", "duplicate"),
            (1102, "refused", "/username", "taken"),
            (1104, "refused", "/external_id", "duplicate"),
            (1105, "refused", "/username", "taken"),
        ]);

        // The state after a kill: lines after the first thousand are imported but not recorded.
        let results = runner.path("results.ndjson");
        let text = std::fs::read_to_string(&results).unwrap();
        let recorded: Vec<&str> = text.lines().take(1000).collect();
        std::fs::write(&results, recorded.join("\n") + "\n").unwrap();
        assert_eq!(status(&import(&["--results", "results.ndjson", "--resume"])), 1);
        let resumed = runner.read("results.ndjson");
        let again: Vec<_> = resumed.iter().map(outcome).filter(|found| found.1 == "refused").collect();
        assert_eq!(again, refused);
        let unchanged = resumed.iter().filter(|result| result["outcome"] == "unchanged").count();
        assert_eq!(unchanged, 1199 - 1000 - 4);
    }

    async fn times_in_the_future_are_refused(runner: CommandRunner) {
        let future = json!("9999-12-31T23:59:59Z");
        let mut lines = Vec::new();
        for (name, status) in [("created_at", "active"), ("updated_at", "active"), ("deleted_at", "deleted"), ("tokens_valid_after", "active")] {
            let mut user = minimal_record(&name.replace('_', "."));
            user["status"] = json!(status);
            user[name] = future.clone();
            lines.push(user);
        }
        runner.write("users.ndjson", &lines);
        let imported = runner.run(&["user", "import", "users.ndjson", "--results", "results.ndjson"]);
        assert_eq!(status(&imported), 1);
        let results = runner.read("results.ndjson");
        let found: Vec<_> = results.iter().map(outcome).collect();
        assert_eq!(found, [
            (1, "refused", "/created_at", "future"),
            (2, "refused", "/updated_at", "future"),
            (3, "refused", "/deleted_at", "future"),
            (4, "refused", "/tokens_valid_after", "future"),
        ]);
        assert!(runner.export_all().is_empty());
    }

    async fn the_first_20_refused_lines_are_printed_and_all_recorded(runner: CommandRunner) {
        let lines: Vec<Value> = (0..600).map(|_| minimal_record("x")).collect();
        runner.write("users.ndjson", &lines);
        let imported = runner.run(&["user", "import", "users.ndjson", "--results", "results.ndjson"]);
        assert_eq!(status(&imported), 1);
        assert_eq!(stderr(&imported).matches("line ").count(), 20);
        assert_eq!(runner.read("results.ndjson").len(), 600);
    }

    async fn an_import_resumes_only_with_the_same_lines(runner: CommandRunner) {
        runner.write("users.ndjson", &[minimal_record("ann"), minimal_record("x"), minimal_record("bob")]);
        let import = |more: &[&str]| {
            runner.run(&[&["user", "import", "users.ndjson", "--results", "results.ndjson"], more].concat())
        };
        assert_eq!(status(&import(&[])), 1);
        assert_eq!(status(&import(&[])), 2, "results are not overwritten");
        let done = import(&["--resume"]);
        assert_eq!(status(&done), 1, "earlier refusals count for the exit status");
        assert_eq!(stdout(&done).trim(), "3 lines: 2 created, 0 updated, 0 unchanged, 1 refused");
        assert_eq!(runner.read("results.ndjson").len(), 3);
        for others in [&[minimal_record("ann"), minimal_record("x"), minimal_record("cleo")][..], &[minimal_record("ann")]] {
            runner.write("users.ndjson", others);
            let resumed = import(&["--resume"]);
            assert_eq!(status(&resumed), 2, "{}", stderr(&resumed));
        }
        runner.write("users.ndjson", &[minimal_record("ann"), minimal_record("x"), minimal_record("bob"), minimal_record("cleo")]);
        let more = import(&["--resume"]);
        assert_eq!(stdout(&more).trim(), "4 lines: 3 created, 0 updated, 0 unchanged, 1 refused");
        let missing = runner.run(&["user", "import", "no-such-file"]);
        assert_eq!(status(&missing), 2);
    }
}
