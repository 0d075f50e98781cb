//! `POST /v1/users`.

use reqwest::Method;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};

use crate::common::{
    Callers, assert_faults, assert_problem, assert_same_faults, assert_view, events,
    full_user_body, id, path, register_full_user, send,
};

/// Whether a value is a timestamp in the format of the API: UTC, with six decimals.
fn is_moment(value: &Value) -> bool {
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    let text = value.as_str().unwrap_or_default();
    text.bytes().map(shape).eq(*b"0000-00-00T00:00:00.000000Z")
}

user_tests::on_each_store! {
    async fn a_user_is_created_with_every_field_and_returned_exactly(app: &TestApp) {
        let body = full_user_body("Alice.Smith");
        let made = app.service().post("/v1/users", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let (created, updated) = (&made.json["created_at"], &made.json["updated_at"]);
        assert!(is_moment(created), "{created}");
        assert_eq!(created, updated);
        let mut expected = body.clone();
        expected["id"] = made.json["id"].clone();
        expected["version"] = json!(1);
        expected["created_at"] = created.clone();
        expected["updated_at"] = updated.clone();
        expected["deleted_at"] = Value::Null;
        expected["suspension"] = Value::Null;
        assert_eq!(made.json, expected);
        assert_eq!(made.id().len(), 36);
        assert_eq!(made.id().as_bytes()[14], b'7', "a UUID of version 7");
        assert_eq!(made.header("location"), format!("/v1/users/{}", made.id()));
        assert_eq!(made.version_and_view(), "1-full");
        assert_eq!(made.header("content-type"), "application/json");

        let found = app.service().get(made.header("location")).await;
        assert_eq!(found.json, expected);
        assert_eq!(events(app, made.id()).await, [("user.created".to_owned(), 1)]);
    }

    async fn an_omitted_field_is_null_or_its_default(app: &TestApp) {
        let nothing = json!({"username": "bare", "email": "bare@example.org"});
        let null = json!({
            "username": "bare2", "email": "bare2@example.org", "email_verified": null, "phone_number": null,
            "phone_number_verified": null, "external_id": null, "roles": null, "profile": null, "metadata": null,
        });
        let inner_null = json!({
            "username": "bare3", "email": "bare3@example.org", "profile": {"name": null, "birthdate": null},
            "metadata": {"public": null, "user": null, "private": null},
        });
        for body in [nothing, null, inner_null] {
            let made = app.service().post("/v1/users", &body).await;
            assert_eq!(made.status, 201, "{}", made.text);
            assert_view(&made.json, "full");
            let fields = json!({
                "username": body["username"], "email": body["email"], "email_verified": false, "phone_number": null,
                "phone_number_verified": false, "external_id": null, "status": "active", "roles": [], "deleted_at": null,
                "metadata": {"public": {}, "user": {}, "private": {}},
            });
            for (name, value) in fields.as_object().unwrap() {
                assert_eq!(&made.json[name], value, "{name} after {body}");
            }
            for (name, value) in made.json["profile"].as_object().unwrap() {
                assert_eq!(value, &Value::Null, "{name} after {body}");
            }
        }
    }

    async fn only_services_and_administrators_create_users(app: &TestApp) {
        let own = app.register("own.user").await;
        let callers = Callers::for_target(app, id(&own)).await;
        let body = json!({"username": "newcomer", "email": "newcomer@example.org"});
        assert_problem(&callers.anonymous.post("/v1/users", &body).await, 401, "missing_credentials");
        for (name, user) in callers.users() {
            let refused = user.post("/v1/users", &body).await;
            assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name}");
            // A caller without permission gets no faults of the body.
            assert_problem(&user.post("/v1/users", &json!({"nonsense": 1})).await, 403, "forbidden");
        }
        let missing = app.service().get("/v1/users/by-username/newcomer").await;
        assert_problem(&missing, 404, "user_not_found");
        let made = callers.admin.post("/v1/users", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_view(&made.json, "full");
        let second = json!({"username": "newcomer2", "email": "newcomer2@example.org", "roles": ["admin"]});
        let made = callers.admin.post("/v1/users", &second).await;
        assert_eq!((made.status, &made.json["roles"]), (201, &json!(["admin"])));
        let third = json!({"username": "newcomer3", "email": "newcomer3@example.org", "roles": ["admin"]});
        let made = callers.service.post("/v1/users", &third).await;
        assert_eq!((made.status, &made.json["roles"]), (201, &json!(["admin"])));
    }

    async fn a_username_and_an_email_are_required(app: &TestApp) {
        let service = app.service();
        for body in [json!({}), json!({"username": null, "email": null})] {
            let refused = service.post("/v1/users", &body).await;
            assert_faults(&refused, &[("/username", "required"), ("/email", "required")]);
        }
        let status = json!({"username": "ann", "email": "ann@example.org", "status": null});
        assert_faults(&service.post("/v1/users", &status).await, &[("/status", "required")]);
    }

    async fn all_faults_of_a_body_are_reported_at_once(app: &TestApp) {
        let body = json!({
            "username": "a", "email": "nobody", "email_verified": "yes", "phone_number": "030 123", "external_id": "a b",
            "phone_number_verified": 1, "status": "deleted", "roles": ["ok", "Not Ok", 7, null],
            "id": "0199b8f2-7c1e-7000-8000-000000000000", "version": 1, "created_at": null, "updated_at": "now",
            "deleted_at": null, "is_admin": true, "a/b~c": 1,
            "profile": {
                "name": "x".repeat(129), "given_name": " \t ", "family_name": "a\u{202e}b", "nickname": 5,
                "picture": "ftp://example.org/a", "website": "nowhere", "bio": "b".repeat(2001), "location": "a\nb",
                "locale": "de_DE", "zoneinfo": "Mars/Olympus", "birthdate": "1990-02-30", "password": "x",
            },
            "metadata": {"public": [], "user": {"a": "b\u{0000}"}, "private": {"x": "y".repeat(16 * 1024)}, "secret": {}},
        });
        let refused = app.service().post("/v1/users", &body).await;
        assert_faults(&refused, &[
            ("/username", "too_short"), ("/email", "format"), ("/email_verified", "type"), ("/phone_number", "format"),
            ("/phone_number_verified", "type"), ("/external_id", "forbidden_character"), ("/status", "unknown"),
            ("/roles/1", "forbidden_character"), ("/roles/2", "type"), ("/roles/3", "type"),
            ("/id", "read_only"), ("/version", "read_only"), ("/created_at", "read_only"), ("/updated_at", "read_only"),
            ("/deleted_at", "read_only"), ("/is_admin", "unknown_field"), ("/a~1b~0c", "unknown_field"),
            ("/profile/name", "too_long"), ("/profile/given_name", "blank"), ("/profile/family_name", "forbidden_character"),
            ("/profile/nickname", "type"), ("/profile/picture", "url_scheme"), ("/profile/website", "format"),
            ("/profile/bio", "too_long"), ("/profile/location", "forbidden_character"), ("/profile/locale", "format"),
            ("/profile/zoneinfo", "format"), ("/profile/birthdate", "format"), ("/profile/password", "unknown_field"),
            ("/metadata/public", "type"), ("/metadata/user", "forbidden_character"), ("/metadata/private", "too_large"),
            ("/metadata/secret", "unknown_field"),
        ]);
        let mistyped = json!({"username": "ann", "email": "ann@example.org", "profile": "x", "metadata": [], "roles": {}});
        let refused = app.service().post("/v1/users", &mistyped).await;
        assert_faults(&refused, &[("/profile", "type"), ("/metadata", "type"), ("/roles", "type")]);
    }

    async fn a_taken_value_is_a_409_that_names_it(app: &TestApp) {
        let service = app.service();
        register_full_user(app, "Alice").await;
        let body = |username: &str, email: &str, external_id: &str| {
            json!({"username": username, "email": email, "external_id": external_id})
        };
        for username in ["Alice", "alice", "ALICE", " aLiCe "] {
            let refused = service.post("/v1/users", &body(username, "new@example.org", "new")).await;
            assert_problem(&refused, 409, "username_taken");
        }
        for email in ["Alice@example.org", "alice@EXAMPLE.ORG", " aLICE@example.org"] {
            let refused = service.post("/v1/users", &body("newcomer", email, "new")).await;
            assert_problem(&refused, 409, "email_taken");
        }
        let refused = service.post("/v1/users", &body("newcomer", "new@example.org", "ext-Alice")).await;
        assert_problem(&refused, 409, "external_id_taken");
        // All values that are taken are named, also by different users and by a change.
        app.register("other").await;
        let refused = service.post("/v1/users", &body("ALICE", "Other@example.org", "ext-Alice")).await;
        assert_problem(&refused, 409, "username_taken");
        assert_eq!(refused.faults(), [
            ("/username", "username_taken"), ("/email", "email_taken"), ("/external_id", "external_id_taken"),
        ].map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
        let third = app.register("third").await;
        let change = json!({"email": "alice@example.org", "external_id": "ext-Alice"});
        let refused = service.patch(&path(&third), &change).await;
        assert_problem(&refused, 409, "email_taken");
        assert_eq!(refused.faults().len(), 2, "{}", refused.text);
        // External ids are compared byte by byte. The rejected requests have stored nothing.
        let made = service.post("/v1/users", &body("newcomer", "new@example.org", "EXT-ALICE")).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }

    async fn email_domains_are_compared_by_idna(app: &TestApp) {
        let service = app.service();
        let made = service.post("/v1/users", &json!({"username": "idna", "email": "Jo@Bücher.example"})).await;
        assert_eq!((made.status, &made.json["email"]), (201, &json!("Jo@Bücher.example")), "{}", made.text);
        for email in ["jo@xn--bcher-kva.example", "jo@BÜCHER.example", "jo@bu\u{308}cher.example"] {
            let refused = service.post("/v1/users", &json!({"username": "idna2", "email": email})).await;
            assert_problem(&refused, 409, "email_taken");
        }
    }

    async fn a_look_alike_username_is_taken_but_ascii_letters_differ(app: &TestApp) {
        for (username, email) in [("paypal", "p"), ("modern", "n"), ("modem", "m"), ("w0rld", "w"), ("world", "x")] {
            let body = json!({"username": username, "email": format!("{email}@example.org")});
            let made = app.service().post("/v1/users", &body).await;
            assert_eq!(made.status, 201, "{username}: {}", made.text);
        }
        // With one Latin alpha, with two, and in fullwidth letters.
        for username in ["pɑypal", "pɑypɑl", "ｐａｙｐａｌ"] {
            let body = json!({"username": username, "email": "thief@example.org"});
            assert_problem(&app.service().post("/v1/users", &body).await, 409, "username_taken");
        }
    }

    async fn a_new_mixed_script_username_is_rejected_and_a_stored_one_kept(app: &TestApp) {
        let service = app.service();
        for username in ["раypal", "αlice", "Сергей.Smith", "Дмитрийος"] {
            let body = json!({"username": username, "email": "mixed@example.org"});
            assert_faults(&service.post("/v1/users", &body).await, &[("/username", "mixed_scripts")]);
        }
        for (number, username) in ["Дмитрий.1990", "東京Tokyo", "김Kim"].into_iter().enumerate() {
            let body = json!({"username": username, "email": format!("whole{number}@example.org")});
            assert_eq!(service.post("/v1/users", &body).await.status, 201, "{username}");
        }
        // A username stored before this rule existed.
        let user = app.register("alice").await;
        let database = crate::retention::database(app).await;
        let older = "UPDATE users SET username = 'Аlice', username_key = 'аlice' WHERE username_key = 'alice'";
        database.execute_unprepared(older).await.unwrap();
        let fresh = [("Cache-Control", "no-cache")];
        let found = service.get_with("/v1/users/by-username/Аlice", &fresh).await;
        assert_eq!((found.status, &found.json["id"]), (200, &user["id"]), "{}", found.text);
        let mut body = json!({"username": "Аlice", "email": user["email"], "profile": {"name": "Al"}});
        let put = service.put_with(&path(&user), &body, &[("If-Match", found.header("etag"))]).await;
        assert_eq!((put.status, put.json["profile"]["name"].as_str()), (200, Some("Al")), "{}", put.text);
        body["username"] = json!("аlicia");
        let put = service.put_with(&path(&user), &body, &[("If-Match", "*")]).await;
        assert_faults(&put, &[("/username", "mixed_scripts")]);
        let patched = service.patch(&path(&user), &json!({"username": "bоb.two"})).await;
        assert_faults(&patched, &[("/username", "mixed_scripts")]);
        let patched = service.patch(&path(&user), &json!({"username": "bob.two"})).await;
        assert_eq!(patched.status, 200, "{}", patched.text);
    }

    async fn invisible_characters_in_an_email_domain_are_removed(app: &TestApp) {
        let service = app.service();
        let body = json!({"username": "alice", "email": "Alice@Exam\u{ad}ple\u{200b}.org\u{2060}"});
        let made = service.post("/v1/users", &body).await;
        assert_eq!((made.status, &made.json["email"]), (201, &json!("Alice@Example.org")), "{}", made.text);
        let twin = json!({"username": "twin", "email": "alice@example.org"});
        assert_problem(&service.post("/v1/users", &twin).await, 409, "email_taken");
        // An address stored before this rule is returned unchanged and can be found.
        let database = crate::retention::database(app).await;
        database.execute_unprepared("UPDATE users SET email = 'Alice@Exam\u{ad}ple.org'").await.unwrap();
        let fresh = [("Cache-Control", "no-cache")];
        let found = service.get_with(&path(&made.json), &fresh).await;
        assert_eq!(found.json["email"], "Alice@Exam\u{ad}ple.org");
        let batch = service.post("/v1/users/batch", &json!({"emails": ["alice@exam\u{ad}ple.org", "alice@example.org"]})).await;
        for user in batch.json["users"].as_array().unwrap() {
            assert_eq!(user["id"], made.json["id"], "{}", batch.text);
        }
    }

    async fn reserved_and_malformed_usernames_are_rejected(app: &TestApp) {
        for (username, code) in [
            ("admin", "reserved"), ("Admin", "reserved"), ("аdmin", "reserved"), ("by-username", "reserved"),
            ("null", "reserved"), ("ab", "too_short"), (&*"a".repeat(33), "too_long"), ("", "blank"), ("   ", "blank"),
            ("ann@example", "forbidden_character"), ("ann lee", "forbidden_character"), ("a/b", "forbidden_character"),
            ("a%b", "forbidden_character"), ("ann\u{200b}lee", "forbidden_character"), ("ann\u{202e}", "forbidden_character"),
            ("😀😀😀", "forbidden_character"), (".ann", "format"), ("ann.", "format"), ("-ann", "format"), ("ann_", "format"),
            ("0199b8f2-7c1e-7000-8000-000000000000", "format"), ("0199b8f27c1e70008000000000000000", "format"),
        ] {
            let body = json!({"username": username, "email": "ann@example.org"});
            assert_faults(&app.service().post("/v1/users", &body).await, &[("/username", code)]);
        }
    }

    async fn a_username_keeps_its_case_and_is_compared_without_it(app: &TestApp) {
        for (n, (typed, other)) in [("Alice.Smith", "aLICE.sMITH"), ("ÉLODIE", "élodie"), ("ΟΔΟΣ", "οδος"), ("x-1_2.y", "X-1_2.Y")].into_iter().enumerate() {
            let email = format!("{n}@example.org");
            let made = app.service().post("/v1/users", &json!({"username": typed, "email": email})).await;
            assert_eq!((made.status, &made.json["username"]), (201, &json!(typed)), "{}", made.text);
            let found = app.service().get(&format!("/v1/users/by-username/{}", crate::common::encode(other))).await;
            assert_eq!(found.id(), made.id(), "{other}");
        }
    }

    async fn text_is_trimmed_and_nfc_normalised_only(app: &TestApp) {
        let body = json!({
            "username": "  Zoe\u{308} ", "email": "\u{a0}zoe@example.org\n",
            "profile": {
                "name": "\t Zoe\u{308} <b>&amp;</b> ' \" \\ 😀 ", "bio": "\n a\r\nb\tc \u{1f468}\u{200d}\u{1f469} \n",
                "website": " HTTPS://Example.org/%7e?q=é ", "locale": "zh-Hant-TW", "zoneinfo": "Asia/Calcutta",
                "birthdate": "0000-02-29",
            },
        });
        let made = app.service().post("/v1/users", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json["username"], "Zo\u{eb}");
        assert_eq!(made.json["email"], "zoe@example.org");
        let profile = &made.json["profile"];
        assert_eq!(profile["name"], "Zo\u{eb} <b>&amp;</b> ' \" \\ 😀");
        assert_eq!(profile["bio"], "a\r\nb\tc \u{1f468}\u{200d}\u{1f469}");
        assert_eq!(profile["website"], "HTTPS://Example.org/%7e?q=é");
        assert_eq!(profile["locale"], "zh-Hant-TW");
        assert_eq!(profile["zoneinfo"], "Asia/Calcutta");
        assert_eq!(profile["birthdate"], "0000-02-29");
        let found = app.service().get(&format!("/v1/users/{}", made.id())).await;
        assert_eq!(found.json, made.json);
    }

    async fn maximum_lengths_are_accepted_and_longer_values_rejected(app: &TestApp) {
        let url = |length: usize| format!("https://example.org/{}", "a".repeat(length - 20));
        let email = |more: usize| {
            let labels = ["d".repeat(60), "e".repeat(58 + more), "f".repeat(61)].join(".");
            format!("{}@{labels}.example", "l".repeat(64))
        };
        let body = |more: usize| {
            let short = "😀".repeat(128 + more);
            json!({
                "username": "é".repeat(32 + more), "email": email(more), "external_id": "~".repeat(255 + more),
                "phone_number": format!("+{}", "9".repeat(15 + more)), "roles": ["r".repeat(64 + more)],
                "profile": {
                    "name": short, "given_name": short, "family_name": short, "nickname": short, "location": short,
                    "bio": "😀".repeat(2000 + more), "picture": url(2048 + more), "website": url(2048 + more),
                },
            })
        };
        let made = app.service().post("/v1/users", &body(0)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json["profile"]["bio"], body(0)["profile"]["bio"]);
        let refused = app.service().post("/v1/users", &body(1)).await;
        let mut faults = [
            "/username", "/email", "/external_id", "/roles/0", "/profile/name", "/profile/given_name", "/profile/family_name",
            "/profile/nickname", "/profile/location", "/profile/bio", "/profile/picture", "/profile/website",
        ].map(|place| (place, "too_long")).to_vec();
        faults.push(("/phone_number", "format"));
        assert_faults(&refused, &faults);
        let local = json!({"username": "ann", "email": format!("{}@example.org", "l".repeat(65))});
        assert_faults(&app.service().post("/v1/users", &local).await, &[("/email", "format")]);
        let roles: Vec<String> = (0..33).map(|n| format!("role{n}")).collect();
        let refused = app.service().post("/v1/users", &json!({"username": "ann", "email": "ann@example.org", "roles": roles})).await;
        assert_faults(&refused, &[("/roles", "too_many")]);
        let repeated = vec!["one"; 40];
        let made = app.service().post("/v1/users", &json!({"username": "ann", "email": "ann@example.org", "roles": repeated})).await;
        assert_eq!((made.status, &made.json["roles"]), (201, &json!(["one"])));
    }

    async fn a_verified_phone_needs_a_number_and_a_user_can_start_suspended(app: &TestApp) {
        let body = json!({"username": "ann", "email": "ann@example.org", "phone_number_verified": true});
        let refused = app.service().post("/v1/users", &body).await;
        assert_problem(&refused, 422, "invalid");
        assert_same_faults(&refused, &[("/phone_number", "required")]);
        let body = json!({"username": "ann", "email": "ann@example.org", "status": "suspended"});
        let made = app.service().post("/v1/users", &body).await;
        assert_eq!((made.status, &made.json["status"]), (201, &json!("suspended")));
        assert_problem(&app.user(made.id()).get("/v1/users/me").await, 401, "invalid_token");
    }

    async fn a_body_that_is_not_a_json_object_creates_no_user(app: &TestApp) {
        let service = app.service();
        let valid = r#"{"username":"ann","email":"ann@example.org"}"#;
        let deep = format!(r#"{{"username":"ann","email":"ann@example.org","metadata":{{"user":{{"a":{}1{}}}}}}}"#, "[".repeat(40), "]".repeat(40));
        let malformed: Vec<Vec<u8>> = vec![
            b"".to_vec(), b"{".to_vec(), valid[..valid.len() - 1].into(), format!("{valid}{valid}").into(), format!("\u{feff}\u{feff}{valid}").into(),
            br#"{"username":"ann","email":"ann@example.org","username":"bob"}"#.to_vec(),
            br#"{"username":"ann","email":"ann@example.org","user\u006eame":"bob"}"#.to_vec(),
            br#"{"username":"ann","email":"ann@example.org","metadata":{"user":{"a":1,"a":2}}}"#.to_vec(),
            br#"{"username":"ann","email":"ann@example.org","profile":{"name":"\ud800"}}"#.to_vec(),
            b"{\"username\":\"ann\",\"email\":\"ann@example.org\",\"profile\":{\"name\":\"\xff\"}}".to_vec(),
            br#"{"username":"ann","email":"ann@example.org",}"#.to_vec(), br"{'username':'ann'}".to_vec(), b"username=ann".to_vec(),
            br#"{"username":NaN}"#.to_vec(), deep.into(),
        ];
        for body in malformed {
            let shown = String::from_utf8_lossy(&body).into_owned();
            let refused = send(&service, Method::POST, "/v1/users", "application/json", body).await;
            assert_eq!((refused.status, refused.code()), (400, "malformed_json"), "{shown}: {}", refused.text);
            assert_problem(&refused, 400, "malformed_json");
        }
        for body in ["null", "[]", "1", "\"ann\"", "true"] {
            let refused = send(&service, Method::POST, "/v1/users", "application/json", body).await;
            assert_faults(&refused, &[("", "type")]);
        }
        assert_problem(&service.get("/v1/users/by-username/ann").await, 404, "user_not_found");
        let made = send(&service, Method::POST, "/v1/users", "application/json; charset=utf-8", valid).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
}
