//! Replays of writes that removed what their repetition would need.

use reqwest::Method;
use serde_json::{Value, json};
use user_tests::{Reply, TestApp, TestClient, on_each_store};

use super::{KEY, assert_replays, twice};
use crate::common::{assert_problem, claiming_admin, id, path};

/// Sends a write without a body with a key.
async fn keyed(caller: &TestClient<'_>, method: Method, path: &str, key: &str) -> Reply {
    Reply::send(caller.request(method, path).header(KEY, key)).await
}

/// Registers an administrator with this name.
async fn administrator(app: &TestApp, name: &str) -> Value {
    let body =
        json!({"username": name, "email": format!("{name}@example.org"), "roles": ["admin"]});
    let made = app.service().post("/v1/users", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.json
}

/// Asserts that a response is a replay with this status and any body.
#[track_caller]
fn assert_replayed(reply: &Reply, status: u16) {
    let outcome = (reply.status, reply.header("idempotency-replayed"));
    assert_eq!(outcome, (status, "true"), "{}", reply.text);
}

on_each_store! {
    async fn a_users_own_deletion_is_replayed(app: &TestApp) {
        let alice = app.register("alice").await;
        let own = app.user(id(&alice));
        let [first, replay] = twice(&own, Method::DELETE, &path(&alice), "", "delete").await;
        assert_eq!(first.status, 204, "{}", first.text);
        assert_replays(&replay, &first);
        // Nothing else is accepted: no other key, no other request with this key, and no read.
        for refused in [
            keyed(&own, Method::DELETE, &path(&alice), "other").await,
            keyed(&own, Method::DELETE, &format!("{}?erase=false", path(&alice)), "delete").await,
            own.delete(&path(&alice)).await,
            own.get_with("/v1/users/me", &[(KEY, "delete")]).await,
            own.patch_with("/v1/users/me", &json!({}), &[(KEY, "delete")]).await,
        ] {
            assert_problem(&refused, 401, "invalid_token");
        }
        app.service().post_empty(&format!("{}/restore", path(&alice)), &[]).await;
        // A restored user needs a new token.
        assert_problem(&own.get("/v1/users/me").await, 401, "invalid_token");
    }

    async fn every_write_is_replayed_after_its_caller_deleted_itself(app: &TestApp) {
        let alice = app.register("alice").await;
        let bob = app.register("bob").await;
        let own = app.user(id(&alice));
        let patch = json!({"profile": {"name": "Alice"}});
        let patched = own.patch_with("/v1/users/me", &patch, &[(KEY, "patch")]).await;
        assert_eq!(patched.status, 200, "{}", patched.text);
        let follow = format!("{}/following/{}", path(&alice), id(&bob));
        assert_eq!(keyed(&own, Method::PUT, &follow, "follow").await.status, 204);
        assert_eq!(own.delete(&path(&alice)).await.status, 204);
        let replay = own.patch_with("/v1/users/me", &patch, &[(KEY, "patch")]).await;
        assert_replayed(&replay, 200);
        assert_eq!((replay.id(), &replay.json["status"]), (id(&alice), &json!("deleted")));
        assert_eq!(replay.json["email"], "alice@example.org");
        assert_eq!(replay.json["metadata"].get("private"), None);
        assert_replayed(&keyed(&own, Method::PUT, &follow, "follow").await, 204);
    }

    async fn a_replay_belongs_to_its_caller(app: &TestApp) {
        let (alice, bob) = (app.register("alice").await, app.register("bob").await);
        let own = app.user(id(&alice));
        assert_eq!(keyed(&own, Method::DELETE, &path(&alice), "delete").await.status, 204);
        let refused = keyed(&app.user(id(&bob)), Method::DELETE, &path(&alice), "delete").await;
        assert_problem(&refused, 403, "forbidden");
        let mut expired = user_tests::claims(id(&alice));
        expired["exp"] = json!(1);
        let expired = app.authorized(format!("Bearer {}", user_tests::sign(&expired)));
        let refused = keyed(&expired, Method::DELETE, &path(&alice), "delete").await;
        assert_problem(&refused, 401, "invalid_token");
        let forged = format!("Bearer {}x", user_tests::sign(&user_tests::claims(id(&alice))));
        let refused = keyed(&app.authorized(forged), Method::DELETE, &path(&alice), "delete").await;
        assert_problem(&refused, 401, "invalid_token");
    }

    async fn a_revoked_token_can_replay_only_its_own_sign_out(app: &TestApp) {
        let alice = app.register("alice").await;
        let own = app.user(id(&alice));
        let patch = json!({"profile": {"name": "Alice"}});
        assert_eq!(own.patch_with("/v1/users/me", &patch, &[(KEY, "patch")]).await.status, 200);
        let sign_out = format!("{}/sign-out", path(&alice));
        let first = keyed(&own, Method::POST, &sign_out, "sign-out").await;
        assert_eq!(first.status, 200, "{}", first.text);
        let replay = keyed(&own, Method::POST, &sign_out, "sign-out").await;
        // The token may be stolen, so the replay contains nothing that its owner has written since.
        assert_replayed(&replay, 200);
        assert_eq!(replay.id(), id(&alice));
        assert_eq!(replay.json.get("email"), None, "{}", replay.text);
        let refused = own.patch_with("/v1/users/me", &patch, &[(KEY, "patch")]).await;
        assert_problem(&refused, 401, "invalid_token");
        assert_problem(&own.get("/v1/users/me").await, 401, "invalid_token");
    }

    async fn an_administrator_dropping_its_role_is_replayed(app: &TestApp) {
        let ada = administrator(app, "ada").await;
        let admin = claiming_admin(app, id(&ada));
        let verb = format!("{}/suspend", path(&app.register("alice").await));
        let [first, replay] = twice(&admin, Method::POST, &verb, "", "suspend").await;
        assert_eq!(first.status, 200, "{}", first.text);
        assert_replays(&replay, &first);
        let [first, replay] = twice(&admin, Method::PATCH, &path(&ada), r#"{"roles":[]}"#, "roles").await;
        assert_eq!(first.status, 200, "{}", first.text);
        assert_replayed(&replay, 200);
        assert_eq!((replay.id(), &replay.json["roles"]), (id(&ada), &json!([])));
        // From now on it gets the public view of other users.
        let replay = keyed(&admin, Method::POST, &verb, "suspend").await;
        assert_replayed(&replay, 200);
        assert_eq!(replay.json.get("email"), None, "{}", replay.text);
    }

    async fn an_administrator_suspending_itself_is_replayed(app: &TestApp) {
        let ada = administrator(app, "ada").await;
        let admin = claiming_admin(app, id(&ada));
        let verb = format!("{}/suspend", path(&ada));
        assert_eq!(keyed(&admin, Method::POST, &verb, "itself").await.status, 200);
        assert_replayed(&keyed(&admin, Method::POST, &verb, "itself").await, 200);
        assert_problem(&admin.get("/v1/users/me").await, 401, "invalid_token");
    }

    async fn a_users_own_erasure_is_replayed(app: &TestApp) {
        let ada = administrator(app, "ada").await;
        let admin = claiming_admin(app, id(&ada));
        let erase = format!("{}?erase=true", path(&ada));
        let [first, replay] = twice(&admin, Method::DELETE, &erase, "", "erase").await;
        assert_eq!(first.status, 204, "{}", first.text);
        assert_replays(&replay, &first);
    }

    async fn password_changes_are_replayed_after_the_user_is_deleted(app: &TestApp) {
        let alice = app.register("alice").await;
        let password = format!("{}/password", path(&alice));
        let service = app.service();
        let set = r#"{"password":"correct horse battery"}"#;
        let [first, replay] = twice(&service, Method::PUT, &password, set, "set").await;
        assert_eq!(first.status, 204, "{}", first.text);
        assert_replays(&replay, &first);
        let [first, _] = twice(&service, Method::DELETE, &password, "", "remove").await;
        assert_eq!(first.status, 204, "{}", first.text);
        for erase in ["", "?erase=true"] {
            assert_eq!(service.delete(&format!("{}{erase}", path(&alice))).await.status, 204);
            for (method, body, key) in [(Method::PUT, set, "set"), (Method::DELETE, "", "remove")] {
                let [replay, _] = twice(&service, method, &password, body, key).await;
                assert_replayed(&replay, 204);
            }
        }
    }

    async fn a_follow_is_replayed_after_its_target_is_deleted(app: &TestApp) {
        let (alice, bob) = (app.register("alice").await, app.register("bob").await);
        let own = app.user(id(&alice));
        let follow = format!("{}/following/{}", path(&alice), id(&bob));
        assert_eq!(keyed(&own, Method::PUT, &follow, "follow").await.status, 204);
        let block = format!("{}/blocks/{}", path(&bob), id(&alice));
        let blocked = keyed(&app.user(id(&bob)), Method::PUT, &block, "block").await;
        assert_eq!(blocked.status, 204, "{}", blocked.text);
        assert_replayed(&keyed(&own, Method::PUT, &follow, "follow").await, 204);
        assert_eq!(app.service().delete(&path(&bob)).await.status, 204);
        assert_replayed(&keyed(&own, Method::PUT, &follow, "follow").await, 204);
        assert_replayed(&keyed(&app.user(id(&bob)), Method::PUT, &block, "block").await, 204);
    }

    async fn a_service_token_revoking_itself_is_replayed(app: &TestApp) {
        let body = json!({"name": "deployer", "scopes": ["tokens:admin", "users:write"]});
        let made = app.service().post("/v1/tokens", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let token = app.authorized(format!("Bearer {}", made.json["token"].as_str().unwrap()));
        let user = json!({"username": "alice", "email": "alice@example.org"});
        assert_eq!(token.post_with("/v1/users", &user, &[(KEY, "create")]).await.status, 201);
        let revoke = format!("/v1/tokens/{}", made.id());
        let [first, replay] = twice(&token, Method::DELETE, &revoke, "", "revoke").await;
        assert_eq!(first.status, 204, "{}", first.text);
        assert_replays(&replay, &first);
        let refused = keyed(&token, Method::DELETE, &revoke, "other").await;
        assert_problem(&refused, 401, "invalid_token");
        let refused = token.post_with("/v1/users", &user, &[(KEY, "create")]).await;
        assert_problem(&refused, 401, "invalid_token");
    }

    async fn a_revocation_key_cannot_revoke_another_token(app: &TestApp) {
        let body = json!({"name": "deployer", "scopes": ["users:read"]});
        let mut paths = Vec::new();
        for _ in 0..2 {
            paths.push(format!("/v1/tokens/{}", app.service().post("/v1/tokens", &body).await.id()));
        }
        let [first, replay] = twice(&app.service(), Method::DELETE, &paths[0], "", "one").await;
        assert_replays(&replay, &first);
        let reused = keyed(&app.service(), Method::DELETE, &paths[1], "one").await;
        assert_problem(&reused, 422, "idempotency_key_reused");
    }
}
