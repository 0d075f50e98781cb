//! `Idempotency-Key`.

mod replays;

use reqwest::Method;
use serde_json::json;
use user_tests::{Reply, TestApp, TestClient};

use crate::common::{assert_faults, assert_problem, assert_view, events, id, path, send};

pub(super) const KEY: &str = "Idempotency-Key";

/// Asserts that a response is the replay of another.
#[track_caller]
pub(super) fn assert_replays(replay: &Reply, first: &Reply) {
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(
        replay.header("idempotency-replayed"),
        "true",
        "{}",
        replay.text
    );
    assert_eq!((replay.status, &replay.text), (first.status, &first.text));
}

/// Sends a write twice with one key and returns both responses.
pub(super) async fn twice(
    caller: &TestClient<'_>,
    method: Method,
    path: &str,
    body: &str,
    key: &str,
) -> [Reply; 2] {
    let mut replies = Vec::new();
    for _ in 0..2 {
        let request = caller
            .request(method.clone(), path)
            .header(KEY, key)
            .header("Content-Type", "application/json")
            .body(body.to_owned());
        replies.push(Reply::send(request).await);
    }
    let [first, second] = <[Reply; 2]>::try_from(replies).unwrap();
    [first, second]
}

async fn version(app: &TestApp, path: &str) -> i64 {
    app.service().get(path).await.version()
}

user_tests::on_each_store! {
    async fn each_kind_of_write_runs_once_and_is_replayed(app: &TestApp) {
        let service = app.service();
        let body = r#"{"username":"alice","email":"alice@example.org"}"#;
        let [first, replay] = twice(&service, Method::POST, "/v1/users", body, "create").await;
        assert_eq!(first.status, 201, "{}", first.text);
        assert_replays(&replay, &first);
        for name in ["location", "etag"] {
            assert_eq!(replay.header(name), first.header(name));
        }
        let user = format!("/v1/users/{}", first.id());

        let [first, replay] = twice(&service, Method::PATCH, &user, r#"{"profile":{"name":"A"}}"#, "patch").await;
        assert_eq!((first.status, first.version()), (200, 2));
        assert_replays(&replay, &first);
        for (n, verb) in (3..).zip(["suspend", "activate"]) {
            let [first, replay] = twice(&service, Method::POST, &format!("{user}/{verb}"), "", verb).await;
            assert_eq!((first.status, first.version()), (200, n));
            assert_replays(&replay, &first);
        }
        let [first, replay] = twice(&service, Method::DELETE, &user, "", "delete").await;
        assert_eq!(first.status, 204);
        assert_replays(&replay, &first);
        let [first, replay] = twice(&service, Method::POST, &format!("{user}/restore"), "", "restore").await;
        assert_eq!((first.status, first.version()), (200, 6), "{}", first.text);
        assert_replays(&replay, &first);
        assert_eq!(events(app, user.trim_start_matches("/v1/users/")).await.len(), 6);
        let [first, replay] = twice(&service, Method::DELETE, &format!("{user}?erase=true"), "", "erase").await;
        assert_eq!(first.status, 204);
        assert_replays(&replay, &first);
    }

    async fn a_replacement_is_replayed_after_its_version_has_changed(app: &TestApp) {
        let user = app.register("alice").await;
        let body = json!({"username": "alice", "email": "alice@example.org", "profile": {"name": "A"}});
        let headers = [("If-Match", "\"1\""), (KEY, "put")];
        let first = app.service().put_with(&path(&user), &body, &headers).await;
        assert_eq!((first.status, first.version()), (200, 2), "{}", first.text);
        let replay = app.service().put_with(&path(&user), &body, &headers).await;
        assert_replays(&replay, &first);
        let patch = json!({"profile": {"name": "B"}});
        let headers = [("If-Match", "\"2\""), (KEY, "patch")];
        let first = app.service().patch_with(&path(&user), &patch, &headers).await;
        let replay = app.service().patch_with(&path(&user), &patch, &headers).await;
        assert_replays(&replay, &first);
        assert_eq!(version(app, &path(&user)).await, 3);
    }

    async fn a_reused_key_with_another_request_is_a_422(app: &TestApp) {
        let user = app.register("alice").await;
        let other = app.register("bob").await;
        let service = app.service();
        let user_path = path(&user);
        let body = r#"{"profile":{"name":"A"}}"#;
        let [first, _] = twice(&service, Method::PATCH, &user_path, body, "k").await;
        assert_eq!(first.status, 200);
        let suspend = format!("{user_path}/suspend");
        for (method, path, body) in [
            (Method::PATCH, &*user_path, r#"{"profile":{"name":"B"}}"#),
            (Method::PATCH, &user_path, r#"{"profile": {"name":"A"}}"#),
            (Method::PATCH, &path(&other), body),
            (Method::PATCH, &format!("{user_path}?x=1"), body),
            (Method::DELETE, &user_path, ""),
            (Method::POST, &suspend, ""),
            (Method::POST, "/v1/users", r#"{"username":"carol","email":"carol@example.org"}"#),
        ] {
            let [reused, again] = twice(&service, method.clone(), path, body, "k").await;
            assert_problem(&reused, 422, "idempotency_key_reused");
            assert_problem(&again, 422, "idempotency_key_reused");
        }
        assert_eq!((version(app, &user_path).await, version(app, &path(&other)).await), (2, 1));
        let missing = service.get("/v1/users/by-username/carol").await;
        assert_problem(&missing, 404, "user_not_found");
    }

    async fn keys_of_different_callers_are_independent(app: &TestApp) {
        let alice = app.register("alice").await;
        let bob = app.register("bob").await;
        let patch = |name: &str| json!({"profile": {"name": name}});
        let key = [(KEY, "the-same")];
        let (own, other, service, admin) = (app.user(id(&alice)), app.user(id(&bob)), app.service(), app.admin().await);
        for (caller, name) in [(&own, "a"), (&other, "b"), (&admin, "c")] {
            let patched = caller.patch_with("/v1/users/me", &patch(name), &key).await;
            assert_eq!((patched.status, patched.header("idempotency-replayed")), (200, ""), "{}", patched.text);
            assert_eq!(patched.json["profile"]["name"], name);
            let replay = caller.patch_with("/v1/users/me", &patch(name), &key).await;
            assert_replays(&replay, &patched);
        }
        let patched = service.patch_with(&path(&alice), &patch("d"), &key).await;
        assert_eq!((patched.status, patched.version()), (200, 3), "{}", patched.text);
    }

    async fn a_replay_has_the_first_status_and_the_current_user(app: &TestApp) {
        let service = app.service();
        let body = json!({"username": "alice", "email": "alice@example.org"});
        let key = [(KEY, "create")];
        let made = service.post_with("/v1/users", &body, &key).await;
        let user = format!("/v1/users/{}", made.id());
        let patched = service.patch(&user, &json!({"profile": {"name": "Today"}})).await;
        let replay = service.post_with("/v1/users", &body, &key).await;
        assert_eq!((replay.status, replay.header("idempotency-replayed")), (201, "true"));
        assert_eq!(replay.json, patched.json);
        assert_eq!(replay.version_and_view(), "2-full");
        assert_view(&replay.json, "full");
        assert_eq!(service.delete(&user).await.status, 204);
        let replay = service.post_with("/v1/users", &body, &key).await;
        assert_eq!((replay.status, replay.header("idempotency-replayed")), (201, "true"), "{}", replay.text);
        assert_eq!((replay.id(), &replay.json["status"]), (made.id(), &json!("deleted")));
        assert_eq!(replay.header("location"), made.header("location"));
        assert_view(&replay.json, "full");
        assert_eq!(service.delete(&format!("{user}?erase=true")).await.status, 204);
        let replay = service.post_with("/v1/users", &body, &key).await;
        assert_problem(&replay, 404, "user_not_found");
        assert_eq!(replay.header("idempotency-replayed"), "true");
    }

    async fn only_successful_writes_are_stored(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        let body = json!({"username": "bob", "email": "alice@example.org"});
        let key = [(KEY, "k")];
        assert_problem(&service.post_with("/v1/users", &body, &key).await, 409, "email_taken");
        let faulty = service.post_with("/v1/users", &json!({"username": "b"}), &key).await;
        assert_faults(&faulty, &[("/username", "too_short"), ("/email", "required")]);
        let stale = service.patch_with(&path(&user), &json!({}), &[(KEY, "k"), ("If-Match", "\"9\"")]).await;
        assert_problem(&stale, 412, "precondition_failed");
        service.patch(&path(&user), &json!({"email": "other@example.org"})).await;
        let made = service.post_with("/v1/users", &body, &key).await;
        assert_eq!((made.status, made.header("idempotency-replayed")), (201, ""), "{}", made.text);
        // A write that changes nothing is also a success.
        let key = [(KEY, "nothing")];
        let same = service.patch_with(&path(&user), &json!({}), &key).await;
        assert_eq!(same.version(), 2);
        service.patch(&path(&user), &json!({"profile": {"name": "x"}})).await;
        let replay = service.patch_with(&path(&user), &json!({}), &key).await;
        assert_eq!((replay.header("idempotency-replayed"), replay.version()), ("true", 3));
    }

    async fn another_replica_replays_a_write(app: &TestApp) {
        let body = json!({"username": "alice", "email": "alice@example.org"});
        let first = app.service().post_with("/v1/users", &body, &[(KEY, "k")]).await;
        let replica = app.replica().await;
        let replay = replica.service().post_with("/v1/users", &body, &[(KEY, "k")]).await;
        assert_replays(&replay, &first);
        let reused = replica.service().post_with("/v1/users", &json!({"username": "bob", "email": "bob@example.org"}), &[(KEY, "k")]).await;
        assert_problem(&reused, 422, "idempotency_key_reused");
        replica.stop().await;
    }

    async fn a_key_is_a_single_header_of_1_to_255_visible_characters(app: &TestApp) {
        let user = app.register("alice").await;
        let service = app.service();
        let patch = json!({"profile": {"name": "A"}});
        let long = "k".repeat(256);
        for key in ["", " ", "a b", "é", "a\tb", &long] {
            let refused = [
                service.patch_with(&path(&user), &patch, &[(KEY, key)]).await,
                service.post_with("/v1/users", &json!({}), &[(KEY, key)]).await,
                service.put_with(&path(&user), &json!({}), &[(KEY, key)]).await,
                service.delete_with(&path(&user), &[(KEY, key)]).await,
                service.post_empty(&format!("{}/suspend", path(&user)), &[(KEY, key)]).await,
            ];
            for reply in refused {
                assert_problem(&reply, 400, "invalid_header");
            }
        }
        let repeated = service.patch_with(&path(&user), &patch, &[(KEY, "a"), (KEY, "a")]).await;
        assert_problem(&repeated, 400, "invalid_header");
        assert_eq!(version(app, &path(&user)).await, 1);
        for (n, key) in (2..).zip([&long[1..], "!", "~{}[]\"\\;,", "0"]) {
            let patched = service.patch_with(&path(&user), &json!({"profile": {"name": n.to_string()}}), &[(KEY, key)]).await;
            assert_eq!((patched.status, patched.version()), (200, n), "{key}");
        }
    }

    async fn a_read_ignores_its_idempotency_key(app: &TestApp) {
        let user = app.register("alice").await;
        for key in ["k", "a b"] {
            let read = app.service().get_with(&path(&user), &[(KEY, key)]).await;
            assert_eq!((read.status, read.header("idempotency-replayed")), (200, ""));
        }
        let batch = send(&app.service(), Method::POST, "/v1/users/batch", "application/json", r#"{"ids":[]}"#).await;
        assert_eq!(batch.status, 200);
    }
}
