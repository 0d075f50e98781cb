//! Writes and reads every field of a user. The list of fields comes from the view and its OpenAPI schema.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use user_tests::{Reply, TestClient};

use crate::common::{id, path, signed_in, wait_for_next_second};

/// How long a new token may take to be accepted.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The fields of a user with their schemas, by JSON pointer.
fn described(document: &Value, schema: &Value, at: &str) -> BTreeMap<String, Value> {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let Some(properties) = schema["properties"].as_object() else {
        return BTreeMap::from([(at.to_owned(), schema.clone())]);
    };
    // The counts are no field: only `include=counts` adds them.
    let inner = properties.iter().filter(|(name, _)| *name != "counts");
    inner
        .flat_map(|(name, schema)| described(document, schema, &format!("{at}/{name}")))
        .collect()
}

/// The fields of a user, without the members of metadata.
fn shown(user: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for (name, value) in user.as_object().unwrap() {
        match value {
            Value::Object(inner) => {
                fields.extend(inner.keys().map(|inner| format!("/{name}/{inner}")));
            }
            _ => {
                fields.insert(format!("/{name}"));
            }
        }
    }
    fields
}

/// Two values of a field. Panics for an unknown field, so that every new field is tested.
fn values(field: &str) -> [Value; 2] {
    match field {
        "/username" => [json!("Ann.Lee"), json!("ann-lee-2")],
        "/status" => [json!("suspended"), json!("active")],
        "/email" => [json!("Ann@example.org"), json!("lee@example.com")],
        "/email_verified" | "/phone_number_verified" => [json!(true), json!(false)],
        "/phone_number" => [json!("+4930123456"), json!("+12025550123")],
        // It cannot be changed once set.
        "/external_id" => [json!("4711"), json!("4711")],
        "/roles" => [json!(["editor"]), json!(["a", "support:level_2"])],
        "/profile/name"
        | "/profile/given_name"
        | "/profile/family_name"
        | "/profile/nickname"
        | "/profile/location" => [json!(format!("a {field}")), json!(format!("b {field}"))],
        "/profile/picture" | "/profile/website" => [
            json!(format!("https://example.org{field}")),
            json!(format!("https://example.com{field}")),
        ],
        "/profile/bio" => [json!("One line."), json!("Two\nlines.")],
        "/profile/locale" => [json!("de-CH"), json!("pt-BR")],
        "/profile/zoneinfo" => [json!("Europe/Zurich"), json!("Asia/Tokyo")],
        "/profile/birthdate" => [json!("1990-02-28"), json!("0000-12-31")],
        "/metadata/public" | "/metadata/user" | "/metadata/private" => {
            [json!({"of": field}), json!({"of": field, "n": 2})]
        }
        _ => panic!("add two values for the new field {field} here"),
    }
}

/// An object with one field.
fn with(field: &str, value: &Value) -> Value {
    field
        .rsplit('/')
        .filter(|name| !name.is_empty())
        .fold(value.clone(), |inner, name| json!({name: inner}))
}

/// Writes one field under the current version.
async fn write(caller: &TestClient<'_>, user: &str, field: &str, value: &Value) -> Reply {
    let tag = caller.get(user).await.header("etag").to_owned();
    caller
        .patch_with(user, &with(field, value), &[("If-Match", &tag)])
        .await
}

user_tests::on_each_store! {
    async fn each_field_of_a_view_can_be_written_and_read_back(app: &TestApp) {
        let document = app.anonymous().get("/openapi.json").await.json;
        let fields = described(&document, &json!({"$ref": "#/components/schemas/User"}), "");
        let user = app.register("alice").await;
        let names: BTreeSet<String> = fields.keys().cloned().collect();
        assert_eq!(shown(&user), names, "the full view and its description");

        let (service, user_path, replica) = (app.service(), path(&user), app.replica().await);
        let mut read_only = Vec::new();
        let mut written = BTreeMap::new();
        for field in fields.keys() {
            let refused = service.patch(&user_path, &with(field, &Value::Null)).await;
            if refused.faults().contains(&(field.clone(), "read_only".to_owned())) {
                read_only.push(field.as_str());
                continue;
            }
            for value in values(field) {
                let reply = write(&service, &user_path, field, &value).await;
                assert_eq!((reply.status, reply.json.pointer(field)), (200, Some(&value)), "{field}: {}", reply.text);
                let read = replica.service().get_with(&user_path, &[("Cache-Control", "no-cache")]).await;
                assert_eq!(read.json, reply.json, "{field}");
                written.insert(field.clone(), value);
            }
        }
        assert_eq!(read_only, ["/created_at", "/deleted_at", "/id", "/suspension", "/updated_at", "/version"]);

        // Every written value is still stored: no field overwrites another.
        let last = service.get(&user_path).await.json;
        for (field, value) in &written {
            assert_eq!(last.pointer(field), Some(value), "{field}");
        }
        // The other views show the same values.
        let other = app.register("other").await;
        // One of the writes suspended the user and revoked its tokens.
        wait_for_next_second(app).await;
        // The clocks of replicas may differ by some milliseconds.
        let started = Instant::now();
        while signed_in(app, id(&user)).get(&user_path).await.status != 200 {
            assert!(started.elapsed() < TIMEOUT, "a new token is not accepted");
        }
        for caller in [signed_in(app, id(&user)), app.user(id(&other))] {
            let narrower = caller.get(&user_path).await.json;
            assert!(shown(&narrower).len() > 10, "{narrower}");
            for field in shown(&narrower) {
                assert_eq!(narrower.pointer(&field), last.pointer(&field), "{field}");
            }
        }

        // Every optional field can be cleared.
        for (field, schema) in &fields {
            let may_be_null = schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")));
            if !may_be_null || !written.contains_key(field) || field == "/external_id" {
                continue;
            }
            let cleared = write(&service, &user_path, field, &Value::Null).await;
            assert_eq!((cleared.status, cleared.json.pointer(field)), (200, Some(&Value::Null)), "{field}: {}", cleared.text);
        }
        replica.stop().await;
    }

    async fn creation_and_replacement_store_every_field(app: &TestApp) {
        let document = app.anonymous().get("/openapi.json").await.json;
        let fields = described(&document, &json!({"$ref": "#/components/schemas/User"}), "");
        let read_only = ["/created_at", "/deleted_at", "/id", "/suspension", "/updated_at", "/version"];
        let whole = |which: usize| {
            let mut body = json!({"profile": {}, "metadata": {}});
            for field in fields.keys().filter(|field| !read_only.contains(&field.as_str())) {
                let (parent, name) = field.rsplit_once('/').unwrap();
                body.pointer_mut(parent).unwrap()[name] = values(field)[which].clone();
            }
            body
        };
        let made = app.service().post("/v1/users", &whole(0)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let mut body = whole(1);
        // Verified, so that the value differs from the default.
        body["phone_number_verified"] = json!(true);
        let user = path(&made.json);
        let replaced = app.service().put_with(&user, &body, &[("If-Match", made.header("etag"))]).await;
        assert_eq!(replaced.status, 200, "{}", replaced.text);
        for (reply, body) in [(&made, &whole(0)), (&replaced, &body)] {
            for field in fields.keys().filter(|field| !read_only.contains(&field.as_str())) {
                assert_eq!(reply.json.pointer(field), body.pointer(field), "{field}");
            }
        }
    }
}
