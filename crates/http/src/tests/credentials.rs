use actix_web::test::TestRequest;
use serde_json::json;
use user_domain::caller::{Scope, ServiceCaller};
use user_domain::ports::{MockServiceTokenVerifier, MockTokenVerifier, VerifyTokenError};
use user_domain::{Rejection, StoreError};

use super::{TestApp, get, patch, post};

#[actix_web::test]
async fn a_missing_or_invalid_credential_is_a_401_with_a_challenge() {
    let app = TestApp::new();
    let missing = app.send(get("/v1/users/me")).await;
    missing.assert_problem(401, "missing_credentials");
    assert_eq!(
        missing.header("www-authenticate"),
        r#"Bearer realm="user-service""#
    );
    let bad = app
        .send(get("/v1/users/me").insert_header(("authorization", "Basic x")))
        .await;
    bad.assert_problem(401, "invalid_token");
    assert_eq!(
        bad.header("www-authenticate"),
        r#"Bearer realm="user-service", error="invalid_token""#
    );
}

#[actix_web::test]
async fn a_rejected_token_reveals_only_the_permitted_reason() {
    for (rejection, description) in [
        (Rejection::Expired, Some("The token has expired")),
        (
            Rejection::NotJwt,
            Some("The token is not a signed JSON Web Token"),
        ),
        (Rejection::WrongSignature, None),
        (Rejection::WrongAudience, None),
        (Rejection::UnknownKey, None),
    ] {
        let app = TestApp::with_ports(|ports| {
            let mut tokens = MockTokenVerifier::new();
            tokens
                .expect_verify()
                .returning(move |_| Err(rejection.into()));
            tokens.expect_verify_cached().returning(|_| None);
            ports.tokens = std::sync::Arc::new(tokens);
        });
        let request = get("/v1/users/me").insert_header(("authorization", "Bearer x"));
        let refused = app.send(request).await;
        refused.assert_problem(401, "invalid_token");
        let challenge = r#"Bearer realm="user-service", error="invalid_token""#;
        let (challenge, detail) = match description {
            None => (
                challenge.to_owned(),
                "The token was not accepted.".to_owned(),
            ),
            Some(description) => (
                format!(r#"{challenge}, error_description="{description}""#),
                format!("{description}."),
            ),
        };
        assert_eq!(refused.header("www-authenticate"), challenge);
        assert_eq!(refused.json()["detail"], detail);
    }
}

#[actix_web::test]
async fn authentication_precedes_body_and_id_validation() {
    let app = TestApp::new();
    let response = app.send(post("/v1/users").set_payload("{")).await;
    response.assert_problem(401, "missing_credentials");
    let response = app
        .send(patch("/v1/users/x").insert_header(("if-match", "x")))
        .await;
    response.assert_problem(401, "missing_credentials");
}

#[actix_web::test]
async fn two_credentials_are_ambiguous() {
    let app = TestApp::new();
    let request = get("/v1/users").insert_header(("authorization", "Bearer a"));
    let response = app.as_service(request).await;
    response.assert_problem(400, "ambiguous_credentials");
}

#[actix_web::test]
async fn a_service_token_is_accepted_in_all_three_forms() {
    let app = TestApp::new();
    for (name, value) in [
        ("x-api-token", "service-token"),
        ("authorization", "service-token"),
        ("authorization", "bEARER service-token"),
    ] {
        let response = app
            .send(get("/v1/users").insert_header((name, value)))
            .await;
        assert_eq!(response.status, 200, "{name}: {value}");
    }
}

#[actix_web::test]
async fn a_missing_scope_is_named_in_the_403() {
    let app = TestApp::new();
    let scopes = [Scope::UsersRead].into();
    app.fakes.service_tokens.admit(
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
    let response = app.send(request).await;
    response.assert_problem(403, "insufficient_scope");
    assert_eq!(response.json()["required_scope"], "users:write");
}

#[actix_web::test]
async fn an_unavailable_token_store_is_a_503() {
    let app = TestApp::with_ports(|ports| {
        let mut tokens = MockServiceTokenVerifier::new();
        tokens
            .expect_find()
            .returning(|_| Err(StoreError::Unavailable("store unavailable".to_owned()).into()));
        ports.service_tokens = std::sync::Arc::new(tokens);
    });
    let response = app.as_service(get("/v1/users/me")).await;
    response.assert_problem(503, "unavailable");
    assert_eq!(response.header("retry-after"), "1");
}

#[actix_web::test]
async fn unavailable_signing_keys_are_a_503_not_a_401() {
    let app = TestApp::with_ports(|ports| {
        let mut tokens = MockTokenVerifier::new();
        tokens.expect_verify_cached().returning(|_| None);
        tokens.expect_verify().returning(|_| {
            Err(VerifyTokenError::Unavailable(
                "store unavailable".to_owned(),
            ))
        });
        ports.tokens = std::sync::Arc::new(tokens);
    });
    let bearer = get("/v1/users/me").insert_header(("authorization", "Bearer x"));
    let response = app.send(bearer).await;
    response.assert_problem(503, "unavailable");
    assert_eq!(response.header("retry-after"), "1");
    assert_eq!(response.header("www-authenticate"), "");
}

#[actix_web::test]
async fn an_administrator_needs_both_the_claim_and_the_role() {
    let app = TestApp::new();
    let ann = app.create_user("ann").await;
    let response = app.as_claimed_admin(&ann, get("/v1/users")).await;
    response.assert_problem(403, "forbidden");
    app.as_service(patch(&format!("/v1/users/{ann}")).set_json(json!({"roles": ["admin"]})))
        .await;
    assert_eq!(
        app.as_claimed_admin(&ann, get("/v1/users")).await.status,
        200
    );
    let unclaimed = app.as_user(&ann, TestRequest::get().uri("/v1/users")).await;
    unclaimed.assert_problem(403, "forbidden");
}
