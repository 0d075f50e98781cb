//! Follows and blocks, over real databases.

mod block_lists;
mod block_visibility;
mod endpoints;
mod pagination;
mod popular_accounts;
mod races;
mod store;

use serde_json::{Value, json};
use user_tests::{TestApp, TestClient};

use crate::common::{id, path};
pub(crate) use store::counts_are_correct_after_race;

/// Lets one user follow another.
async fn follow(app: &TestApp, follower: &Value, target: &Value) {
    let path = format!("{}/following/{}", path(follower), id(target));
    let reply = app.user(id(follower)).put(&path).await;
    assert_eq!(reply.status, 204, "{}", reply.text);
}

/// Reads all pages of a list, and returns the ids in order.
async fn list_ids(caller: &TestClient<'_>, user: &Value, list: &str, limit: u32) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = format!("{}/{list}?limit={limit}{cursor}", path(user));
        let reply = caller
            .get_with(&page, &[("Cache-Control", "no-cache")])
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let users = reply.json["users"].as_array().unwrap();
        ids.extend(users.iter().map(|user| id(user).to_owned()));
        match reply.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

/// The counts of a user that a caller sees, or none if the response is a 404.
async fn counts(caller: &TestClient<'_>, user: &Value) -> Option<(u64, u64)> {
    let path = format!("{}?include=counts", path(user));
    let reply = caller
        .get_with(&path, &[("Cache-Control", "no-cache")])
        .await;
    if reply.status == 404 {
        return None;
    }
    assert_eq!(reply.status, 200, "{}", reply.text);
    let count = |name: &str| reply.json["counts"][name].as_u64().unwrap();
    Some((count("followers"), count("following")))
}

/// Creates follows with the batch endpoint, 1,000 at a time.
async fn follow_all(app: &TestApp, edges: &[(String, String)]) {
    for chunk in edges.chunks(1000) {
        let edges: Vec<Value> = chunk
            .iter()
            .map(|(follower, target)| json!({"follower": follower, "target": target}))
            .collect();
        let body = json!({ "edges": edges });
        let mut reply = app.service().post("/v1/relationships/batch", &body).await;
        // A busy machine may refuse the batch. Repeating it is harmless.
        while matches!(reply.status, 503 | 504) {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            reply = app.service().post("/v1/relationships/batch", &body).await;
        }
        assert_eq!(reply.status, 200, "{}", reply.text);
        let results = reply.json["results"].as_array().unwrap();
        assert_eq!(results.len(), chunk.len());
        assert!(
            results.iter().all(|result| result["status"] == 204),
            "{}",
            reply.text
        );
    }
}

/// Registers this number of users.
async fn register_many(app: &TestApp, prefix: &str, number: usize) -> Vec<Value> {
    let mut users = Vec::with_capacity(number);
    for n in 0..number {
        users.push(app.register(&format!("{prefix}{n}")).await);
    }
    users
}
