//! What an import makes of its lines.

use super::*;

/// A store for a test that needs no service beside the command.
macro_rules! on_each_database {
    ($(async fn $name:ident($workplace:ident: Workplace) $body:block)+) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() { super::$name(super::Workplace::sqlite()).await; })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() { super::$name(super::Workplace::postgres().await).await; })+
        }
        $(async fn $name($workplace: Workplace) $body)+
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

/// Users with every field and every status, with a past.
fn varied() -> Vec<Value> {
    let mut users: Vec<Value> = ["Ann.Lee", "bob", "Çelik", "北京人"]
        .into_iter()
        .enumerate()
        .map(|(n, name)| {
            let mut user = everything(name);
            user["email"] = json!(format!("varied{n}@example.org"));
            user["external_id"] = json!(format!("{n}"));
            user["id"] = json!(format!("0199b8f2-7c1e-7000-8000-00000000000{n}"));
            user["version"] = json!(n + 3);
            user["created_at"] = json!(format!("2019-05-0{}T12:00:00.123456Z", n + 1));
            user["updated_at"] = json!("2020-05-04T12:00:00.000001Z");
            user["deleted_at"] = Value::Null;
            user["metadata"]["private"] =
                serde_json::from_str(r#"{"exact":1.10,"big":12345678901234567890123}"#).unwrap();
            user
        })
        .collect();
    users[1]["status"] = json!("suspended");
    users[2]["status"] = json!("deleted");
    users[2]["standing"] = json!("suspended");
    users[2]["deleted_at"] = json!("2020-05-04T12:00:00.000001Z");
    users[3]["tokens_valid_after"] = json!("2020-01-01T00:00:00.000000Z");
    users
}

/// The same members, in whatever order.
fn sorted(users: &[Value]) -> Vec<std::collections::BTreeMap<String, Value>> {
    users
        .iter()
        .map(|user| user.as_object().unwrap().clone().into_iter().collect())
        .collect()
}

on_each_database! {
    async fn what_is_exported_is_what_was_imported(workplace: Workplace) {
        workplace.write("users.ndjson", &varied());
        let imported = workplace.run(&["user", "import", "users.ndjson"]);
        assert_eq!(status(&imported), 0, "{}", stderr(&imported));
        assert_eq!(sorted(&workplace.everybody()), sorted(&varied()));
    }

    async fn an_export_imported_into_the_other_database_is_exported_alike(workplace: Workplace) {
        workplace.write("users.ndjson", &varied());
        assert_eq!(status(&workplace.run(&["user", "import", "users.ndjson"])), 0);
        let everybody = ["user", "export", "--status", "active,suspended,deleted"];
        let exported = workplace.run(&everybody);
        let other = if workplace.uri.starts_with("sqlite") {
            Workplace::postgres().await
        } else {
            Workplace::sqlite()
        };
        let imported = other.feed(&["user", "import", "-"], &exported.stdout);
        assert_eq!(status(&imported), 0, "{}", stderr(&imported));
        assert_eq!(stdout(&other.run(&everybody)), stdout(&exported));
        let again = other.feed(&["user", "import", "-"], &exported.stdout);
        assert!(stdout(&again).contains(" 0 created, 0 updated, 4 unchanged, 0 refused"), "{}", stdout(&again));
    }

    async fn each_line_has_its_outcome_and_a_refused_one_takes_no_other_along(workplace: Workplace) {
        let mut unknown = plain("unknown");
        unknown["password"] = json!("secret");
        unknown["profile"] = json!({"nick/name": 1});
        let lines: Vec<Vec<u8>> = vec![
            b"\xef\xbb\xbf".iter().copied().chain(plain("ann").to_string().into_bytes()).chain(*b"\r").collect(),
            b"".to_vec(),
            b"  \t".to_vec(),
            b"{\"username\":\"torn\",\"ema".to_vec(),
            b"{\"username\":\"twice\",\"username\":\"twice\",\"email\":\"twice@example.org\"}".to_vec(),
            b"{\"username\":\"\xff\xfe\",\"email\":\"x@example.org\"}".to_vec(),
            b"[1,2]".to_vec(),
            format!("{{\"username\":\"long\",\"email\":\"{}\"}}", "x".repeat(1024 * 1024)).into_bytes(),
            unknown.to_string().into_bytes(),
            b"{\"username\":\"a b\"}".to_vec(),
            plain("ANN").to_string().into_bytes(),
            json!({"username": "\u{430}nn", "email": "look.alike@example.org"}).to_string().into_bytes(),
            plain("bob").to_string().into_bytes(),
        ];
        let text = lines.join(&b'\n');
        let imported = workplace.feed(&["user", "import", "-", "--results", "results.ndjson"], &text);
        assert_eq!(status(&imported), 1, "{}", stderr(&imported));
        assert_eq!(stdout(&imported).trim(), "11 lines: 2 created, 1 updated, 0 unchanged, 8 refused");
        let results = workplace.read("results.ndjson");
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
            // Its name as it is now typed.
            (11, "updated", "", ""),
            (12, "refused", "/username", "taken"),
            (13, "created", "", ""),
        ]);
        assert_eq!(results[6]["errors"][1]["pointer"], "/profile/nick~1name");
        assert_eq!(results[7]["errors"].as_array().unwrap().len(), 2, "{}", results[7]);
        for refused in [4, 5, 6, 7, 8, 9, 10, 12] {
            assert!(stderr(&imported).contains(&format!("line {refused}: ")), "{}", stderr(&imported));
        }
        assert!(!stderr(&imported).contains("secret"));
        let names: Vec<String> = workplace.everybody().iter().map(|user| text_of(&user["username"]).to_owned()).collect();
        assert_eq!(names, ["ANN", "bob"]);
        assert_eq!(results[0]["id"], results[8]["id"]);
    }

    async fn a_dry_run_tells_what_an_import_does_and_writes_nothing(workplace: Workplace) {
        workplace.write("first.ndjson", &[plain("ann"), plain("bob")]);
        assert_eq!(status(&workplace.run(&["user", "import", "first.ndjson"])), 0);
        let before = workplace.everybody();
        let mut bob = plain("bob");
        bob["profile"] = json!({"name": "Bob"});
        workplace.write("users.ndjson", &[plain("ann"), bob, plain("cleo"), plain("x")]);
        let tally = "4 lines: 1 created, 1 updated, 1 unchanged, 1 refused";
        let rehearsed = workplace.run(&["user", "import", "users.ndjson", "--dry-run", "--results", "rehearsal.ndjson"]);
        assert_eq!(status(&rehearsed), 1);
        assert!(stdout(&rehearsed).starts_with(tally), "{}", stdout(&rehearsed));
        assert!(stdout(&rehearsed).contains("nothing was written"));
        assert_eq!(workplace.everybody(), before);
        // What a dry run foresaw is not taken for done.
        let resumed = workplace.run(&["user", "import", "users.ndjson", "--results", "rehearsal.ndjson", "--resume"]);
        assert_eq!(status(&resumed), 2, "{}", stderr(&resumed));
        let imported = workplace.run(&["user", "import", "users.ndjson"]);
        assert_eq!(status(&imported), 1);
        assert_eq!(stdout(&imported).trim(), tally);
    }

    async fn many_refused_lines_are_told_up_to_a_bound_and_recorded_all(workplace: Workplace) {
        let lines: Vec<Value> = (0..600).map(|_| plain("x")).collect();
        workplace.write("users.ndjson", &lines);
        let imported = workplace.run(&["user", "import", "users.ndjson", "--results", "results.ndjson"]);
        assert_eq!(status(&imported), 1);
        assert_eq!(stderr(&imported).matches("line ").count(), 20);
        assert_eq!(workplace.read("results.ndjson").len(), 600);
    }

    async fn results_are_gone_on_from_only_with_the_lines_that_they_are_of(workplace: Workplace) {
        workplace.write("users.ndjson", &[plain("ann"), plain("x"), plain("bob")]);
        let import = |more: &[&str]| {
            workplace.run(&[&["user", "import", "users.ndjson", "--results", "results.ndjson"], more].concat())
        };
        assert_eq!(status(&import(&[])), 1);
        assert_eq!(status(&import(&[])), 2, "results are not written over");
        let done = import(&["--resume"]);
        assert_eq!(status(&done), 1, "an earlier refusal still counts");
        assert_eq!(stdout(&done).trim(), "3 lines: 2 created, 0 updated, 0 unchanged, 1 refused");
        assert_eq!(workplace.read("results.ndjson").len(), 3);
        for others in [&[plain("ann"), plain("x"), plain("cleo")][..], &[plain("ann")]] {
            workplace.write("users.ndjson", others);
            let resumed = import(&["--resume"]);
            assert_eq!(status(&resumed), 2, "{}", stderr(&resumed));
        }
        workplace.write("users.ndjson", &[plain("ann"), plain("x"), plain("bob"), plain("cleo")]);
        let more = import(&["--resume"]);
        assert_eq!(stdout(&more).trim(), "4 lines: 3 created, 0 updated, 0 unchanged, 1 refused");
        let missing = workplace.run(&["user", "import", "no-such-file"]);
        assert_eq!(status(&missing), 2);
    }
}
