//! `/health`, `/metrics`, `/openapi.json`, `/docs`, which need no credential.

use serde_json::json;
use user_tests::{Reply, Store, TestApp};

use crate::common::assert_problem;

user_tests::on_each_store! {
    async fn a_running_service_is_live_and_ready(app: &TestApp) {
        let anonymous = app.anonymous();
        for path in ["/health", "/health/live", "/health/"] {
            let live = anonymous.get(path).await;
            assert_eq!((live.status, &live.json), (200, &json!({"status": "ok"})), "{path}");
            assert_eq!(live.header("content-type"), "application/json");
        }
        let ready = anonymous.get("/health/ready").await;
        assert_eq!((ready.status, &ready.json), (200, &json!({"status": "ok", "checks": {"database": "ok", "schema": "ok"}})));
        // An invalid credential is ignored.
        assert_eq!(app.authorized("Bearer nonsense").get("/health/ready").await.status, 200);
    }
}

#[tokio::test]
async fn an_unmigrated_service_is_live_but_not_ready() {
    let app = TestApp::start_with(Store::Sqlite, &[("MIGRATE_ON_START", "False")]).await;
    assert_eq!(app.anonymous().get("/health/live").await.status, 200);
    let ready = app.anonymous().get("/health/ready").await;
    assert_problem(&ready, 503, "schema_pending");
    assert_ne!(ready.header("retry-after"), "");
    app.stop().await;
}

#[tokio::test]
async fn metrics_are_public_and_hold_no_personal_data() {
    let app = TestApp::start(Store::Sqlite).await;
    app.register("somebody.special").await;
    app.service()
        .get("/v1/users/by-username/somebody.special?q=secret")
        .await;
    let metrics = app.anonymous().get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.header("content-type").starts_with("text/plain"),
        "{}",
        metrics.header("content-type")
    );
    assert!(
        metrics
            .text
            .contains(r#"route="/v1/users/by-username/{username}""#),
        "{}",
        metrics.text
    );
    for secret in ["somebody", "special", "secret"] {
        assert!(!metrics.text.contains(secret), "{secret}");
    }
    app.stop().await;
}

#[tokio::test]
async fn the_api_documentation_loads_nothing_from_other_hosts() {
    let app = TestApp::start(Store::Sqlite).await;
    let description = app.anonymous().get("/openapi.json").await;
    assert_eq!(description.status, 200, "{}", description.text);
    let version = description.json["openapi"].as_str().unwrap();
    assert!(version.starts_with("3."), "{version}");
    for path in [
        "/v1/users",
        "/v1/users/{id}",
        "/v1/users/me",
        "/v1/users/batch",
        "/v1/users/count",
        "/health/ready",
        "/metrics",
    ] {
        assert!(
            description.json["paths"][path].is_object(),
            "{path} is not described"
        );
    }
    let page = Reply::send(app.client.get(app.url("/docs"))).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.header("content-type").starts_with("text/html"));
    for outside in ["http://", "https://", "src=\"//", "href=\"//"] {
        assert!(!page.text.contains(outside), "{outside} in {}", page.text);
    }
    let parts: Vec<&str> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| page.text.split(attribute).skip(1))
        .map(|rest| rest.split('"').next().unwrap().trim_start_matches("./"))
        .filter(|part| !part.ends_with('/'))
        .collect();
    assert!(parts.len() > 2, "{parts:?}");
    for part in parts {
        let served = app.anonymous().get(&format!("/docs/{part}")).await;
        assert_eq!(served.status, 200, "{part}");
        assert_eq!(served.header("x-content-type-options"), "nosniff");
    }
    app.stop().await;
}
