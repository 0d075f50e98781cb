use actix_web::test::TestRequest;
use serde_json::json;
use user_domain::StoreError;
use user_domain::caller::{Scope, ServiceCaller};
use user_domain::ports::{MockServiceTokens, MockTokenVerifier, VerifyTokenError};

use super::{World, get, patch, post, problem};

#[actix_web::test]
async fn a_missing_and_a_bad_credential_are_401s_with_a_challenge() {
    let world = World::new();
    let missing = world.send(get("/v1/users/me")).await;
    assert_eq!(missing.problem(), problem(401, "missing_credentials"));
    assert_eq!(
        missing.header("www-authenticate"),
        r#"Bearer realm="user-service""#
    );
    let bad = world
        .send(get("/v1/users/me").insert_header(("authorization", "Bearer x")))
        .await;
    assert_eq!(bad.problem(), problem(401, "invalid_token"));
    assert_eq!(
        bad.header("www-authenticate"),
        r#"Bearer realm="user-service", error="invalid_token""#
    );
}

#[actix_web::test]
async fn a_bad_token_is_told_before_a_bad_body_and_a_bad_id() {
    let world = World::new();
    let answer = world.send(post("/v1/users").set_payload("{")).await;
    assert_eq!(answer.problem(), problem(401, "missing_credentials"));
    let answer = world
        .send(patch("/v1/users/x").insert_header(("if-match", "x")))
        .await;
    assert_eq!(answer.problem(), problem(401, "missing_credentials"));
}

#[actix_web::test]
async fn two_credentials_are_ambiguous() {
    let world = World::new();
    let request = get("/v1/users").insert_header(("authorization", "Bearer a"));
    let answer = world.as_service(request).await;
    assert_eq!(answer.problem(), problem(400, "ambiguous_credentials"));
}

#[actix_web::test]
async fn a_service_token_counts_in_all_three_places() {
    let world = World::new();
    for (name, value) in [
        ("x-api-token", "service-token"),
        ("authorization", "service-token"),
        ("authorization", "bEARER service-token"),
    ] {
        let answer = world
            .send(get("/v1/users").insert_header((name, value)))
            .await;
        assert_eq!(answer.status, 200, "{name}: {value}");
    }
}

#[actix_web::test]
async fn a_missing_scope_is_named() {
    let world = World::new();
    let scopes = [Scope::UsersRead].into();
    world.fakes.service_tokens.admit(
        "reader",
        ServiceCaller {
            name: "reader".to_owned(),
            scopes,
        },
    );
    let body = json!({"username": "ann", "email": "ann@example.org"});
    let request = post("/v1/users")
        .insert_header(("x-api-token", "reader"))
        .set_json(body);
    let answer = world.send(request).await;
    assert_eq!(answer.problem(), problem(403, "insufficient_scope"));
    assert_eq!(answer.json()["required_scope"], "users:write");
}

#[actix_web::test]
async fn a_store_that_is_away_while_the_token_is_checked_is_a_503() {
    let world = World::with(
        |_| (),
        |ports| {
            let mut tokens = MockServiceTokens::new();
            tokens
                .expect_find()
                .returning(|_| Err(StoreError::Unavailable("away".to_owned())));
            ports.service_tokens = std::sync::Arc::new(tokens);
        },
    );
    let answer = world.as_service(get("/v1/users/me")).await;
    assert_eq!(answer.problem(), problem(503, "unavailable"));
    assert_eq!(answer.header("retry-after"), "1");
}

#[actix_web::test]
async fn keys_that_are_not_known_yet_are_a_503_and_no_bad_token() {
    let world = World::with(
        |_| (),
        |ports| {
            let mut tokens = MockTokenVerifier::new();
            tokens
                .expect_verify()
                .returning(|_| Err(VerifyTokenError::Unavailable("away".to_owned())));
            ports.tokens = std::sync::Arc::new(tokens);
        },
    );
    let bearer = get("/v1/users/me").insert_header(("authorization", "Bearer x"));
    let answer = world.send(bearer).await;
    assert_eq!(answer.problem(), problem(503, "unavailable"));
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("www-authenticate"), "");
}

#[actix_web::test]
async fn an_administrator_is_whom_both_the_token_and_the_store_call_one() {
    let world = World::new();
    let ann = world.person("ann").await;
    let answer = world.as_claimed_admin(&ann, get("/v1/users")).await;
    assert_eq!(answer.problem(), problem(403, "forbidden"));
    world
        .as_service(patch(&format!("/v1/users/{ann}")).set_json(json!({"roles": ["admin"]})))
        .await;
    assert_eq!(
        world.as_claimed_admin(&ann, get("/v1/users")).await.status,
        200
    );
    let unclaimed = world
        .as_user(&ann, TestRequest::get().uri("/v1/users"))
        .await;
    assert_eq!(unclaimed.problem(), problem(403, "forbidden"));
}
