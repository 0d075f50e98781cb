//! `POST /v1/users/batch`.

use serde_json::{Value, json};

use crate::common::{
    Callers, assert_faults, assert_problem, assert_view, id, path, register_full_user,
};

const BATCH: &str = "/v1/users/batch";
const UNKNOWN_ID: &str = "0199b8f2-7c1e-7000-8000-000000000000";

/// The usernames of a response, null for unknown users.
fn names(answer: &Value) -> Vec<Option<&str>> {
    let users = answer["users"].as_array().unwrap();
    users.iter().map(|user| user["username"].as_str()).collect()
}

user_tests::on_each_store! {
    async fn users_keep_the_requested_order_with_duplicates_and_nulls(app: &TestApp) {
        let alice = register_full_user(app, "Alice").await;
        let bob = register_full_user(app, "bob").await;
        let deleted = register_full_user(app, "gone").await;
        let service = app.service();
        service.delete(&path(&deleted)).await;
        let upper = id(&alice).to_uppercase();
        for (kind, keys, expected) in [
            ("ids", json!([id(&bob), UNKNOWN_ID, upper, "nonsense", id(&deleted), "", id(&bob), id(&alice)]),
                vec![Some("bob"), None, Some("Alice"), None, None, None, Some("bob"), Some("Alice")]),
            ("usernames", json!(["BOB", "nobody", "alice", "a", "gone", "", " bob ", "Alice", "not a name", "аlice"]),
                vec![Some("bob"), None, Some("Alice"), None, None, None, Some("bob"), Some("Alice"), None, None]),
            ("emails", json!(["BOB@example.org", "nobody@example.org", "alice@EXAMPLE.org", "bob", "gone@example.org", "bob@example.org"]),
                vec![Some("bob"), None, Some("Alice"), None, None, Some("bob")]),
            ("external_ids", json!(["ext-bob", "ext-BOB", "ext-Alice", "", "ext-gone", "ext-bob", "\u{0}", "é"]),
                vec![Some("bob"), None, Some("Alice"), None, None, Some("bob"), None, None]),
        ] {
            let batch = service.post(BATCH, &json!({ kind: keys })).await;
            assert_eq!(batch.status, 200, "{}", batch.text);
            assert_eq!(names(&batch.json), expected, "{kind}");
            assert_eq!(crate::common::members(&batch.json), ["users"]);
            assert_eq!(batch.json["users"][0], bob);
            assert_eq!(batch.header("etag"), "");
            assert_eq!(batch.header("cache-control"), "private, no-cache, no-transform");
            let none = service.post(BATCH, &json!({ kind: [] })).await;
            assert_eq!((none.status, &none.json), (200, &json!({"users": []})));
        }
    }

    async fn each_kind_of_caller_gets_its_keys_and_its_view(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let callers = Callers::for_target(app, id(&user)).await;
        let other = app.service().get("/v1/users/by-username/other.one").await.json;
        let by_id = json!({"ids": [id(&user), id(&other)]});
        let by_name = json!({"usernames": ["alice", "other.one"]});
        assert_problem(&callers.anonymous.post(BATCH, &by_id).await, 401, "missing_credentials");
        for (name, caller) in callers.all().into_iter().skip(1) {
            for body in [&by_id, &by_name] {
                let batch = caller.post(BATCH, body).await;
                assert_eq!(batch.status, 200, "{name}: {}", batch.text);
                let (first, second) = match name {
                    "own" => ("own", "public"),
                    "other" => ("public", "own"),
                    "admin" | "service" => ("full", "full"),
                    _ => ("public", "public"),
                };
                assert_view(&batch.json["users"][0], first);
                assert_view(&batch.json["users"][1], second);
            }
        }
        for body in [json!({"emails": ["alice@example.org"]}), json!({"external_ids": ["ext-Alice"]}), json!({"emails": []})] {
            for (name, caller) in callers.users() {
                let refused = caller.post(BATCH, &body).await;
                assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{name} {body}");
            }
            for caller in [&callers.admin, &callers.service] {
                assert_eq!(caller.post(BATCH, &body).await.status, 200);
            }
        }
    }

    async fn more_than_500_keys_are_rejected(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        for (kind, key) in [("ids", id(&user)), ("usernames", "alice"), ("emails", "alice@example.org"), ("external_ids", "none")] {
            let mut keys: Vec<String> = (0..499).map(|n| format!("{n:08}-7c1e-7000-8000-000000000000")).collect();
            keys.push(key.to_owned());
            let batch = service.post(BATCH, &json!({ kind: keys })).await;
            assert_eq!((batch.status, batch.json["users"].as_array().map(Vec::len)), (200, Some(500)), "{}", batch.text);
            assert_eq!(batch.json["users"][0], Value::Null);
            assert_eq!(batch.json["users"][499]["id"].is_string(), kind != "external_ids", "{kind}");
            keys.insert(0, "nonsense".to_owned());
            let refused = service.post(BATCH, &json!({ kind: keys })).await;
            assert_faults(&refused, &[(&format!("/{kind}"), "too_many")]);
            // Duplicates are counted.
            let refused = service.post(BATCH, &json!({ kind: vec![key; 501] })).await;
            assert_faults(&refused, &[(&format!("/{kind}"), "too_many")]);
        }
    }

    async fn exactly_one_kind_of_key_is_required(app: &TestApp) {
        let service = app.service();
        for (body, faults) in [
            (json!({}), vec![("", "exactly_one")]),
            (json!({"fields": ["id"]}), vec![("", "exactly_one")]),
            (json!({"ids": [], "usernames": []}), vec![("", "exactly_one")]),
            (json!({"ids": [], "usernames": [], "emails": [], "external_ids": []}), vec![("", "exactly_one")]),
            (json!({"ids": "x"}), vec![("/ids", "type")]),
            (json!({"ids": null}), vec![("/ids", "type")]),
            (json!({"usernames": ["a", 1, null, {}]}), vec![("/usernames/1", "type"), ("/usernames/2", "type"), ("/usernames/3", "type")]),
            (json!({"ids": [], "other": 1}), vec![("/other", "unknown_field")]),
            (json!({"ids": [1], "fields": ["nothing", 1], "x": 1}), vec![("/ids/0", "type"), ("/fields/0", "unknown_field"), ("/fields/1", "type"), ("/x", "unknown_field")]),
        ] {
            let refused = service.post(BATCH, &body).await;
            assert_problem(&refused, 422, "invalid");
            crate::common::assert_same_faults(&refused, &faults);
        }
    }

    async fn a_field_selection_includes_the_id(app: &TestApp) {
        let user = register_full_user(app, "Alice").await;
        let other = app.register("bob").await;
        let body = json!({"ids": [id(&user), UNKNOWN_ID], "fields": ["username", "profile.name", "email", "metadata.private"]});
        let full = app.service().post(BATCH, &body).await;
        assert_eq!(full.json, json!({"users": [
            {"id": id(&user), "username": "Alice", "profile": {"name": "Ann Lee"}, "email": "Alice@example.org", "metadata": {"private": {"score": 7}}},
            null,
        ]}));
        let public = app.user(id(&other)).post(BATCH, &body).await;
        assert_eq!(public.json, json!({"users": [{"id": id(&user), "username": "Alice", "profile": {"name": "Ann Lee"}}, null]}));
        let none = app.service().post(BATCH, &json!({"ids": [id(&user)], "fields": []})).await;
        assert_eq!(none.json, json!({"users": [{"id": id(&user)}]}));
    }
}
