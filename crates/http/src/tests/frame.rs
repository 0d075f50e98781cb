use std::sync::Arc;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use serde_json::json;
use user_domain::StoreError;
use user_domain::ports::{MockStoreHealth, MockUserReader, SchemaState};

use super::{World, get, post, problem};

#[actix_web::test]
async fn past_the_limit_of_requests_at_a_time_the_api_is_overloaded_and_health_is_not() {
    let world = World::with(|settings| settings.active_limit = 0, |_| ());
    let refused = world.as_service(get("/v1/users/count")).await;
    assert_eq!(refused.problem(), problem(503, "overloaded"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(world.send(get("/health/live")).await.status, 200);
    let one = World::with(|settings| settings.active_limit = 1, |_| ());
    assert_eq!(one.as_service(get("/v1/users/count")).await.status, 200);
    assert_eq!(one.as_service(get("/v1/users/count")).await.status, 200);
}

#[actix_web::test]
async fn a_wrong_method_is_a_405_and_options_a_204_with_the_same_allow() {
    let world = World::new();
    for (uri, allow) in [
        ("/v1/users", "GET, HEAD, POST, OPTIONS"),
        ("/v1/users/me", "GET, HEAD, PATCH, OPTIONS"),
        ("/v1/users/7/", "GET, HEAD, PATCH, PUT, DELETE, OPTIONS"),
        ("/v1/users/7/suspend", "POST, OPTIONS"),
        ("/v1/users/batch", "POST, OPTIONS"),
        ("/health/ready", "GET, HEAD, OPTIONS"),
        ("/metrics", "GET, HEAD, OPTIONS"),
    ] {
        let wrong = world
            .send(TestRequest::default().method(Method::TRACE).uri(uri))
            .await;
        assert_eq!(wrong.problem(), problem(405, "method_not_allowed"), "{uri}");
        assert_eq!(wrong.header("allow"), allow, "{uri}");
        let options = world
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
async fn every_answer_has_the_common_header_fields() {
    let world = World::new();
    for (uri, status, vary) in [
        ("/nothing", 404, ""),
        ("/v1/nothing", 404, "Authorization, X-API-Token, Origin"),
        ("/v1/users/me", 401, "Authorization, X-API-Token, Origin"),
        ("/health", 200, ""),
    ] {
        let answer = world.send(get(uri)).await;
        assert_eq!(answer.status, status, "{uri}");
        assert_eq!(answer.header("vary"), vary, "{uri}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{uri}");
        assert_eq!(answer.header("x-request-id").len(), 36, "{uri}");
    }
    assert_eq!(
        world.send(get("/nothing")).await.problem(),
        problem(404, "not_found")
    );
}

#[actix_web::test]
async fn a_plain_request_id_is_kept_and_another_is_not() {
    let world = World::new();
    let kept = world
        .send(get("/health").insert_header(("x-request-id", "abc-1.2_3")))
        .await;
    assert_eq!(kept.header("x-request-id"), "abc-1.2_3");
    let changed = world
        .send(get("/health").insert_header(("x-request-id", "a b")))
        .await;
    assert_eq!(changed.header("x-request-id").len(), 36);
}

#[actix_web::test]
async fn head_is_get_without_a_body() {
    let world = World::new();
    let ann = world.person("ann").await;
    let uri = format!("/v1/users/{ann}");
    let head = world
        .as_service(TestRequest::default().method(Method::HEAD).uri(&uri))
        .await;
    assert_eq!((head.status, head.header("etag")), (200, "\"1-full\""));
}

#[actix_web::test]
async fn oversized_header_fields_are_a_431() {
    let world = World::new();
    let answer = world
        .send(get("/health").insert_header(("x-long", "x".repeat(17_000))))
        .await;
    assert_eq!(answer.problem(), problem(431, "header_too_large"));
    let fits = world
        .send(get("/health").insert_header(("x-long", "x".repeat(16_000))))
        .await;
    assert_eq!(fits.status, 200);
}

#[actix_web::test]
async fn a_panic_of_a_handler_is_a_500_problem() {
    let world = World::with(
        |_| (),
        |ports| {
            let mut reader = MockUserReader::new();
            reader.expect_find().returning(|_| panic!("secret"));
            ports.reader = Arc::new(reader);
        },
    );
    let answer = world.as_service(get("/v1/users/by-username/ann")).await;
    assert_eq!(answer.problem(), problem(500, "internal"));
    assert!(!answer.json().to_string().contains("secret"));
}

#[actix_web::test]
async fn pages_of_allowed_origins_may_call_and_others_may_not() {
    let world = World::with(
        |settings| settings.cors_allowed_origins = vec!["https://app.example".to_owned()],
        |_| (),
    );
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
    let allowed = world.send(preflight("https://app.example")).await;
    assert_eq!(allowed.status, 204);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        "https://app.example"
    );
    assert_eq!(allowed.header("access-control-max-age"), "3600");
    assert_eq!(allowed.header("access-control-allow-credentials"), "");
    let refused = world.send(preflight("https://evil.example")).await;
    assert_eq!(refused.header("access-control-allow-origin"), "");
    let simple = world
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
async fn readiness_needs_the_database_its_schema_and_a_process_that_stays() {
    let world = World::new();
    let ready = world.send(get("/health/ready")).await;
    assert_eq!(
        ready.json(),
        json!({"status": "ok", "checks": {"database": "ok", "schema": "ok"}})
    );
    world.fakes.store.set_schema(SchemaState::Pending);
    assert_eq!(
        world.send(get("/health/ready")).await.problem(),
        problem(503, "schema_pending")
    );
    world.readiness.start_draining();
    assert_eq!(
        world.send(get("/health/ready")).await.problem(),
        problem(503, "not_ready")
    );
    for uri in ["/health", "/health/live"] {
        assert_eq!(
            world.send(get(uri)).await.json(),
            json!({"status": "ok"}),
            "{uri}"
        );
    }
    let away = World::with(
        |_| (),
        |ports| {
            let mut health = MockStoreHealth::new();
            health
                .expect_schema()
                .returning(|| Err(StoreError::Unavailable("away".to_owned())));
            ports.health = Arc::new(health);
        },
    );
    let answer = away.send(get("/health/ready")).await;
    assert_eq!(
        (answer.problem(), answer.header("retry-after")),
        (problem(503, "not_ready"), "1")
    );
}

#[actix_web::test]
async fn metrics_are_text() {
    let answer = World::new().send(get("/metrics")).await;
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let refused = World::new().send(post("/metrics")).await;
    assert_eq!(refused.problem(), problem(405, "method_not_allowed"));
}
