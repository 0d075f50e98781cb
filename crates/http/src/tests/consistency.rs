//! The token by which a client reads its own writes.

use std::sync::Arc;

use serde_json::json;
use user_domain::StoreError;
use user_domain::ports::{MockConsistency, WritePosition};

use super::{TestApp, get, patch, post};

const TOKEN: &str = "consistency-token";

/// Returns an app whose store has standbys, at this position.
fn app(position: Result<u64, StoreError>, caught_up: Result<(), StoreError>) -> TestApp {
    let mut port = MockConsistency::new();
    port.expect_position()
        .returning(move || position.clone().map(WritePosition::from_store));
    port.expect_catch_up().returning(move || caught_up.clone());
    TestApp::with_ports(|ports| ports.consistency = Some(Arc::new(port)))
}

fn unavailable<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("away".to_owned()))
}

async fn token_of_a_write(app: &TestApp) -> String {
    let body = json!({"username": "ann", "email": "ann@example.org"});
    let created = app.as_service(post("/v1/users").set_json(body)).await;
    assert_eq!(created.status, 201);
    created.header(TOKEN).to_owned()
}

#[actix_web::test]
async fn each_completed_write_has_a_token_and_no_read_has_one() {
    let app = app(Ok(7), Ok(()));
    assert_ne!(token_of_a_write(&app).await, "");
    let path = "/v1/users/by-username/ann";
    let read = app.as_service(get(path)).await;
    assert_eq!((read.status, read.header(TOKEN)), (200, ""));
    let path = format!("/v1/users/{}", read.json()["id"].as_str().unwrap());
    for _ in 0..2 {
        // The second one changes nothing.
        let change = patch(&path).set_json(json!({"profile": {"bio": "new"}}));
        let changed = app.as_service(change).await;
        assert_eq!(changed.status, 200);
        assert_ne!(changed.header(TOKEN), "");
    }
    let refused = patch(&path).set_json(json!({"username": ""}));
    let refused = app.as_service(refused).await;
    assert_eq!((refused.status, refused.header(TOKEN)), (422, ""));
}

#[actix_web::test]
async fn a_read_with_a_token_waits_until_the_cache_has_caught_up() {
    let app = app(Ok(7), Ok(()));
    let token = token_of_a_write(&app).await;
    for path in ["/v1/users/by-username/ann", "/v1/users"] {
        let read = get(path).insert_header((TOKEN, token.as_str()));
        assert_eq!(app.as_service(read).await.status, 200);
    }
}

#[actix_web::test]
async fn a_token_without_a_poll_is_a_503() {
    let app = app(Ok(7), unavailable());
    let token = token_of_a_write(&app).await;
    let read = get("/v1/users").insert_header((TOKEN, token.as_str()));
    app.as_service(read)
        .await
        .assert_problem(503, "unavailable");
    assert_eq!(app.as_service(get("/v1/users")).await.status, 200);
}

#[actix_web::test]
async fn another_text_is_a_400() {
    let app = app(Ok(7), Ok(()));
    for text in ["", "7", "AXcAAAAAAAAABw"] {
        let read = get("/v1/users").insert_header((TOKEN, text));
        let refused = app.as_service(read).await;
        refused.assert_problem(400, "invalid_header");
    }
}

#[actix_web::test]
async fn a_write_without_a_position_is_acknowledged_without_a_token() {
    assert_eq!(token_of_a_write(&app(unavailable(), Ok(()))).await, "");
    assert_eq!(token_of_a_write(&TestApp::with_ports(|_| ())).await, "");
}
