//! Replacing the shared secret by another secret or by published keys.

use user_tests::{JWT_SECRET, binary};

use super::*;

const NEXT: &str = "the-tests-next-secret-of-more-than-32-bytes";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn signed_by(secret: &str, payload: &Value) -> String {
    sign_as(HEADER, &payload.to_string(), secret.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotating_the_shared_secret_rejects_no_valid_token() {
    // With SEALING_KEY set to the old secret, derived keys stay the same.
    let before = TestApp::start(Store::Sqlite).await;
    let user = before.register("alice").await;
    before.register("bob").await;
    let payload = claims(id(&user));
    let during = before
        .replica_with(&[
            ("JWT_SECRET_KEY", NEXT),
            ("JWT_SECRET_KEY_PREVIOUS", JWT_SECRET),
            ("SEALING_KEY", JWT_SECRET),
        ])
        .await;
    let after = before
        .replica_with(&[("JWT_SECRET_KEY", NEXT), ("SEALING_KEY", JWT_SECRET)])
        .await;
    let (old, new) = (signed_by(JWT_SECRET, &payload), signed_by(NEXT, &payload));
    for (app, by_old, by_new) in [(&before, 200, 401), (&during, 200, 200), (&after, 401, 200)] {
        assert_eq!(me(app, &old).await.status, by_old);
        assert_eq!(me(app, &new).await.status, by_new);
    }
    let first = before.service().get("/v1/users?limit=1").await;
    let cursor = first.json["next_cursor"].as_str().unwrap();
    for app in [&during, &after] {
        let next = app
            .service()
            .get(&format!("/v1/users?limit=1&cursor={cursor}"))
            .await;
        assert_eq!(next.status, 200, "{}", next.text);
    }
    for app in [after, during, before] {
        app.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_migrates_from_shared_secret_to_published_keys() {
    let key = SigningKey::p256("k");
    let server = JwksServer::start(&[&key]);
    let before = TestApp::start(Store::Sqlite).await;
    let user = before.register("alice").await;
    let payload = claims(id(&user));
    let url = server.url();
    let during = before.replica_with(&[("JWT_JWKS_URL", &url)]).await;
    let after = before
        .replica_with(&[
            ("JWT_JWKS_URL", &url),
            ("JWT_SECRET_KEY", ""),
            ("SEALING_KEY", JWT_SECRET),
        ])
        .await;
    for app in [&during, &after] {
        until(app, 200, || key.sign(&payload)).await;
    }
    for (app, by_secret, by_key) in [(&before, 200, 401), (&during, 200, 200), (&after, 401, 200)] {
        assert_eq!(me(app, &sign(&payload)).await.status, by_secret);
        assert_eq!(me(app, &key.sign(&payload)).await.status, by_key);
    }
    for app in [after, during, before] {
        app.stop().await;
    }
}

#[test]
fn check_settings_lists_the_accepted_signing_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, "{}").unwrap();
    let output = binary(folder.path(), &["check-settings"])
        .env("JWT_SECRET_KEY", NEXT)
        .env("JWT_SECRET_KEY_PREVIOUS", JWT_SECRET)
        .env("SEALING_KEY", JWT_SECRET)
        .env("JWT_JWKS_URL", "https://auth.example.org/keys?key=planted")
        .env("JWT_JWKS_FILE", &file)
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    for line in [
        "accepts user tokens signed with JWT_SECRET_KEY",
        "accepts user tokens signed with JWT_SECRET_KEY_PREVIOUS",
        "accepts user tokens signed with the keys at https://auth.example.org/keys, read every 300 s",
        &format!(
            "accepts user tokens signed with the keys at {}, read every 300 s",
            file.display()
        ),
    ] {
        assert!(
            stdout.lines().any(|printed| printed == line),
            "{line}: {stdout}"
        );
    }
    for secret in [NEXT, JWT_SECRET, "planted"] {
        assert!(!stdout.contains(secret));
    }
}
