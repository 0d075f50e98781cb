//! Requests that wait for events.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use user_tests::{Reply, TestApp};

use super::schema::assert_valid;
use super::{now, types};
use crate::common::{id, path};

/// More requests than the service has connections to the database.
const WAITERS: usize = 48;

/// The time after which a request that still waits fails a test. It is shorter than the wait that is asked for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends a request that waits for events after a cursor.
async fn wait(app: &TestApp, cursor: &str, parameters: &str) -> Reply {
    let path = format!("/v1/events?wait=25&cursor={cursor}{parameters}");
    let request = app.service().request(Method::GET, &path);
    let sent = tokio::time::timeout(ANSWER_TIMEOUT, Reply::send(request));
    let reply = sent.await.unwrap();
    assert_valid(&reply.json);
    reply
}

user_tests::on_each_store! {
    async fn requests_that_wait_are_answered_by_an_event_and_hold_no_connection(app: &TestApp) {
        let start = now(&app.service()).await;
        let waiters = join_all((0..WAITERS).map(|_| wait(app, &start, "")));
        let write = async {
            // Most of the requests wait by now. The result does not depend on it.
            for _ in 0..20 {
                assert_eq!(app.service().get("/v1/users").await.status, 200);
            }
            app.register("alice").await
        };
        let (replies, alice) = tokio::join!(waiters, write);
        for reply in replies {
            assert_eq!(reply.status, 200, "{}", reply.text);
            let events = reply.json["events"].as_array().unwrap();
            assert_eq!(events.len(), 1, "{}", reply.text);
            assert_eq!(events[0]["subject"], alice["id"]);
        }
    }

    async fn a_request_waits_for_an_event_that_passes_its_filter(app: &TestApp) {
        let bob = app.register("bob").await;
        let start = now(&app.service()).await;
        let filter = format!("&types=user.deleted&subject={}", id(&bob));
        let write = async {
            let alice = app.register("alice").await;
            app.service().delete(&path(&alice)).await;
            app.service().delete(&path(&bob)).await;
        };
        let (reply, ()) = tokio::join!(wait(app, &start, &filter), write);
        let events = reply.json["events"].as_array().unwrap();
        assert_eq!(types(events), ["user.deleted"]);
        assert_eq!(events[0]["subject"], bob["id"]);
    }

    async fn a_wait_without_an_event_returns_an_empty_page(app: &TestApp) {
        let start = now(&app.service()).await;
        let reply = app.service().get(&format!("/v1/events?wait=1&cursor={start}")).await;
        assert_eq!((reply.status, &reply.json["events"], &reply.json["has_more"]), (200, &json!([]), &json!(false)));
        assert_eq!(reply.json["cursor"], json!(start));
    }

    async fn a_token_that_is_revoked_during_the_wait_receives_no_event(app: &TestApp) {
        let created = app.service().post("/v1/tokens", &json!({"name": "posts", "scopes": ["events:read"]})).await;
        let reader = app.authorized(format!("Bearer {}", created.json["token"].as_str().unwrap()));
        let start = now(&reader).await;
        let revoke = async {
            let reply = app.service().delete(&format!("/v1/tokens/{}", created.json["id"].as_str().unwrap())).await;
            assert_eq!(reply.status, 204);
            app.register("alice").await;
        };
        let path = format!("/v1/events?wait=25&cursor={start}");
        let (reply, ()) = tokio::join!(reader.get(&path), revoke);
        assert_eq!(reply.status, 401, "{}", reply.text);
    }
}
