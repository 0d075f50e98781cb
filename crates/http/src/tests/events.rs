use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::{TestApp, TestResponse, get};

/// The time after which a request that still waits fails a test. It is shorter than the wait that is asked for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Sends a request that waits for events, of which there are none.
async fn wait(app: &TestApp) -> TestResponse {
    let start = app.as_service(get("/v1/events?cursor=now")).await.json();
    let uri = format!(
        "/v1/events?wait=25&cursor={}",
        start["cursor"].as_str().unwrap()
    );
    let response = timeout(ANSWER_TIMEOUT, app.as_service(get(&uri))).await;
    response.expect("an answer before the end of the wait")
}

#[actix_web::test]
async fn a_shutdown_ends_a_wait_for_events() {
    let app = TestApp::new();
    let drain = async {
        tokio::task::yield_now().await;
        app.readiness.start_draining();
    };
    let (response, ()) = tokio::join!(wait(&app), drain);
    assert_eq!(
        (response.status, &response.json()["events"]),
        (200, &json!([]))
    );
}

#[actix_web::test]
async fn a_request_beyond_the_limit_of_waits_is_answered_at_once() {
    let app = TestApp::new();
    let waits = app.api.resource_limits().event_waits.clone();
    let _all = waits.acquire_many(512).await.unwrap();
    assert_eq!(waits.available_permits(), 0);
    let response = wait(&app).await;
    assert_eq!(
        (response.status, &response.json()["events"]),
        (200, &json!([]))
    );
}

#[actix_web::test]
async fn a_request_that_waits_is_not_active() {
    let app = TestApp::new();
    let is_over = async {
        let waits = &app.api.resource_limits().event_waits;
        while waits.available_permits() == 512 {
            tokio::task::yield_now().await;
        }
        // The request itself and the pause cancel each other out.
        while app.api.resource_limits().active.exceed(0) {
            tokio::task::yield_now().await;
        }
        app.readiness.start_draining();
    };
    let (response, ()) = tokio::join!(wait(&app), is_over);
    assert_eq!(response.status, 200);
}
