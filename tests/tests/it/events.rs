//! The event feed.

mod access;
mod copies;
pub(crate) mod feed;
mod frontier;
mod relay;
mod schema;
mod waiting;

use serde_json::{Value, json};
use user_tests::{TestApp, TestClient};

/// Creates a service token with these scopes, and returns a client with it.
async fn with_scopes<'a>(app: &'a TestApp, scopes: &[&str]) -> TestClient<'a> {
    let body = json!({"name": "posts", "scopes": scopes});
    let reply = app.service().post("/v1/tokens", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    let token = reply.json["token"].as_str().unwrap();
    app.authorized(format!("Bearer {token}"))
}

/// Returns the current position.
async fn now(caller: &TestClient<'_>) -> String {
    let page = caller.get("/v1/events?cursor=now").await;
    assert_eq!(page.status, 200, "{}", page.text);
    schema::assert_valid(&page.json);
    assert_eq!(page.json["events"], json!([]));
    page.json["cursor"].as_str().unwrap().to_owned()
}

/// Reads at least this many events along one chain of cursors, with additional parameters. Waits for them.
async fn read(caller: &TestClient<'_>, parameters: &str, count: usize) -> Vec<Value> {
    read_after(caller, None, parameters, count).await.0
}

/// Like [`read`], from a cursor on. Also returns the cursor after the events.
async fn read_after(
    caller: &TestClient<'_>,
    cursor: Option<&str>,
    parameters: &str,
    count: usize,
) -> (Vec<Value>, String) {
    let mut events = Vec::new();
    let mut cursor = cursor.map(|cursor| format!("&cursor={cursor}"));
    loop {
        let from = cursor.as_deref().unwrap_or_default();
        let page = caller
            .get(&format!("/v1/events?wait=25{parameters}{from}"))
            .await;
        assert_eq!(page.status, 200, "{}", page.text);
        schema::assert_valid(&page.json);
        let found = page.json["events"].as_array().unwrap();
        let has_more = page.json["has_more"] == json!(true);
        assert!(
            has_more || !found.is_empty(),
            "events are missing after {events:?}"
        );
        events.extend(found.iter().cloned());
        let next = page.json["cursor"].as_str().unwrap();
        if events.len() >= count {
            return (events, next.to_owned());
        }
        cursor = Some(format!("&cursor={next}"));
    }
}

/// Reads the events from the first one to the one about this user, with additional parameters.
async fn read_until(caller: &TestClient<'_>, parameters: &str, last: &Value) -> Vec<Value> {
    let (mut events, mut cursor) = (Vec::new(), None);
    while !events
        .iter()
        .any(|event: &Value| event["subject"] == last["id"])
    {
        let (found, next) = read_after(caller, cursor.as_deref(), parameters, 1).await;
        events.extend(found);
        cursor = Some(next);
    }
    events
}

/// The types of events.
fn types(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}
