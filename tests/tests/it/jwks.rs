//! Tokens signed with published keys: acceptance, key rotation and failures of the key source.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use user_tests::{
    JwksResponse, JwksServer, Reply, SigningKey, Store, TestApp, claims, sign, sign_as,
};

use crate::common::{assert_problem, id};

mod failures;
mod forged;
mod rotation;
mod secrets;

const ME: &str = "/v1/users/me";
/// The longest wait for any condition on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Starts a service that trusts published keys and its shared secret.
async fn app_on(server: &JwksServer) -> TestApp {
    app_with(server, &[]).await
}

async fn app_with(server: &JwksServer, more: &[(&str, &str)]) -> TestApp {
    let url = server.url();
    let settings: Vec<(&str, &str)> = [("JWT_JWKS_URL", &*url)]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    TestApp::start_with(Store::Sqlite, &settings).await
}

/// Reads the user of a token.
async fn me(app: &TestApp, token: &str) -> Reply {
    app.authorized(format!("Bearer {token}")).get(ME).await
}

/// Repeats a request with a token until the response has this status.
async fn until(app: &TestApp, status: u16, token: impl Fn() -> String) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let reply = me(app, &token()).await;
        if reply.status == status {
            return;
        }
        assert!(Instant::now() < deadline, "{} {}", reply.status, reply.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a condition is true.
async fn until_true(what: impl Fn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !what() {
        assert!(
            Instant::now() < deadline,
            "the condition did not become true"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_type_of_published_key_works_beside_the_shared_secret() {
    let keys = [
        SigningKey::rsa("r"),
        SigningKey::p256("p"),
        SigningKey::ed25519("e"),
    ];
    let server = JwksServer::start(&keys.each_ref());
    let app = app_on(&server).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user));
    for key in &keys {
        until(&app, 200, || key.sign(&payload)).await;
        assert_eq!(me(&app, &key.sign(&payload)).await.id(), id(&user));
    }
    assert_eq!(me(&app, &sign(&payload)).await.id(), id(&user));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_trusted_only_while_it_is_published() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let server = JwksServer::start(&[&old]);
    let app = app_with(&server, &[("JWT_JWKS_REFRESH_SECONDS", "10")]).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user));
    until(&app, 200, || old.sign(&payload)).await;
    assert_problem(&me(&app, &new.sign(&payload)).await, 401, "invalid_token");
    server.publish(&[&old, &new]);
    until(&app, 200, || new.sign(&payload)).await;
    assert_eq!(me(&app, &old.sign(&payload)).await.status, 200);
    server.publish(&[&new]);
    until(&app, 401, || old.sign(&payload)).await;
    assert_eq!(me(&app, &new.sign(&payload)).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_kid_is_tried_with_every_key_of_its_algorithm() {
    let keys = [
        SigningKey::p256("1"),
        SigningKey::p256("2"),
        SigningKey::ed25519("3"),
        SigningKey::p256("4"),
        SigningKey::p256("5"),
        SigningKey::p256("6"),
    ];
    let server = JwksServer::start(&[&keys[0]]);
    let app = app_with(&server, &[("JWT_JWKS_REFRESH_SECONDS", "86400")]).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user)).to_string();
    let sign_without_kid =
        |key: &SigningKey, alg: &str| key.sign_text(&json!({"alg": alg}).to_string(), &payload);
    until(&app, 200, || sign_without_kid(&keys[0], "ES256")).await;
    server.publish(&keys.each_ref());
    until(&app, 200, || sign_without_kid(&keys[4], "ES256")).await;
    assert_eq!(
        me(&app, &sign_without_kid(&keys[2], "EdDSA")).await.status,
        200
    );
    let fifth = me(&app, &sign_without_kid(&keys[5], "ES256")).await;
    assert_eq!(fifth.status, 200, "{}", fifth.text);
    let unpublished = me(&app, &sign_without_kid(&SigningKey::p256("7"), "ES256")).await;
    assert_problem(&unpublished, 401, "invalid_token");
    assert_eq!(
        me(&app, &keys[5].sign(&claims(id(&user)))).await.status,
        200
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_replaced_under_the_same_kid_is_trusted_at_once() {
    let (old, new) = (SigningKey::p256("main"), SigningKey::p256("main"));
    let server = JwksServer::start(&[&old]);
    let app = app_with(&server, &[("JWT_JWKS_REFRESH_SECONDS", "86400")]).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user));
    until(&app, 200, || old.sign(&payload)).await;
    server.publish(&[&new]);
    until(&app, 200, || new.sign(&payload)).await;
    assert_problem(&me(&app, &old.sign(&payload)).await, 401, "invalid_token");
    // Also by a key of another type, and while forged tokens with the same kid use up the refresh limit.
    let (requests, started) = (server.request_count(), Instant::now());
    let unpublished = SigningKey::p256("main");
    for _ in 0..50 {
        let forged = me(&app, &unpublished.sign(&payload)).await;
        assert_problem(&forged, 401, "invalid_token");
    }
    let allowed = 3 + started.elapsed().as_secs() / 10;
    let requests = server.request_count() - requests;
    assert!(
        requests as u64 <= allowed,
        "{requests} requests, expected at most {allowed}"
    );
    let third = SigningKey::rsa("main");
    server.publish(&[&third]);
    until(&app, 200, || third.sign(&payload)).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_kid_reloads_the_key_file() {
    let (old, new) = (SigningKey::ed25519("old"), SigningKey::ed25519("new"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let write = |keys: &[&SigningKey]| {
        let keys: Vec<Value> = keys.iter().map(|key| key.published()).collect();
        // The file is replaced atomically, as editors and orchestrators do.
        let fresh = folder.path().join("keys.json.new");
        std::fs::write(&fresh, json!({"keys": keys}).to_string()).unwrap();
        std::fs::rename(&fresh, &file).unwrap();
    };
    write(&[&old]);
    let settings = [("JWT_JWKS_FILE", file.to_str().unwrap())];
    let app = TestApp::start_with(Store::Sqlite, &settings).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user));
    until(&app, 200, || old.sign(&payload)).await;
    write(&[&old, &new]);
    until(&app, 200, || new.sign(&payload)).await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        me(&app, &SigningKey::p256("x").sign(&payload)).await.status,
        401
    );
    for key in [&old, &new] {
        assert_eq!(me(&app, &key.sign(&payload)).await.status, 200);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_fetched_only_from_a_trusted_tls_server() {
    let key = SigningKey::p256("k");
    let server = JwksServer::start_tls(&[&key]);
    let ca = server.ca_file();
    let app = app_with(&server, &[("JWT_JWKS_CA_FILE", ca.to_str().unwrap())]).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user));
    until(&app, 200, || key.sign(&payload)).await;
    let other = JwksServer::start_tls(&[&key]);
    let replica = app
        .replica_with(&[
            ("JWT_JWKS_URL", &other.url()),
            ("JWT_JWKS_CA_FILE", ca.to_str().unwrap()),
        ])
        .await;
    let refused = me(&replica, &key.sign(&payload)).await;
    assert_problem(&refused, 503, "unavailable");
    assert_eq!(other.request_count(), 0, "no request was sent to it");
    replica.stop().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_to_three_redirects_are_followed_but_none_out_of_tls() {
    let key = SigningKey::p256("k");
    let server = JwksServer::start(&[]);
    server.respond_with(JwksResponse::Redirections(3, vec![key.published()]));
    let app = app_on(&server).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user));
    until(&app, 200, || key.sign(&payload)).await;

    let plain = JwksServer::start(&[&key]);
    let secure = JwksServer::start_tls(&[]);
    let elsewhere = format!("location: {}\r\n", plain.url());
    secure.respond_with(JwksResponse::Raw(302, elsewhere, Vec::new()));
    let looping = JwksServer::start(&[]);
    looping.respond_with(JwksResponse::Redirections(4, vec![key.published()]));
    let ca = secure.ca_file();
    for source in [&secure, &looping] {
        let replica = app
            .replica_with(&[
                ("JWT_JWKS_URL", &source.url()),
                ("JWT_JWKS_CA_FILE", ca.to_str().unwrap()),
            ])
            .await;
        until_true(|| source.response_count() > 0).await;
        let refused = me(&replica, &key.sign(&payload)).await;
        assert_problem(&refused, 503, "unavailable");
        replica.stop().await;
    }
    assert_eq!(plain.request_count(), 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_key_source_at_startup_affects_only_its_tokens() {
    let key = SigningKey::rsa("k");
    let server = JwksServer::start(&[&key]);
    server.kill();
    let app = app_on(&server).await;
    let user = app.register("alice").await;
    let payload = claims(id(&user));
    let refused = me(&app, &key.sign(&payload)).await;
    assert_problem(&refused, 503, "unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("www-authenticate"), "");
    assert_eq!(me(&app, &sign(&payload)).await.status, 200);
    assert_eq!(app.anonymous().get("/health/ready").await.status, 200);
    // An expired token is a 401 without any keys.
    let mut expired = payload.clone();
    expired["exp"] = json!(1);
    assert_problem(&me(&app, &key.sign(&expired)).await, 401, "invalid_token");
    server.restart();
    until(&app, 200, || key.sign(&payload)).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_report_failed_key_refreshes_without_leaking_the_url() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::p256("k");
    let server = JwksServer::start(&[&key]);
    let url = format!("{}?api-key=planted-in-the-address", server.url());
    let settings = [
        ("JWT_JWKS_URL", &*url),
        ("LOG_LEVEL", "trace"),
        ("JWT_JWKS_REFRESH_SECONDS", "10"),
    ];
    let process =
        user_tests::ServiceProcess::serve(folder.path(), "sqlite:///users.db", &settings).await;
    let client = user_tests::http_client();
    let metric = async |name: &str| {
        let text = client.get(process.url("/metrics")).send().await.unwrap();
        let text = text.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        let metric = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        metric.unwrap_or_else(|| panic!("metric {name} is missing: {text}"))
    };
    let reaches = async |name: &str, least: f64| {
        let deadline = Instant::now() + TIMEOUT;
        while metric(name).await < least {
            assert!(Instant::now() < deadline, "{name}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    reaches("jwks_keys", 1.0).await;
    reaches("jwks_refreshes_total{outcome=\"ok\"}", 1.0).await;
    reaches("jwks_last_success_timestamp_seconds", 1.7e9).await;
    assert!(metric("jwks_refreshes_total{outcome=\"error\"}").await < 1.0);
    server.respond_with(JwksResponse::Raw(
        500,
        String::new(),
        b"planted in the answer".to_vec(),
    ));
    reaches("jwks_refreshes_total{outcome=\"error\"}", 1.0).await;
    assert!(metric("jwks_keys").await > 0.5, "known keys are kept");
    let log = process.written();
    assert!(log.contains("JWKS refresh failed"), "{log}");
    assert!(!log.contains("planted"), "{log}");
}
