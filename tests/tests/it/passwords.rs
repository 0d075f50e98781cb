//! Passwords and login verification.

mod guessing;
mod imported_hashes;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use user_tests::{Reply, TestApp, TestClient};

use crate::common::{PUBLIC, assert_faults, assert_problem, assert_view, id, members, path, send};

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Registers a user with the password `PASSWORD`.
pub(crate) async fn with_password(app: &TestApp, name: &str) -> Value {
    let body =
        json!({"username": name, "email": format!("{name}@example.org"), "password": PASSWORD});
    // Hashing may time out on a busy machine. The key makes the repetition safe.
    let key = [("Idempotency-Key", name)];
    let mut made = app.service().post_with("/v1/users", &body, &key).await;
    for _ in 0..10 {
        if made.status < 500 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        made = app.service().post_with("/v1/users", &body, &key).await;
    }
    assert_eq!(made.status, 201, "{}", made.text);
    made.json
}

pub(crate) async fn verify(app: &TestApp, identifier: &str, password: &str) -> Reply {
    let body = json!({"identifier": identifier, "password": password});
    app.service().post("/v1/credentials/verify", &body).await
}

pub(crate) async fn verify_from(
    app: &TestApp,
    source: &str,
    identifier: &str,
    password: &str,
) -> Reply {
    let body = json!({"identifier": identifier, "password": password, "source": source});
    app.service().post("/v1/credentials/verify", &body).await
}

async fn set(caller: &TestClient<'_>, user: &Value, body: &Value) -> Reply {
    caller
        .put_with(&format!("{}/password", path(user)), body, &[])
        .await
}

#[track_caller]
pub(crate) fn assert_refused(reply: &Reply) {
    assert_problem(reply, 401, "invalid_credentials");
    assert_eq!(
        reply.header("www-authenticate"),
        "Bearer realm=\"user-service\""
    );
}

user_tests::on_each_store! {
    async fn a_password_verifies_by_username_and_email_until_it_is_removed(app: &TestApp) {
        let user = with_password(app, "alice").await;
        assert!(!user.to_string().contains("password"), "{user}");
        for identifier in ["alice", "ALICE", "Alice@Example.org"] {
            let verified = verify(app, identifier, PASSWORD).await;
            assert_eq!((verified.status, verified.id()), (200, id(&user)), "{}", verified.text);
            assert_view(&verified.json, "full");
            assert_eq!(verified.header("cache-control"), "no-store");
        }
        let changed = set(&app.service(), &user, &json!({"password": "another long password"})).await;
        assert_eq!((changed.status, changed.text.as_str()), (204, ""));
        assert_eq!(changed.header("cache-control"), "no-store");
        assert_refused(&verify(app, "alice", PASSWORD).await);
        assert_eq!(verify(app, "alice", "another long password").await.status, 200);

        let place = format!("{}/password", path(&user));
        for _ in 0..2 {
            assert_eq!(app.service().delete(&place).await.status, 204);
            assert_refused(&verify(app, "alice", "another long password").await);
        }
        assert_eq!(app.service().get(&path(&user)).await.version(), 1, "a password change does not change the version");
    }

    async fn every_failed_login_gets_the_same_response(app: &TestApp) {
        with_password(app, "alice").await;
        app.register("plain").await;
        let suspended = with_password(app, "sleeper").await;
        app.service().post_empty(&format!("{}/suspend", path(&suspended)), &[]).await;
        let deleted = with_password(app, "goner").await;
        app.service().delete(&path(&deleted)).await;
        with_password(app, "locked").await;
        for _ in 0..6 {
            assert_refused(&verify(app, "locked", "wrong").await);
        }
        let mut answers = Vec::new();
        for (identifier, password) in [
            ("alice", "wrong"),
            ("nobody", PASSWORD),
            ("nobody@example.org", PASSWORD),
            ("plain", PASSWORD),
            ("sleeper", PASSWORD),
            ("goner", PASSWORD),
            ("locked", PASSWORD),
            ("not a name", PASSWORD),
            ("@", PASSWORD),
        ] {
            let refused = verify(app, identifier, password).await;
            assert_refused(&refused);
            let mut shown = refused.json.clone();
            shown.as_object_mut().unwrap().remove("request_id");
            let mut names: Vec<String> = refused.headers.keys().map(ToString::to_string).collect();
            names.sort();
            answers.push((identifier, shown, names));
        }
        for (identifier, body, headers) in &answers {
            assert_eq!((body, headers), (&answers[0].1, &answers[0].2), "{identifier}");
        }
    }

    async fn the_sixth_failure_locks_out_until_an_operator_clears_it(app: &TestApp) {
        let user = with_password(app, "alice").await;
        with_password(app, "bob").await;
        let place = format!("{}/lockout", path(&user));
        for _ in 0..5 {
            assert_refused(&verify(app, "alice", "wrong").await);
        }
        assert_eq!(verify(app, "alice", PASSWORD).await.status, 200);
        let shown = app.service().get(&place).await;
        let none = json!({"failures": 0, "failed_at": null, "blocked_until": null, "blocked_sources": 0});
        assert_eq!((shown.status, &shown.json), (200, &none));
        assert_eq!(shown.header("cache-control"), "no-store");

        for _ in 0..6 {
            assert_refused(&verify(app, "alice@example.org", "wrong").await);
        }
        assert_refused(&verify(app, "alice", PASSWORD).await);
        assert_eq!(verify(app, "bob", PASSWORD).await.status, 200);
        let shown = app.admin().await.get(&place).await;
        assert_eq!((shown.status, &shown.json["failures"]), (200, &json!(6)));
        assert!(shown.json["blocked_until"].is_string(), "{}", shown.text);
        assert_eq!(app.admin().await.delete(&place).await.status, 204);
        assert_eq!(app.service().get(&place).await.json, none);
        assert_eq!(verify(app, "alice", PASSWORD).await.status, 200);

        for _ in 0..6 {
            verify(app, "alice", "wrong").await;
        }
        assert_eq!(set(&app.service(), &user, &json!({"password": "another long password"})).await.status, 204);
        assert_eq!(verify(app, "alice", "another long password").await.status, 200);
    }

    async fn failures_from_another_source_do_not_lock_out_the_owner(app: &TestApp) {
        with_password(app, "alice").await;
        for _ in 0..6 {
            assert_refused(&verify_from(app, "203.0.113.7", "alice", "wrong").await);
        }
        assert_refused(&verify_from(app, "203.0.113.7", "alice", PASSWORD).await);
        assert_eq!(verify_from(app, "198.51.100.1", "alice", PASSWORD).await.status, 200);
        assert_eq!(verify(app, "alice", PASSWORD).await.status, 200);
        assert_refused(&verify_from(app, "203.0.113.7", "alice", PASSWORD).await);
    }

    async fn only_services_may_use_password_endpoints(app: &TestApp) {
        let user = with_password(app, "alice").await;
        let place = format!("{}/password", path(&user));
        let admin = app.admin().await;
        let login = json!({"identifier": "alice", "password": PASSWORD});
        for caller in [&admin, &app.user(id(&user))] {
            let set = caller.put_with(&place, &json!({"password": PASSWORD}), &[]).await;
            assert_problem(&set, 403, "forbidden");
            assert_problem(&caller.delete(&place).await, 403, "forbidden");
            assert_problem(&caller.post("/v1/credentials/verify", &login).await, 403, "forbidden");
        }
        assert_problem(&app.anonymous().post("/v1/credentials/verify", &login).await, 401, "missing_credentials");
        assert_problem(&app.user(id(&user)).get(&format!("{}/lockout", path(&user))).await, 403, "forbidden");
    }

    async fn an_invalid_password_request_is_a_422_and_changes_nothing(app: &TestApp) {
        let user = with_password(app, "alice.smith").await;
        for (body, faults) in [
            (json!({}), vec![("/password", "required")]),
            (json!({"password": null}), vec![("/password", "required")]),
            (json!({"password": 1}), vec![("/password", "type")]),
            (json!({"password": "short"}), vec![("/password", "too_short")]),
            (json!({"password": "x".repeat(129)}), vec![("/password", "too_long")]),
            (json!({"password": "password123"}), vec![("/password", "common")]),
            (json!({"password": "ALICE.smith"}), vec![("/password", "common")]),
            (json!({"password": "alice.smith@example.org"}), vec![("/password", "common")]),
            (json!({"password": "with\u{0}nothing in it"}), vec![("/password", "forbidden_character")]),
            (json!({"password_hash": "md5$abc"}), vec![("/password_hash", "unknown_algorithm")]),
            (json!({"password_hash": "$argon2id$v=19$m=4194304,t=9,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"}), vec![("/password_hash", "too_costly")]),
            (json!({"password": PASSWORD, "hint": "x"}), vec![("/hint", "unknown_field")]),
        ] {
            assert_faults(&set(&app.service(), &user, &body).await, &faults);
        }
        let both = json!({"password": PASSWORD, "password_hash": "pbkdf2:sha256:1000$salt$aa47f3d22ad2b3b8b6b0e3e1d0f6a3d1aa47f3d22ad2b3b8b6b0e3e1d0f6a3d1"});
        assert_faults(&set(&app.service(), &user, &both).await, &[("/password_hash", "contradiction")]);
        let new = json!({"username": "bob.smith", "email": "bob@example.org", "password": "Bob.Smith"});
        assert_faults(&app.service().post("/v1/users", &new).await, &[("/password", "common")]);
        let patch = app.service().patch(&path(&user), &json!({"password": "another long password"})).await;
        assert_faults(&patch, &[("/password", "unknown_field")]);
        for (body, faults) in [
            (json!({}), vec![("/identifier", "required"), ("/password", "required")]),
            (json!({"identifier": "", "password": ""}), vec![("/identifier", "blank"), ("/password", "blank")]),
            (json!({"identifier": "x".repeat(321), "password": "x".repeat(1025), "source": ""}), vec![("/identifier", "too_long"), ("/password", "too_long"), ("/source", "blank")]),
            (json!({"identifier": "alice", "password": "x", "otp": "1"}), vec![("/otp", "unknown_field")]),
        ] {
            assert_faults(&app.service().post("/v1/credentials/verify", &body).await, &faults);
        }
        assert_eq!(verify(app, "alice.smith", PASSWORD).await.status, 200);
        assert_eq!(app.service().get(&path(&user)).await.version(), 1);
        let unknown = app.service().put_with("/v1/users/nobody/password", &json!({"password": PASSWORD}), &[]).await;
        assert_problem(&unknown, 404, "user_not_found");
        assert_eq!(app.service().delete(&path(&user)).await.status, 204);
        assert_problem(&set(&app.service(), &user, &json!({"password": PASSWORD})).await, 404, "user_not_found");
    }

    async fn a_password_write_honours_if_match_and_idempotency_key(app: &TestApp) {
        let user = with_password(app, "alice").await;
        let place = format!("{}/password", path(&user));
        let service = app.service();
        let other = json!({"password": "another long password"});
        let stale = service.put_with(&place, &other, &[("If-Match", "\"9\"")]).await;
        assert_problem(&stale, 412, "precondition_failed");
        let key = [("Idempotency-Key", "set"), ("If-Match", "\"1\"")];
        let first = service.put_with(&place, &other, &key).await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (204, ""));
        set(&service, &user, &json!({"password": "a third long password"})).await;
        let replay = service.put_with(&place, &other, &key).await;
        assert_eq!((replay.status, replay.header("idempotency-replayed")), (204, "true"));
        assert_eq!(verify(app, "alice", "a third long password").await.status, 200);
        let reused = service.put_with(&place, &json!({"password": "a fourth long password"}), &key[..1]).await;
        assert_problem(&reused, 422, "idempotency_key_reused");
    }

    async fn an_export_lists_credential_types_without_secrets(app: &TestApp) {
        let user = with_password(app, "alice").await;
        for caller in [&app.service(), &app.user(id(&user))] {
            let export = caller.get(&format!("{}/export", path(&user))).await;
            let credentials = &export.json["credentials"];
            assert_eq!(credentials[0]["type"], "password");
            assert_eq!(credentials[0]["changed_at"], user["created_at"]);
            assert!(!export.text.contains("argon2") && !export.text.contains(PASSWORD));
        }
        let plain = app.register("plain").await;
        let export = app.service().get(&format!("{}/export", path(&plain))).await;
        assert_eq!(export.json["credentials"], json!([]));
    }

    async fn a_sign_out_revokes_older_tokens_on_all_replicas(app: &TestApp) {
        let user = app.register("alice").await;
        let replica = app.replica().await;
        let mut claims = user_tests::claims(id(&user));
        let clock = app.composition().ports.clock.clone();
        let seconds = || clock.now().as_utc().timestamp();
        claims["iat"] = json!(seconds());
        let older = format!("Bearer {}", user_tests::sign(&claims));
        for app in [app, &replica] {
            assert_eq!(app.authorized(&older).get("/v1/users/me").await.status, 200);
        }
        let signed_out = app.authorized(&older).post_empty(&format!("{}/sign-out", path(&user)), &[]).await;
        assert_eq!((signed_out.status, signed_out.version()), (200, 1), "{}", signed_out.text);
        assert_view(&signed_out.json, "own");
        assert_problem(&app.authorized(&older).get("/v1/users/me").await, 401, "invalid_token");
        claims["iat"] = json!(seconds());
        let newer = format!("Bearer {}", user_tests::sign(&claims));
        assert_eq!(app.authorized(&newer).get("/v1/users/me").await.status, 200);
        let mut elsewhere = replica.authorized(&older).get("/v1/users/me").await;
        for _ in 0..200 {
            if elsewhere.status == 401 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            elsewhere = replica.authorized(&older).get("/v1/users/me").await;
        }
        assert_problem(&elsewhere, 401, "invalid_token");
        assert_eq!(replica.authorized(&newer).get("/v1/users/me").await.status, 200);
        let service = app.service();
        let key = [("Idempotency-Key", "out")];
        let place = format!("{}/sign-out", path(&user));
        for replayed in ["", "true"] {
            let done = service.post_empty(&place, &key).await;
            assert_eq!((done.status, done.header("idempotency-replayed")), (200, replayed));
        }
        let other = app.register("bob").await;
        let denied = app.user(id(&other)).post_empty(&place, &[]).await;
        assert_problem(&denied, 403, "forbidden");
        replica.stop().await;
    }

    async fn each_password_resource_rejects_other_methods(app: &TestApp) {
        let user = app.register("alice").await;
        for (place, allow) in [
            ("/v1/credentials/verify".to_owned(), "POST, OPTIONS"),
            (format!("{}/password", path(&user)), "PUT, DELETE, OPTIONS"),
            (format!("{}/lockout", path(&user)), "GET, HEAD, DELETE, OPTIONS"),
            (format!("{}/sign-out", path(&user)), "POST, OPTIONS"),
        ] {
            let options = send(&app.service(), Method::OPTIONS, &place, "application/json", "").await;
            assert_eq!((options.status, options.header("allow")), (204, allow));
            let refused = send(&app.service(), Method::PATCH, &place, "application/json", "{}").await;
            assert_problem(&refused, 405, "method_not_allowed");
        }
        assert_eq!(members(&app.user(id(&user)).get("/v1/users/me").await.json).len(), crate::common::OWN.len());
        assert_eq!(PUBLIC.len(), 7);
    }
}
