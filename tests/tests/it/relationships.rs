//! Who follows whom and who blocks whom, over real stores.

mod accounts;
mod blocked;
mod calls;
mod races;
mod store;
mod walks;

use serde_json::{Value, json};
use user_tests::{As, TestApp};

use crate::common::{id, path};
pub(crate) use store::is_told_truly_after_a_race;

/// Lets one user follow another.
async fn follow(app: &TestApp, follower: &Value, target: &Value) {
    let path = format!("{}/following/{}", path(follower), id(target));
    let reply = app
        .user(id(follower))
        .put_with(&path, &json!({}), &[])
        .await;
    assert_eq!(reply.status, 204, "{}", reply.text);
}

/// Walks a list of a user page by page, and gives whom it shows, in its order.
async fn related(caller: &As<'_>, user: &Value, list: &str, limit: u32) -> Vec<String> {
    let mut walked = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = format!("{}/{list}?limit={limit}{cursor}", path(user));
        let reply = caller
            .get_with(&page, &[("Cache-Control", "no-cache")])
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let users = reply.json["users"].as_array().unwrap();
        walked.extend(users.iter().map(|user| id(user).to_owned()));
        match reply.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return walked,
        }
    }
}

/// The counts of a user as a caller sees them; none if it does not find the user.
async fn counts(caller: &As<'_>, user: &Value) -> Option<(u64, u64)> {
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

/// Lets many follow by the call for services, 1,000 at a time.
async fn follow_all(app: &TestApp, edges: &[(String, String)]) {
    for part in edges.chunks(1000) {
        let edges: Vec<Value> = part
            .iter()
            .map(|(follower, target)| json!({"follower": follower, "target": target}))
            .collect();
        let body = json!({ "edges": edges });
        let mut reply = app.service().post("/v1/relationships/batch", &body).await;
        // A busy machine refuses in time; done again it does no harm.
        while matches!(reply.status, 503 | 504) {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            reply = app.service().post("/v1/relationships/batch", &body).await;
        }
        assert_eq!(reply.status, 200, "{}", reply.text);
        let results = reply.json["results"].as_array().unwrap();
        assert_eq!(results.len(), part.len());
        assert!(
            results.iter().all(|result| result["status"] == 204),
            "{}",
            reply.text
        );
    }
}

/// Registers so many users, and gives their ids.
async fn registered(app: &TestApp, prefix: &str, number: usize) -> Vec<Value> {
    let mut users = Vec::with_capacity(number);
    for n in 0..number {
        users.push(app.register(&format!("{prefix}{n}")).await);
    }
    users
}
