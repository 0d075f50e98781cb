//! A blocked user sends every request of the API. No response distinguishes the blocker from an unknown user.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;
use user_tests::{Cluster, Reply, TestApp, TestClient, on_each_store};

use super::{follow, list_ids};
use crate::common::{id, path};

/// An id without a user.
const UNKNOWN_ID: &str = "0199b8f2-7c1e-7000-8000-00000000dead";
/// A username without a user, as long as the blocker's.
const UNKNOWN_NAME: &str = "absent";
const BLOCKER: &str = "hidden";

/// A response in which the id and the username of the requested user are replaced.
#[derive(Debug, PartialEq)]
struct ComparableResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl ComparableResponse {
    fn of(reply: &Reply, identifiers: &[&str]) -> Self {
        let anonymized = |text: &str| {
            let text = text.replace(reply.header("x-request-id"), "REQUEST");
            identifiers
                .iter()
                .fold(text, |text, identifier| text.replace(identifier, "USER"))
        };
        let mut headers: Vec<(String, String)> = reply
            .headers
            .iter()
            // These depend on the request and on the cache.
            .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id" | "cache-status"))
            .map(|(name, value)| (name.to_string(), anonymized(value.to_str().unwrap())))
            .collect();
        headers.sort();
        Self {
            status: reply.status,
            headers,
            body: anonymized(&reply.text),
        }
    }
}

/// Every request that the API description contains, with the user in each place for an id or username.
fn calls(
    document: &Value,
    own: &str,
    requested: (&str, &str),
) -> Vec<(Method, String, Option<Value>)> {
    let (user, name) = requested;
    let mut calls = Vec::new();
    for (template, operations) in document["paths"].as_object().unwrap() {
        let mut paths = vec![template.replace("{id}", user)];
        if template.contains("{target}") {
            paths.push(template.replace("{id}", own));
        }
        for path in paths {
            let path = path
                .replace("{target}", user)
                .replace("{username}", name)
                .replace("{external_id}", name);
            for method in operations.as_object().unwrap().keys() {
                let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else {
                    continue;
                };
                let bodies = match (&method, template.as_str()) {
                    (&Method::POST, "/v1/users/batch") => vec![
                        Some(json!({"ids": [user, own, user]})),
                        Some(json!({"usernames": [name, "blocked"]})),
                        Some(json!({"ids": [user], "fields": ["username"]})),
                    ],
                    (&Method::POST, "/v1/relationships/batch") => {
                        vec![Some(json!({"edges": [{"follower": own, "target": user}]}))]
                    }
                    (&Method::PATCH, _) => vec![Some(json!({"profile": {"bio": "mine"}}))],
                    (&Method::PUT | &Method::POST, _) => vec![None, Some(json!({}))],
                    _ => vec![None],
                };
                let queries: &[&str] = match template.as_str() {
                    "/v1/users/{id}" | "/v1/users/by-username/{username}" | "/v1/users/batch" => {
                        &["", "?include=counts", "?fields=username"]
                    }
                    "/v1/users/{id}/followers" | "/v1/users/{id}/following" => &["", "?limit=1"],
                    _ => &[""],
                };
                for query in queries {
                    for body in &bodies {
                        calls.push((method.clone(), format!("{path}{query}"), body.clone()));
                    }
                }
            }
        }
    }
    let with = format!("/v1/users/{own}/relationships?with={user},{own},{user}");
    calls.push((Method::GET, with, None));
    calls
}

async fn make(
    caller: &TestClient<'_>,
    (method, path, body): &(Method, String, Option<Value>),
) -> Reply {
    let request = caller.request(method.clone(), path);
    Reply::send(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

/// Sends every request about the blocker and about an unknown user. Asserts that the responses are the same.
async fn assert_blocker_is_hidden(app: &TestApp, target: &Value, blocker: &Value) {
    let document = app.anonymous().get("/openapi.json").await.json;
    let own = id(target);
    let about_blocker = calls(&document, own, (id(blocker), BLOCKER));
    let about_unknown = calls(&document, own, (UNKNOWN_ID, UNKNOWN_NAME));
    assert!(about_blocker.len() > 40, "{}", about_blocker.len());
    let caller = app.user(own);
    for (call, other) in about_blocker.iter().zip(&about_unknown) {
        if call == other {
            continue;
        }
        let actual = ComparableResponse::of(&make(&caller, call).await, &[id(blocker), BLOCKER]);
        let expected =
            ComparableResponse::of(&make(&caller, other).await, &[UNKNOWN_ID, UNKNOWN_NAME]);
        assert_eq!(actual, expected, "{call:?}");
        assert_ne!(actual.status, 500, "{call:?}");
    }
}

/// Registers a user that blocks another, the blocked user, and a third user with follows to and from both.
async fn register_blocker(app: &TestApp) -> (Value, Value, Value) {
    let blocker = app.register(BLOCKER).await;
    let target = app.register("blocked").await;
    let third = app.register("third").await;
    follow(app, &target, &blocker).await;
    follow(app, &blocker, &target).await;
    follow(app, &blocker, &third).await;
    follow(app, &third, &blocker).await;
    follow(app, &target, &third).await;
    let blocks = format!("{}/blocks/{}", path(&blocker), id(&target));
    let reply = app.user(id(&blocker)).put(&blocks).await;
    assert_eq!(reply.status, 204, "{}", reply.text);
    (blocker, target, third)
}

on_each_store! {
    async fn a_blocker_is_indistinguishable_from_an_unknown_user(app: &TestApp) {
        let (blocker, target, _) = register_blocker(app).await;
        assert_blocker_is_hidden(app, &target, &blocker).await;
        // The blocked user is hidden from the blocker too, except in the list of blocks.
        for call in ["", "/followers", "/following", "?include=counts"] {
            let reply = app.user(id(&blocker)).get(&format!("{}{call}", path(&target))).await;
            assert_eq!((reply.status, reply.code()), (404, "user_not_found"), "{call}");
        }
        let own = app.user(id(&blocker)).get(&format!("{}/blocks", path(&blocker))).await;
        assert_eq!(own.json["users"][0]["id"], target["id"], "{}", own.text);
        // The blocked user's own representation does not change either.
        let me = app.user(id(&target)).get("/v1/users/me").await;
        assert_eq!(me.version(), 1, "{}", me.text);
    }

    async fn counts_and_lists_of_third_users_omit_the_blocker(app: &TestApp) {
        let (blocker, target, third) = register_blocker(app).await;
        let caller = app.user(id(&target));
        let counted = caller.get(&format!("{}?include=counts", path(&third))).await;
        assert_eq!(counted.json["counts"], json!({"followers": 1, "following": 0}));
        assert_eq!(list_ids(&caller, &third, "followers", 50).await, [id(&target)]);
        assert!(list_ids(&caller, &third, "following", 50).await.is_empty());
        let service = app.service();
        let counted = service.get(&format!("{}?include=counts", path(&third))).await;
        assert_eq!(counted.json["counts"], json!({"followers": 2, "following": 1}));
        assert_eq!(list_ids(&service, &third, "following", 50).await, [id(&blocker)]);
    }

    async fn services_and_administrators_see_through_blocks(app: &TestApp) {
        let (blocker, target, _) = register_blocker(app).await;
        let admin = app.admin().await;
        for caller in [app.service(), admin] {
            for user in [&blocker, &target] {
                assert_eq!(caller.get(&path(user)).await.status, 200);
            }
            let body = json!({"ids": [blocker["id"], target["id"]]});
            let batch = caller.post("/v1/users/batch", &body).await.json;
            assert_eq!(batch["users"][0]["id"], blocker["id"]);
            assert_eq!(batch["users"][1]["id"], target["id"]);
        }
    }

    async fn an_unblocked_user_sees_the_other_and_no_longer_follows(app: &TestApp) {
        let (blocker, target, _) = register_blocker(app).await;
        let blocks = format!("{}/blocks/{}", path(&blocker), id(&target));
        assert_eq!(app.user(id(&blocker)).delete(&blocks).await.status, 204);
        let caller = app.user(id(&target));
        assert_eq!(caller.get(&path(&blocker)).await.status, 200);
        assert!(!list_ids(&caller, &blocker, "followers", 50).await.contains(&id(&target).to_owned()));
        follow(app, &target, &blocker).await;
        assert!(list_ids(&caller, &blocker, "followers", 50).await.contains(&id(&target).to_owned()));
    }
}

/// Other replicas see the first block of a user like any other change, after an invalidation. They see later ones at
/// once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_takes_effect_on_other_replicas() {
    let cluster = Cluster::start(2).await;
    let (writes, reads) = (&cluster.replicas[0].app, &cluster.replicas[1].app);
    let blocker = writes.register(BLOCKER).await;
    let target = writes.register("blocked").await;
    let caller = reads.user(id(&target));
    assert_eq!(caller.get(&path(&blocker)).await.status, 200);
    let blocks = format!("{}/blocks/{}", path(&blocker), id(&target));
    let reply = writes.user(id(&blocker)).put(&blocks).await;
    assert_eq!(reply.status, 204);
    assert_eq!(
        writes.user(id(&target)).get(&path(&blocker)).await.status,
        404
    );
    // Within a second on an idle machine.
    for _ in 0..200 {
        if caller.get(&path(&blocker)).await.status == 404 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_blocker_is_hidden(reads, &target, &blocker).await;
    let second = writes.register("second").await;
    let blocks = format!("{}/blocks/{}", path(&blocker), id(&second));
    assert_eq!(writes.user(id(&blocker)).put(&blocks).await.status, 204);
    assert_eq!(
        reads.user(id(&second)).get(&path(&blocker)).await.status,
        404
    );
    cluster.stop().await;
}
