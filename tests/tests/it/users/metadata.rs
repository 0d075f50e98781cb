//! Metadata: objects of the callers' own, merged by PATCH and kept to the digit.

use reqwest::Method;
use serde_json::{Value, json};
use user_tests::{As, Reply};

use crate::common::{assert_faults, id, path, send};

async fn patch_raw(caller: &As<'_>, path: &str, body: String) -> Reply {
    send(
        caller,
        Method::PATCH,
        path,
        "application/merge-patch+json",
        body,
    )
    .await
}

/// A JSON object of exactly so many bytes.
fn of_bytes(bytes: usize) -> String {
    let frame = r#"{"k":""}"#.len();
    format!(r#"{{"k":"{}"}}"#, "x".repeat(bytes - frame))
}

/// A JSON object of so many levels, itself the first.
fn of_levels(levels: usize) -> String {
    let inner = levels - 1;
    format!(r#"{{"k":{}1{}}}"#, "[".repeat(inner), "]".repeat(inner))
}

user_tests::on_each_store! {
    async fn a_merge_sets_members_and_null_removes_them(app: &TestApp) {
        let user = app.register("alice").await;
        let own = app.user(id(&user));
        // The cases of RFC 7396, appendix A, one level down; each begins with an empty drawer.
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

    async fn numbers_and_the_order_of_members_survive_exactly(app: &TestApp) {
        let user = app.register("alice").await;
        let sent = r#"{"z":1.0,"a":12345678901234567890123456789012345678901234567890,"m":{"y":-0.0,"b":0.1000000000000000055511151231257827,"a":[1e400,1E-400,1.50e+3]},"big":9007199254740993,"neg":-9223372036854775809,"":"empty name","é\u0301":"e\u0301 is not composed \ud83d\ude00 \/ \\ \" ","trim":"  kept  "}"#;
        let shown = r#"{"z":1.0,"a":12345678901234567890123456789012345678901234567890,"m":{"y":-0.0,"b":0.1000000000000000055511151231257827,"a":[1e+400,1e-400,1.50e+3]},"big":9007199254740993,"neg":-9223372036854775809,"":"empty name","é<acute>":"e<acute> is not composed 😀 / \\ \" ","trim":"  kept  "}"#.replace("<acute>", "\u{301}");
        for drawer in ["public", "user", "private"] {
            let patched = patch_raw(&app.service(), &path(&user), format!(r#"{{"metadata":{{"{drawer}":{sent}}}}}"#)).await;
            assert_eq!(patched.status, 200, "{}", patched.text);
            let expected = format!(r#""{drawer}":{shown}"#);
            assert!(patched.text.replace("1E", "1e").contains(&expected), "{}", patched.text);
            let found = app.service().get(&path(&user)).await;
            assert_eq!(found.text, patched.text);
            // What came back may be sent back: it changes nothing.
            let again = patch_raw(&app.service(), &path(&user), format!(r#"{{"metadata":{{"{drawer}":{shown}}}}}"#)).await;
            assert_eq!(again.version(), patched.version());
        }
        // A changed member keeps its place, a new one comes last.
        let patched = patch_raw(&app.service(), &path(&user), r#"{"metadata":{"user":{"new":1,"a":2,"m":null}}}"#.to_owned()).await;
        let names: Vec<&String> = patched.json["metadata"]["user"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["z", "a", "big", "neg", "", "é\u{301}", "trim", "new"]);
    }

    async fn a_number_written_otherwise_is_a_change(app: &TestApp) {
        let user = app.register("alice").await;
        for (body, version) in [("1", 2), ("1.0", 3), ("1.00", 4), ("1.00", 4), ("10e-1", 5)] {
            let patched = patch_raw(&app.service(), &path(&user), format!(r#"{{"metadata":{{"user":{{"n":{body}}}}}}}"#)).await;
            assert_eq!(patched.version(), version, "{body}");
            assert!(patched.text.contains(&format!(r#"{{"n":{body}}}"#)), "{}", patched.text);
        }
    }

    async fn sixteen_kibibytes_and_sixteen_levels_are_the_most(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        let path = path(&user);
        let patch = |drawer: &str, object: String| patch_raw(&service, &path, format!(r#"{{"metadata":{{"{drawer}":{object}}}}}"#));
        for drawer in ["public", "user", "private"] {
            let pointer = format!("/metadata/{drawer}");
            assert_eq!(patch(drawer, of_bytes(16 * 1024)).await.status, 200);
            assert_faults(&patch(drawer, of_bytes(16 * 1024 + 1)).await, &[(&pointer, "too_large")]);
            // Neither may two patches, each small enough, make more together.
            assert_faults(&patch(drawer, r#"{"one more":1}"#.to_owned()).await, &[(&pointer, "too_large")]);
            assert_eq!(patch(drawer, "null".to_owned()).await.status, 200);
            assert_eq!(patch(drawer, of_levels(16)).await.status, 200);
            assert_faults(&patch(drawer, of_levels(17)).await, &[(&pointer, "too_deep")]);
            let nested = patch(drawer, format!(r#"{{"a":{}}}"#, of_levels(15))).await;
            assert_eq!(nested.status, 200, "{}", nested.text);
        }
        // White space between is not counted, and the bytes of a character are.
        assert_eq!(patch("user", format!("{{\n{}\"k\":null}}", " ".repeat(40_000))).await.status, 200);
        let wide = json!({"w": "é".repeat(8190)}).to_string();
        assert_faults(&patch("user", wide).await, &[("/metadata/user", "too_large")]);
    }

    async fn what_no_text_may_hold_metadata_may_not_hold_either(app: &TestApp) {
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

    async fn each_drawer_is_for_those_who_may(app: &TestApp) {
        let user = app.register("alice").await;
        let other = app.register("bob").await;
        let body = json!({"metadata": {"public": {"a": 1}, "user": {"b": 2}, "private": {"c": 3}}});
        let patched = app.service().patch(&path(&user), &body).await;
        assert_eq!(patched.json["metadata"], body["metadata"]);
        let own = app.user(id(&user)).get("/v1/users/me").await;
        assert_eq!(own.json["metadata"], json!({"public": {"a": 1}, "user": {"b": 2}}));
        let public = app.user(id(&other)).get(&path(&user)).await;
        assert_eq!(public.json["metadata"], json!({"public": {"a": 1}}));
        // A user's write of its own drawer leaves the others as they are.
        let patched = app.user(id(&user)).patch("/v1/users/me", &json!({"metadata": {"user": {"b": null}}})).await;
        assert_eq!(patched.status, 200, "{}", patched.text);
        let full = app.service().get(&path(&user)).await;
        assert_eq!(full.json["metadata"], json!({"public": {"a": 1}, "user": {}, "private": {"c": 3}}));
    }
}
