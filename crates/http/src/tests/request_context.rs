use std::sync::Arc;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::json;
use user_domain::StoreError;
use user_domain::ports::{MockStoreHealth, MockUserReader, SchemaState};

use super::{TestApp, get, post};

#[actix_web::test]
async fn above_the_request_limit_only_health_responds() {
    let app = TestApp::with_settings(|settings| settings.active_limit = 0);
    let refused = app.as_service(get("/v1/users/count")).await;
    refused.assert_problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(app.send(get("/health/live")).await.status, 200);
    let one = TestApp::with_settings(|settings| settings.active_limit = 1);
    assert_eq!(one.as_service(get("/v1/users/count")).await.status, 200);
    assert_eq!(one.as_service(get("/v1/users/count")).await.status, 200);
}

#[actix_web::test]
async fn a_405_and_options_have_the_same_allow() {
    let app = TestApp::new();
    for (uri, allow) in [
        ("/v1/users", "GET, HEAD, POST, OPTIONS"),
        ("/v1/users/me", "GET, HEAD, PATCH, OPTIONS"),
        ("/v1/users/7/", "GET, HEAD, PATCH, PUT, DELETE, OPTIONS"),
        ("/v1/users/7/suspend", "POST, OPTIONS"),
        ("/v1/users/batch", "POST, OPTIONS"),
        ("/health/ready", "GET, HEAD, OPTIONS"),
        ("/metrics", "GET, HEAD, OPTIONS"),
    ] {
        let wrong = app
            .send(TestRequest::default().method(Method::TRACE).uri(uri))
            .await;
        wrong.assert_problem(405, "method_not_allowed");
        assert_eq!(wrong.header("allow"), allow, "{uri}");
        let options = app
            .send(TestRequest::default().method(Method::OPTIONS).uri(uri))
            .await;
        assert_eq!(
            (options.status, options.header("allow")),
            (204, allow),
            "{uri}"
        );
        assert_eq!(options.body.len(), 0);
    }
}

#[actix_web::test]
async fn every_response_has_the_common_header_fields() {
    let app = TestApp::new();
    for (uri, status, vary) in [
        ("/nothing", 404, ""),
        ("/v1/nothing", 404, "Authorization, X-API-Token, Origin"),
        ("/v1/users/me", 401, "Authorization, X-API-Token, Origin"),
        ("/health", 200, ""),
    ] {
        let response = app.send(get(uri)).await;
        assert_eq!(response.status, status, "{uri}");
        assert_eq!(response.header("vary"), vary, "{uri}");
        assert_eq!(
            response.header("x-content-type-options"),
            "nosniff",
            "{uri}"
        );
        assert_eq!(response.header("x-request-id").len(), 36, "{uri}");
    }
    app.send(get("/nothing"))
        .await
        .assert_problem(404, "not_found");
}

#[actix_web::test]
async fn a_valid_request_id_is_kept_and_an_invalid_one_replaced() {
    let app = TestApp::new();
    let kept = app
        .send(get("/health").insert_header(("x-request-id", "abc-1.2_3")))
        .await;
    assert_eq!(kept.header("x-request-id"), "abc-1.2_3");
    let changed = app
        .send(get("/health").insert_header(("x-request-id", "a b")))
        .await;
    assert_eq!(changed.header("x-request-id").len(), 36);
}

#[actix_web::test]
async fn head_is_get_without_a_body() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let uri = format!("/v1/users/{ann}");
    let head = app
        .as_service(TestRequest::default().method(Method::HEAD).uri(&uri))
        .await;
    assert_eq!((head.status, head.version_and_view()), (200, "1-full"));
}

#[actix_web::test]
async fn oversized_header_fields_are_a_431() {
    let app = TestApp::new();
    let response = app
        .send(get("/health").insert_header(("x-long", "x".repeat(17_000))))
        .await;
    response.assert_problem(431, "header_too_large");
    let fits = app
        .send(get("/health").insert_header(("x-long", "x".repeat(16_000))))
        .await;
    assert_eq!(fits.status, 200);
}

#[actix_web::test]
async fn a_panic_in_a_handler_is_a_500() {
    let app = TestApp::with_ports(|ports| {
        let mut reader = MockUserReader::new();
        reader.expect_find().returning(|_| panic!("secret"));
        ports.reader = Arc::new(reader);
    });
    let response = app.as_service(get("/v1/users/by-username/ann")).await;
    response.assert_problem(500, "internal");
    assert_eq!(
        response.header("vary"),
        "Authorization, X-API-Token, Origin"
    );
    assert!(!response.json().to_string().contains("secret"));
}

#[actix_web::test]
async fn only_allowed_origins_may_call_the_api() {
    let app = TestApp::with_settings(|settings| {
        settings.cors_allowed_origins = vec!["https://app.example".to_owned()];
    });
    let preflight = |origin: &'static str| {
        TestRequest::default()
            .method(Method::OPTIONS)
            .uri("/v1/users/me")
            .insert_header(("origin", origin))
            .insert_header(("access-control-request-method", "PATCH"))
            .insert_header((
                "access-control-request-headers",
                "authorization, if-match, content-type",
            ))
    };
    let allowed = app.send(preflight("https://app.example")).await;
    assert_eq!(allowed.status, 204);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://app.example"
    );
    assert_eq!(allowed.header("access-control-max-age"), "3600");
    assert_eq!(allowed.header("access-control-allow-credentials"), "");
    let refused = app.send(preflight("https://evil.example")).await;
    assert_eq!(refused.header("access-control-allow-origin"), "");
    let simple = app
        .send(get("/v1/users/me").insert_header(("origin", "https://app.example")))
        .await;
    assert_eq!(simple.status, 401);
    assert_eq!(
        simple.header("access-control-allow-origin"),
        "https://app.example"
    );
    assert!(
        simple
            .header("access-control-expose-headers")
            .to_lowercase()
            .contains("etag")
    );
    assert_eq!(simple.header("vary"), "Authorization, X-API-Token, Origin");
}

#[actix_web::test]
async fn cors_allows_tracing_headers_and_configured_headers() {
    let app = TestApp::with_settings(|settings| {
        settings.cors_allowed_origins = vec!["https://app.example".to_owned()];
        settings.cors_allowed_headers = vec!["x-client-version".to_owned()];
    });
    let preflight = |headers: &'static str| {
        TestRequest::default()
            .method(Method::OPTIONS)
            .uri("/v1/users/me")
            .insert_header(("origin", "https://app.example"))
            .insert_header(("access-control-request-method", "GET"))
            .insert_header(("access-control-request-headers", headers))
    };
    for headers in [
        "authorization,baggage,pragma,sentry-trace,traceparent,tracestate",
        "X-Client-Version",
    ] {
        let allowed = app.send(preflight(headers)).await;
        assert_eq!(allowed.status, 204, "{headers}");
        let names = allowed
            .header("access-control-allow-headers")
            .to_lowercase();
        for name in headers.to_lowercase().split(',') {
            assert!(
                names.split(", ").any(|other| other == name),
                "{name} in {names}"
            );
        }
    }
    let refused = app.send(preflight("x-other")).await;
    refused.assert_problem(400, "malformed_request");
}

#[actix_web::test]
async fn readiness_requires_database_schema_and_no_shutdown() {
    let app = TestApp::new();
    let ready = app.send(get("/health/ready")).await;
    assert_eq!(
        ready.json(),
        json!({"status": "ok", "checks": {"database": "ok", "schema": "ok"}})
    );
    app.fakes.store.set_schema(SchemaState::Pending);
    app.send(get("/health/ready"))
        .await
        .assert_problem(503, "schema_pending");
    app.readiness.start_draining();
    app.send(get("/health/ready"))
        .await
        .assert_problem(503, "not_ready");
    for uri in ["/health", "/health/live"] {
        assert_eq!(
            app.send(get(uri)).await.json(),
            json!({"status": "ok"}),
            "{uri}"
        );
    }
    let unavailable = TestApp::with_ports(|ports| {
        let mut health = MockStoreHealth::new();
        health
            .expect_schema()
            .returning(|| Err(StoreError::Unavailable("store unavailable".to_owned())));
        ports.health = Arc::new(health);
    });
    let response = unavailable.send(get("/health/ready")).await;
    response.assert_problem(503, "not_ready");
    assert_eq!(response.header("retry-after"), "1");
}

#[actix_web::test]
async fn metrics_on_the_public_port_count_as_large_documents() {
    let app = TestApp::new();
    let documents = app.api.resource_limits().large_documents.clone();
    let others = documents.hold(64 * 1024 * 1024 + 1);
    let refused = app.send(get("/metrics")).await;
    refused.assert_problem(503, "overloaded");
    drop(others);
    assert_eq!(app.send(get("/metrics")).await.status, 200);
    assert_eq!(documents.held(), 0);
}

#[actix_web::test]
async fn metrics_are_text() {
    let response = TestApp::new().send(get("/metrics")).await;
    assert_eq!(
        response.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let refused = TestApp::new().send(post("/metrics")).await;
    refused.assert_problem(405, "method_not_allowed");
}
