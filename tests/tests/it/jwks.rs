//! Tokens signed with published keys: which are believed, how keys rotate, and what becomes of them when their source
//! fails.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use user_tests::{Answer, JwksServer, Reply, SigningKey, Store, TestApp, claims, sign, sign_as};

use crate::common::{assert_problem, id};

mod failing;
mod forged;
mod rotation;
mod secrets;

const ME: &str = "/v1/users/me";
/// How long whatever is waited for may take on a busy machine.
const SOON: Duration = Duration::from_mins(1);

/// Starts a service that believes these published keys beside its secret.
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

/// Asks who one is by a token.
async fn me(app: &TestApp, token: &str) -> Reply {
    app.authorized(format!("Bearer {token}")).get(ME).await
}

/// Asks by a token until the answer has this status.
async fn until(app: &TestApp, status: u16, token: impl Fn() -> String) {
    let deadline = Instant::now() + SOON;
    loop {
        let reply = me(app, &token()).await;
        if reply.status == status {
            return;
        }
        assert!(Instant::now() < deadline, "{} {}", reply.status, reply.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until something holds.
async fn until_true(what: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !what() {
        assert!(Instant::now() < deadline, "it does not come about");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_published_key_is_believed_beside_the_secret() {
    let keys = [
        SigningKey::rsa("r"),
        SigningKey::p256("p"),
        SigningKey::ed25519("e"),
    ];
    let server = JwksServer::start(&keys.each_ref());
    let app = app_on(&server).await;
    let user = app.register("alice").await;
    let says = claims(id(&user));
    for key in &keys {
        until(&app, 200, || key.sign(&says)).await;
        assert_eq!(me(&app, &key.sign(&says)).await.id(), id(&user));
    }
    assert_eq!(me(&app, &sign(&says)).await.id(), id(&user));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_believed_from_its_publication_on_and_not_after_its_withdrawal() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let server = JwksServer::start(&[&old]);
    let app = app_with(&server, &[("JWT_JWKS_REFRESH_SECONDS", "10")]).await;
    let user = app.register("alice").await;
    let says = claims(id(&user));
    until(&app, 200, || old.sign(&says)).await;
    assert_problem(&me(&app, &new.sign(&says)).await, 401, "invalid_token");
    server.publish(&[&old, &new]);
    until(&app, 200, || new.sign(&says)).await;
    assert_eq!(me(&app, &old.sign(&says)).await.status, 200);
    server.publish(&[&new]);
    until(&app, 401, || old.sign(&says)).await;
    assert_eq!(me(&app, &new.sign(&says)).await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_names_no_key_is_tried_with_those_of_its_algorithm_and_asks_for_new_ones() {
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
    let says = claims(id(&user)).to_string();
    let nameless =
        |key: &SigningKey, alg: &str| key.sign_text(&json!({"alg": alg}).to_string(), &says);
    until(&app, 200, || nameless(&keys[0], "ES256")).await;
    server.publish(&keys.each_ref());
    until(&app, 200, || nameless(&keys[4], "ES256")).await;
    assert_eq!(me(&app, &nameless(&keys[2], "EdDSA")).await.status, 200);
    let fifth = me(&app, &nameless(&keys[5], "ES256")).await;
    assert_problem(&fifth, 401, "invalid_token");
    assert_eq!(
        me(&app, &keys[5].sign(&claims(id(&user)))).await.status,
        200
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_keys_is_read_again_when_a_token_names_a_key_that_is_not_in_it() {
    let (old, new) = (SigningKey::ed25519("old"), SigningKey::ed25519("new"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let write = |keys: &[&SigningKey]| {
        let keys: Vec<Value> = keys.iter().map(|key| key.published()).collect();
        // As editors and orchestrators do: the file is there whole, or as it was.
        let fresh = folder.path().join("keys.json.new");
        std::fs::write(&fresh, json!({"keys": keys}).to_string()).unwrap();
        std::fs::rename(&fresh, &file).unwrap();
    };
    write(&[&old]);
    let settings = [("JWT_JWKS_FILE", file.to_str().unwrap())];
    let app = TestApp::start_with(Store::Sqlite, &settings).await;
    let user = app.register("alice").await;
    let says = claims(id(&user));
    until(&app, 200, || old.sign(&says)).await;
    write(&[&old, &new]);
    until(&app, 200, || new.sign(&says)).await;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(
        me(&app, &SigningKey::p256("x").sign(&says)).await.status,
        401
    );
    for key in [&old, &new] {
        assert_eq!(me(&app, &key.sign(&says)).await.status, 200);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_over_tls_from_a_server_whose_certificate_is_named_and_from_no_other() {
    let key = SigningKey::p256("k");
    let server = JwksServer::start_tls(&[&key]);
    let ca = server.ca_file();
    let app = app_with(&server, &[("JWT_JWKS_CA_FILE", ca.to_str().unwrap())]).await;
    let user = app.register("alice").await;
    let says = claims(id(&user));
    until(&app, 200, || key.sign(&says)).await;
    let other = JwksServer::start_tls(&[&key]);
    let suspicious = app
        .replica_with(&[
            ("JWT_JWKS_URL", &other.url()),
            ("JWT_JWKS_CA_FILE", ca.to_str().unwrap()),
        ])
        .await;
    let refused = me(&suspicious, &key.sign(&says)).await;
    assert_problem(&refused, 503, "unavailable");
    assert_eq!(other.asked(), 0, "nothing was sent to it");
    suspicious.stop().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_redirections_are_followed_but_none_that_leaves_tls() {
    let key = SigningKey::p256("k");
    let server = JwksServer::start(&[]);
    server.answer(Answer::Redirections(3, vec![key.published()]));
    let app = app_on(&server).await;
    let user = app.register("alice").await;
    let says = claims(id(&user));
    until(&app, 200, || key.sign(&says)).await;

    let plain = JwksServer::start(&[&key]);
    let secure = JwksServer::start_tls(&[]);
    let elsewhere = format!("location: {}\r\n", plain.url());
    secure.answer(Answer::Raw(302, elsewhere, Vec::new()));
    let far = JwksServer::start(&[]);
    far.answer(Answer::Redirections(4, vec![key.published()]));
    let ca = secure.ca_file();
    for source in [&secure, &far] {
        let replica = app
            .replica_with(&[
                ("JWT_JWKS_URL", &source.url()),
                ("JWT_JWKS_CA_FILE", ca.to_str().unwrap()),
            ])
            .await;
        until_true(|| source.answered() > 0).await;
        let refused = me(&replica, &key.sign(&says)).await;
        assert_problem(&refused, 503, "unavailable");
        replica.stop().await;
    }
    assert_eq!(plain.asked(), 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_is_away_at_the_start_is_waited_for_while_all_else_works() {
    let key = SigningKey::rsa("k");
    let server = JwksServer::start(&[&key]);
    server.kill();
    let app = app_on(&server).await;
    let user = app.register("alice").await;
    let says = claims(id(&user));
    let refused = me(&app, &key.sign(&says)).await;
    assert_problem(&refused, 503, "unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("www-authenticate"), "");
    assert_eq!(me(&app, &sign(&says)).await.status, 200);
    assert_eq!(app.anonymous().get("/health/ready").await.status, 200);
    // What is worth nothing whatever the keys are is told so.
    let mut over = says.clone();
    over["exp"] = json!(1);
    assert_problem(&me(&app, &key.sign(&over)).await, 401, "invalid_token");
    server.revive();
    until(&app, 200, || key.sign(&says)).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_tell_of_keys_and_of_a_source_that_fails_and_the_log_does_not_tell_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::p256("k");
    let server = JwksServer::start(&[&key]);
    let url = format!("{}?api-key=planted-in-the-address", server.url());
    let settings = [
        ("JWT_JWKS_URL", &*url),
        ("LOG_LEVEL", "trace"),
        ("JWT_JWKS_REFRESH_SECONDS", "10"),
    ];
    let process = user_tests::Process::serve(folder.path(), "sqlite:///users.db", &settings).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let figure = async |name: &str| {
        let text = client.get(process.url("/metrics")).send().await.unwrap();
        let text = text.text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(name));
        let figure = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        figure.unwrap_or_else(|| panic!("there is no {name}: {text}"))
    };
    let reaches = async |name: &str, least: f64| {
        let deadline = Instant::now() + SOON;
        while figure(name).await < least {
            assert!(Instant::now() < deadline, "{name}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    reaches("jwks_keys", 1.0).await;
    reaches("jwks_refreshes_total{outcome=\"ok\"}", 1.0).await;
    reaches("jwks_last_success_timestamp_seconds", 1.7e9).await;
    assert!(figure("jwks_refreshes_total{outcome=\"error\"}").await < 1.0);
    server.answer(Answer::Raw(
        500,
        String::new(),
        b"planted in the answer".to_vec(),
    ));
    reaches("jwks_refreshes_total{outcome=\"error\"}", 1.0).await;
    assert!(figure("jwks_keys").await > 0.5, "they stay");
    let log = process.written();
    assert!(
        log.contains("the keys of tokens could not be read"),
        "{log}"
    );
    assert!(!log.contains("planted"), "{log}");
}
