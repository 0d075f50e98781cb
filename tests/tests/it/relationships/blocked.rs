//! Who is blocked tries every call of the API, and finds nothing that tells the blocker from nobody.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::sleep;
use user_tests::{As, Cluster, Reply, TestApp, on_each_store};

use super::{follow, related};
use crate::common::{id, path};

/// Nobody's.
const NOBODY: &str = "0199b8f2-7c1e-7000-8000-00000000dead";
/// A name that nobody bears, as long as the blocker's.
const NO_NAME: &str = "absent";
const BLOCKER: &str = "hidden";

/// What a call says of a user, by whatever it is named; the words that name it are made alike.
#[derive(Debug, PartialEq)]
struct Told {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Told {
    fn of(reply: &Reply, named: &[&str]) -> Self {
        let alike = |text: &str| {
            let text = text.replace(reply.header("x-request-id"), "REQUEST");
            named
                .iter()
                .fold(text, |text, name| text.replace(name, "SOMEBODY"))
        };
        let mut headers: Vec<(String, String)> = reply
            .headers
            .iter()
            // These tell of the request and of the machine.
            .filter(|(name, _)| !matches!(name.as_str(), "date" | "x-request-id" | "cache-status"))
            .map(|(name, value)| (name.to_string(), alike(value.to_str().unwrap())))
            .collect();
        headers.sort();
        Self {
            status: reply.status,
            headers,
            body: alike(&reply.text),
        }
    }
}

/// Every call that the API describes, with somebody in each place that takes a user.
fn calls(
    document: &Value,
    own: &str,
    somebody: (&str, &str),
) -> Vec<(Method, String, Option<Value>)> {
    let (user, name) = somebody;
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

async fn make(caller: &As<'_>, (method, path, body): &(Method, String, Option<Value>)) -> Reply {
    let request = caller.request(method.clone(), path);
    Reply::to(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

/// Makes every call about the blocker and about nobody, and holds the answers to be the same.
async fn assert_nothing_tells(app: &TestApp, blocked: &Value, hider: &Value) {
    let document = app.anonymous().get("/openapi.json").await.json;
    let own = id(blocked);
    let about_blocker = calls(&document, own, (id(hider), BLOCKER));
    let about_nobody = calls(&document, own, (NOBODY, NO_NAME));
    assert!(about_blocker.len() > 40, "{}", about_blocker.len());
    let caller = app.user(own);
    for (call, other) in about_blocker.iter().zip(&about_nobody) {
        if call == other {
            continue;
        }
        let told = Told::of(&make(&caller, call).await, &[id(hider), BLOCKER]);
        let of_nobody = Told::of(&make(&caller, other).await, &[NOBODY, NO_NAME]);
        assert_eq!(told, of_nobody, "{call:?}");
        assert_ne!(told.status, 500, "{call:?}");
    }
}

/// Somebody who blocks somebody, and a third who has to do with both.
async fn blocked_by_somebody(app: &TestApp) -> (Value, Value, Value) {
    let hider = app.register(BLOCKER).await;
    let blocked = app.register("blocked").await;
    let third = app.register("third").await;
    follow(app, &blocked, &hider).await;
    follow(app, &hider, &blocked).await;
    follow(app, &hider, &third).await;
    follow(app, &third, &hider).await;
    follow(app, &blocked, &third).await;
    let blocks = format!("{}/blocks/{}", path(&hider), id(&blocked));
    let reply = app
        .user(id(&hider))
        .put_with(&blocks, &json!({}), &[])
        .await;
    assert_eq!(reply.status, 204, "{}", reply.text);
    (hider, blocked, third)
}

on_each_store! {
    async fn whoever_is_blocked_finds_nothing_that_tells_the_blocker_from_nobody(app: &TestApp) {
        let (hider, blocked, _) = blocked_by_somebody(app).await;
        assert_nothing_tells(app, &blocked, &hider).await;
        // Who blocks finds as little of whom it blocks, where it asks for users.
        for call in ["", "/followers", "/following", "?include=counts"] {
            let reply = app.user(id(&hider)).get(&format!("{}{call}", path(&blocked))).await;
            assert_eq!((reply.status, reply.code()), (404, "user_not_found"), "{call}");
        }
        let own = app.user(id(&hider)).get(&format!("{}/blocks", path(&hider))).await;
        assert_eq!(own.json["users"][0]["id"], blocked["id"], "{}", own.text);
        // It sees no trace of it in itself either.
        let me = app.user(id(&blocked)).get("/v1/users/me").await;
        assert_eq!(me.version(), 1, "{}", me.text);
    }

    async fn thirds_look_as_if_the_blocker_were_not_there(app: &TestApp) {
        let (hider, blocked, third) = blocked_by_somebody(app).await;
        let asking = app.user(id(&blocked));
        let counted = asking.get(&format!("{}?include=counts", path(&third))).await;
        assert_eq!(counted.json["counts"], json!({"followers": 1, "following": 0}));
        assert_eq!(related(&asking, &third, "followers", 50).await, [id(&blocked)]);
        assert!(related(&asking, &third, "following", 50).await.is_empty());
        let everybody = app.service();
        let counted = everybody.get(&format!("{}?include=counts", path(&third))).await;
        assert_eq!(counted.json["counts"], json!({"followers": 2, "following": 1}));
        assert_eq!(related(&everybody, &third, "following", 50).await, [id(&hider)]);
    }

    async fn services_and_administrators_see_everybody(app: &TestApp) {
        let (hider, blocked, _) = blocked_by_somebody(app).await;
        let admin = app.admin().await;
        for caller in [app.service(), admin] {
            for user in [&hider, &blocked] {
                assert_eq!(caller.get(&path(user)).await.status, 200);
            }
            let body = json!({"ids": [hider["id"], blocked["id"]]});
            let batch = caller.post("/v1/users/batch", &body).await.json;
            assert_eq!(batch["users"][0]["id"], hider["id"]);
            assert_eq!(batch["users"][1]["id"], blocked["id"]);
        }
    }

    async fn who_is_unblocked_finds_the_other_again_and_follows_it_no_more(app: &TestApp) {
        let (hider, blocked, _) = blocked_by_somebody(app).await;
        let blocks = format!("{}/blocks/{}", path(&hider), id(&blocked));
        assert_eq!(app.user(id(&hider)).delete(&blocks).await.status, 204);
        let asking = app.user(id(&blocked));
        assert_eq!(asking.get(&path(&hider)).await.status, 200);
        assert!(!related(&asking, &hider, "followers", 50).await.contains(&id(&blocked).to_owned()));
        follow(app, &blocked, &hider).await;
        assert!(related(&asking, &hider, "followers", 50).await.contains(&id(&blocked).to_owned()));
    }
}

/// The first block of a user is known to other replicas as soon as any other change of it; each later one at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_is_seen_by_other_replicas() {
    let cluster = Cluster::start(2).await;
    let (writes, reads) = (&cluster.replicas[0].app, &cluster.replicas[1].app);
    let hider = writes.register(BLOCKER).await;
    let blocked = writes.register("blocked").await;
    let asking = reads.user(id(&blocked));
    assert_eq!(asking.get(&path(&hider)).await.status, 200);
    let blocks = format!("{}/blocks/{}", path(&hider), id(&blocked));
    let reply = writes
        .user(id(&hider))
        .put_with(&blocks, &json!({}), &[])
        .await;
    assert_eq!(reply.status, 204);
    assert_eq!(
        writes.user(id(&blocked)).get(&path(&hider)).await.status,
        404
    );
    // Within a second, on a machine that has nothing else to do.
    for _ in 0..200 {
        if asking.get(&path(&hider)).await.status == 404 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_nothing_tells(reads, &blocked, &hider).await;
    let second = writes.register("second").await;
    let blocks = format!("{}/blocks/{}", path(&hider), id(&second));
    assert_eq!(
        writes
            .user(id(&hider))
            .put_with(&blocks, &json!({}), &[])
            .await
            .status,
        204
    );
    assert_eq!(reads.user(id(&second)).get(&path(&hider)).await.status, 404);
    cluster.stop().await;
}
