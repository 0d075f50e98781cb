//! Metadata: client-defined objects, merged by PATCH and stored without loss of precision.

use reqwest::Method;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use user_tests::{Reply, TestClient};

use crate::common::{assert_faults, id, path, send};

async fn patch_raw(caller: &TestClient<'_>, path: &str, body: String) -> Reply {
    send(
        caller,
        Method::PATCH,
        path,
        "application/merge-patch+json",
        body,
    )
    .await
}

/// A JSON object of exactly this many bytes.
fn of_bytes(bytes: usize) -> String {
    let frame = r#"{"k":""}"#.len();
    format!(r#"{{"k":"{}"}}"#, "x".repeat(bytes - frame))
}

/// A JSON object of this many levels, counting itself.
fn of_levels(levels: usize) -> String {
    let inner = levels - 1;
    format!(r#"{{"k":{}1{}}}"#, "[".repeat(inner), "]".repeat(inner))
}

user_tests::on_each_store! {
    async fn a_merge_patch_sets_members_and_null_removes_them(app: &TestApp) {
        let user = app.register("alice").await;
        let own = app.user(id(&user));
        // The cases of RFC 7396, appendix A, one level down. Each starts with an empty section.
        for (before, patch, after) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"a": [1, 2]}), json!({"a": [null, {"b": null}]}), json!({"a": [null, {"b": null}]})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!({"a": "foo"}), json!({"a": {"b": {"c": null, "d": 1}}}), json!({"a": {"b": {"d": 1}}})),
        ] {
            own.patch("/v1/users/me", &json!({"metadata": {"user": null}})).await;
            own.patch("/v1/users/me", &json!({"metadata": {"user": before}})).await;
            let patched = own.patch("/v1/users/me", &json!({"metadata": {"user": patch}})).await;
            assert_eq!((patched.status, &patched.json["metadata"]["user"]), (200, &after), "{before} + {patch}");
            assert_eq!(own.get("/v1/users/me").await.json, patched.json);
        }
        let cleared = app.service().patch(&path(&user), &json!({"metadata": null})).await;
        assert_eq!(cleared.json["metadata"], json!({"public": {}, "user": {}, "private": {}}));
    }

    async fn numbers_and_member_order_are_preserved_exactly(app: &TestApp) {
        let user = app.register("alice").await;
        let sent = r#"{"z":1.0,"a":12345678901234567,"m":{"y":-0.0,"b":0.10000000000000001,"a":[1e300,1E-400,1.50e+3]},"big":9007199254740993,"neg":-92233720368547758,"":"empty name","é\u0301":"e\u0301 is not composed \ud83d\ude00 \/ \\ \" ","trim":"  kept  "}"#;
        let shown = r#"{"z":1.0,"a":12345678901234567,"m":{"y":-0.0,"b":0.10000000000000001,"a":[1e+300,1e-400,1.50e+3]},"big":9007199254740993,"neg":-92233720368547758,"":"empty name","é<acute>":"e<acute> is not composed 😀 / \\ \" ","trim":"  kept  "}"#.replace("<acute>", "\u{301}");
        for section in ["public", "user", "private"] {
            let patched = patch_raw(&app.service(), &path(&user), format!(r#"{{"metadata":{{"{section}":{sent}}}}}"#)).await;
            assert_eq!(patched.status, 200, "{}", patched.text);
            let expected = format!(r#""{section}":{shown}"#);
            assert!(patched.text.replace("1E", "1e").contains(&expected), "{}", patched.text);
            let found = app.service().get(&path(&user)).await;
            assert_eq!(found.text, patched.text);
            // Sending the returned value changes nothing.
            let again = patch_raw(&app.service(), &path(&user), format!(r#"{{"metadata":{{"{section}":{shown}}}}}"#)).await;
            assert_eq!(again.version(), patched.version());
        }
        // A changed member keeps its position, a new one is appended.
        let patched = patch_raw(&app.service(), &path(&user), r#"{"metadata":{"user":{"new":1,"a":2,"m":null}}}"#.to_owned()).await;
        let names: Vec<&String> = patched.json["metadata"]["user"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["z", "a", "big", "neg", "", "é\u{301}", "trim", "new"]);
    }

    async fn unrepresentable_numbers_are_faults_at_their_pointer(app: &TestApp) {
        let user = app.register("alice").await;
        let long = "9".repeat(5000);
        let service = app.service();
        for (number, is_taken) in [
            ("9007199254740991", true), ("12345678901234567", true), ("1e308", true), ("1.50", true),
            ("123456789012345678", false), ("0.123456789012345678", false), ("1e400", false), ("-1E+309", false), (&*long, false),
        ] {
            let body = format!(r#"{{"metadata":{{"public":{{"a.b":[0,{{"c/d":{number}}}]}},"user":{{"n":{number}}}}}}}"#);
            let patched = patch_raw(&service, &path(&user), body).await;
            if is_taken {
                assert_eq!(patched.status, 200, "{number}: {}", patched.text);
            } else {
                assert_faults(&patched, &[("/metadata/public/a.b/1/c~1d", "out_of_range"), ("/metadata/user/n", "out_of_range")]);
            }
        }
        let body = format!(r#"{{"username":"bob","email":"bob@example.org","metadata":{{"private":{{"n":{long}}}}}}}"#);
        let created = send(&service, Method::POST, "/v1/users", "application/json", body).await;
        assert_faults(&created, &[("/metadata/private/n", "out_of_range")]);
    }

    async fn a_stored_number_out_of_range_stays_until_it_is_changed(app: &TestApp) {
        let user = app.register("alice").await;
        let database = crate::retention::database(app).await;
        let stored = "UPDATE users SET metadata_public = '{\"a\":1e+400,\"b\":1}'";
        database.execute_unprepared(stored).await.unwrap();
        let fresh = [("Cache-Control", "no-cache")];
        let service = app.service();
        let found = service.get_with(&path(&user), &fresh).await;
        assert!(found.text.contains(r#""public":{"a":1e+400,"b":1}"#), "{}", found.text);
        let patched = patch_raw(&service, &path(&user), r#"{"metadata":{"public":{"b":2}},"profile":{"name":"Al"}}"#.to_owned()).await;
        assert_eq!(patched.status, 200, "{}", patched.text);
        assert!(patched.text.contains(r#""public":{"a":1e+400,"b":2}"#), "{}", patched.text);
        let again = patch_raw(&service, &path(&user), r#"{"metadata":{"public":{"a":1e400}}}"#.to_owned()).await;
        assert_faults(&again, &[("/metadata/public/a", "out_of_range")]);
        let replace = async |public: &str| {
            let mut body = json!({"username": user["username"], "email": user["email"], "metadata": {"user": {"c": 3}}});
            body["metadata"]["public"] = serde_json::from_str(public).unwrap();
            service.put_with(&path(&user), &body, &[("If-Match", "*")]).await
        };
        let replaced = replace(r#"{"a":1e400,"b":2}"#).await;
        assert_eq!(replaced.status, 200, "{}", replaced.text);
        assert_eq!(replaced.json["metadata"]["user"], json!({"c": 3}));
        let refused = replace(r#"{"a":1e400,"b":3}"#).await;
        assert_faults(&refused, &[("/metadata/public/a", "out_of_range")]);
    }

    async fn a_number_in_another_notation_is_a_change(app: &TestApp) {
        let user = app.register("alice").await;
        for (body, version) in [("1", 2), ("1.0", 3), ("1.00", 4), ("1.00", 4), ("10e-1", 5)] {
            let patched = patch_raw(&app.service(), &path(&user), format!(r#"{{"metadata":{{"user":{{"n":{body}}}}}}}"#)).await;
            assert_eq!(patched.version(), version, "{body}");
            assert!(patched.text.contains(&format!(r#"{{"n":{body}}}"#)), "{}", patched.text);
        }
    }

    async fn metadata_is_limited_to_16_kib_and_16_levels(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        let path = path(&user);
        let patch = |section: &str, object: String| patch_raw(&service, &path, format!(r#"{{"metadata":{{"{section}":{object}}}}}"#));
        for section in ["public", "user", "private"] {
            let pointer = format!("/metadata/{section}");
            assert_eq!(patch(section, of_bytes(16 * 1024)).await.status, 200);
            assert_faults(&patch(section, of_bytes(16 * 1024 + 1)).await, &[(&pointer, "too_large")]);
            // Two patches may not exceed the limit together either.
            assert_faults(&patch(section, r#"{"one more":1}"#.to_owned()).await, &[(&pointer, "too_large")]);
            assert_eq!(patch(section, "null".to_owned()).await.status, 200);
            assert_eq!(patch(section, of_levels(16)).await.status, 200);
            assert_faults(&patch(section, of_levels(17)).await, &[(&pointer, "too_deep")]);
            let nested = patch(section, format!(r#"{{"a":{}}}"#, of_levels(15))).await;
            assert_eq!(nested.status, 200, "{}", nested.text);
        }
        // Whitespace between tokens is not counted. The size is measured in bytes, not characters.
        assert_eq!(patch("user", format!("{{\n{}\"k\":null}}", " ".repeat(40_000))).await.status, 200);
        let wide = json!({"w": "é".repeat(8190)}).to_string();
        assert_faults(&patch("user", wide).await, &[("/metadata/user", "too_large")]);
    }

    async fn forbidden_characters_are_rejected_in_metadata(app: &TestApp) {
        let user = app.register("alice").await;
        let own = app.user(id(&user));
        for character in ['\u{0}', '\u{7}', '\n', '\u{7f}', '\u{85}', '\u{2028}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{fdd0}', '\u{ffff}', '\u{10ffff}'] {
            let text = format!("a{character}b");
            for object in [json!({"k": text}), json!({ &text: 1 }), json!({"k": [{"l": [{ &text: null }]}]})] {
                let reply = own.patch("/v1/users/me", &json!({"metadata": {"user": object}})).await;
                if character == '\u{feff}' {
                    assert_eq!(reply.status, 200, "a byte order mark is a character like others");
                } else {
                    assert_faults(&reply, &[("/metadata/user", "forbidden_character")]);
                }
            }
        }
        for reserved in ["$serde_json::private::Number", "$serde_json::private::RawValue"] {
            for object in [json!({ reserved: "1" }), json!({"k": { reserved: "nonsense" }}), json!({"k": { reserved: "[1]", "l": 1 }})] {
                let body = format!(r#"{{"metadata":{{"user":{object}}}}}"#);
                let reply = patch_raw(&own, "/v1/users/me", body).await;
                assert!((400..500).contains(&reply.status), "{}", reply.text);
            }
        }
        assert_eq!(own.get("/v1/users/me").await.json["metadata"]["user"]["$serde_json::private::Number"], Value::Null);
    }

    async fn each_metadata_section_has_its_own_permissions(app: &TestApp) {
        let user = app.register("alice").await;
        let other = app.register("bob").await;
        let body = json!({"metadata": {"public": {"a": 1}, "user": {"b": 2}, "private": {"c": 3}}});
        let patched = app.service().patch(&path(&user), &body).await;
        assert_eq!(patched.json["metadata"], body["metadata"]);
        let own = app.user(id(&user)).get("/v1/users/me").await;
        assert_eq!(own.json["metadata"], json!({"public": {"a": 1}, "user": {"b": 2}}));
        let public = app.user(id(&other)).get(&path(&user)).await;
        assert_eq!(public.json["metadata"], json!({"public": {"a": 1}}));
        // A user's write to its own section leaves the other sections unchanged.
        let patched = app.user(id(&user)).patch("/v1/users/me", &json!({"metadata": {"user": {"b": null}}})).await;
        assert_eq!(patched.status, 200, "{}", patched.text);
        let full = app.service().get(&path(&user)).await;
        assert_eq!(full.json["metadata"], json!({"public": {"a": 1}, "user": {}, "private": {"c": 3}}));
    }
}
