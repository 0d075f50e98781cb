//! The endpoint `/v1/tokens`, and the permissions of its tokens.

mod commands;
mod revocation;
mod scopes;

use serde_json::{Value, json};
use user_tests::{API_TOKEN, Reply, TestApp, TestClient, on_each_store};

use crate::common::{assert_faults, assert_problem, claiming_admin, id, members};

const MEMBERS: [&str; 8] = [
    "created_at",
    "created_by",
    "expires_at",
    "id",
    "last_used_at",
    "name",
    "revoked_at",
    "scopes",
];

/// Creates a token as a service with all scopes.
async fn create_token(app: &TestApp, body: &Value) -> Reply {
    let reply = app.service().post("/v1/tokens", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply
}

/// Creates a token with these scopes, and returns its id and the token.
async fn create_with_scopes(app: &TestApp, scopes: &[&str]) -> (String, String) {
    let reply = create_token(app, &json!({"name": "posts", "scopes": scopes})).await;
    let token = reply.json["token"].as_str().unwrap().to_owned();
    (reply.id().to_owned(), token)
}

fn client_with_token<'a>(app: &'a TestApp, token: &str) -> TestClient<'a> {
    app.authorized(format!("Bearer {token}"))
}

/// A token in the list, which contains revoked tokens too.
async fn listed(app: &TestApp, id: &str) -> Value {
    let reply = app.service().get("/v1/tokens").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let tokens = reply.json["tokens"].as_array().unwrap();
    let token = tokens.iter().find(|token| token["id"] == json!(id));
    token.unwrap().clone()
}

async fn shown(app: &TestApp, id: &str) -> Value {
    let reply = app.service().get(&format!("/v1/tokens/{id}")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.json
}

on_each_store! {
    async fn a_created_token_is_shown_only_in_its_response(app: &TestApp) {
        let body = json!({
            "name": "posts:v2",
            "scopes": ["users:write", "users:read", "users:read"],
            "expires_at": "2030-01-02T03:04:05Z",
        });
        let created = create_token(app, &body).await;
        let token = created.json["token"].as_str().unwrap();
        let (prefix, rest) = token.split_at(4);
        let (token_id, secret) = rest.split_once('_').unwrap();
        assert_eq!((prefix, token_id.len(), secret.len()), ("ust_", 32, 43));
        assert_eq!(token_id, created.id().replace('-', ""));
        assert_eq!(created.header("location"), format!("/v1/tokens/{}", created.id()));
        assert_eq!(created.header("cache-control"), "no-store");
        assert_eq!(created.json["scopes"], json!(["users:read", "users:write"]));
        assert_eq!(created.json["expires_at"], json!("2030-01-02T03:04:05.000000Z"));
        assert!(created.json["created_by"].as_str().unwrap().starts_with("service:token-"));

        let found = app.service().get(created.header("location")).await;
        assert_eq!(found.header("cache-control"), "no-store");
        assert_eq!(members(&found.json), MEMBERS);
        let mut expected = created.json.clone();
        expected.as_object_mut().unwrap().remove("token");
        assert_eq!(found.json, expected);
        assert!(!found.text.contains(secret));
        let listed = app.service().get("/v1/tokens").await;
        assert_eq!((listed.status, &listed.json["tokens"]), (200, &json!([found.json])));
        assert!(!listed.text.contains(secret));
    }

    async fn tokens_are_listed_in_pages(app: &TestApp) {
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(create_with_scopes(app, &["users:read"]).await.0);
        }
        ids.reverse();
        let first = app.service().get("/v1/tokens?limit=2").await;
        let names = |reply: &Reply| -> Vec<String> {
            let tokens = reply.json["tokens"].as_array().unwrap();
            tokens.iter().map(|token| token["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&first), ids[..2]);
        let cursor = first.json["next_cursor"].as_str().unwrap();
        let next = format!("/v1/tokens?limit=2&cursor={cursor}");
        assert_eq!(first.header("link"), format!("<{next}>; rel=\"next\""));
        let second = app.service().get(&next).await;
        assert_eq!((names(&second), &second.json["next_cursor"]), (ids[2..].to_vec(), &Value::Null));
        let foreign = format!("/v1/users?cursor={cursor}");
        assert_problem(&app.service().get(&foreign).await, 400, "invalid_cursor");
        assert_problem(&app.service().get("/v1/tokens?cursor=x").await, 400, "invalid_cursor");
        assert_problem(&app.service().get("/v1/tokens?limit=201").await, 422, "invalid");
    }

    async fn a_token_is_accepted_in_each_credential_header(app: &TestApp) {
        let (_, token) = create_with_scopes(app, &["users:read"]).await;
        let count = "/v1/users/count";
        assert_eq!(client_with_token(app, &token).get(count).await.status, 200);
        assert_eq!(app.authorized(token.clone()).get(count).await.status, 200);
        let header = [("X-API-Token", token.as_str())];
        assert_eq!(app.anonymous().get_with(count, &header).await.status, 200);
    }

    async fn altered_tokens_are_invalid(app: &TestApp) {
        let (id, token) = create_with_scopes(app, &["users:read"]).await;
        let (_, other) = create_with_scopes(app, &["users:read"]).await;
        let swapped = format!("{}{}", &token[..37], &other[37..]);
        let unknown = format!("ust_{}{}", "0".repeat(32), &token[36..]);
        for token in [swapped, unknown, token.to_uppercase(), token[..79].to_owned(), id] {
            let reply = client_with_token(app, &token).get("/v1/users/count").await;
            assert_problem(&reply, 401, "invalid_token");
        }
    }

    async fn a_revoked_token_is_refused_at_once_and_stays_in_the_list(app: &TestApp) {
        let (id, token) = create_with_scopes(app, &["users:read"]).await;
        let (_, other) = create_with_scopes(app, &["users:read"]).await;
        for _ in 0..3 {
            assert_eq!(client_with_token(app, &token).get("/v1/users/count").await.status, 200);
        }
        let path = format!("/v1/tokens/{id}");
        let revoked = app.service().delete(&path).await;
        assert_eq!((revoked.status, revoked.text.as_str()), (204, ""));
        assert_eq!(revoked.header("cache-control"), "no-store");
        let refused = client_with_token(app, &token).get("/v1/users/count").await;
        assert_problem(&refused, 401, "invalid_token");
        let first = listed(app, &id).await;
        assert!(first["revoked_at"].is_string());
        assert_eq!(app.service().delete(&path).await.status, 204);
        assert_eq!(listed(app, &id).await, first);
        assert_problem(&app.service().get(&path).await, 404, "not_found");
        assert_eq!(client_with_token(app, &other).get("/v1/users/count").await.status, 200);
    }

    async fn a_token_expires_at_its_expiry_time(app: &TestApp) {
        let reply = create_token(app, &json!({"name": "posts", "scopes": ["users:read"], "expires_in": 1})).await;
        let token = reply.json["token"].as_str().unwrap();
        let started = std::time::Instant::now();
        while client_with_token(app, token).get("/v1/users/count").await.status == 200 {
            assert!(started.elapsed() < std::time::Duration::from_secs(20), "the token does not expire");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let refused = client_with_token(app, token).get("/v1/users/count").await;
        assert_problem(&refused, 401, "invalid_token");
    }

    async fn all_errors_of_a_token_are_reported_together(app: &TestApp) {
        let post = async |body: Value| app.service().post("/v1/tokens", &body).await;
        assert_faults(&post(json!({})).await, &[("/name", "required"), ("/scopes", "required")]);
        assert_faults(
            &post(json!({
                "name": "Posts", "scopes": ["users:read", "users:eat"], "expires_in": 0, "token": "mine",
            }))
            .await,
            &[
                ("/name", "forbidden_character"),
                ("/scopes/1", "unknown_scope"),
                ("/expires_in", "out_of_range"),
                ("/token", "unknown_field"),
            ],
        );
        assert_faults(
            &post(json!({"name": "token-1", "scopes": [], "expires_at": "2020-01-01T00:00:00Z"})).await,
            &[("/name", "reserved"), ("/scopes", "too_few"), ("/expires_at", "out_of_range")],
        );
        assert_faults(
            &post(json!({"name": 1, "scopes": ["users:read"], "expires_in": "90d"})).await,
            &[("/name", "type"), ("/expires_in", "type")],
        );
    }

    async fn an_idempotency_key_is_refused_because_a_replay_has_no_token(app: &TestApp) {
        let key = [("Idempotency-Key", "k")];
        let body = json!({"name": "posts", "scopes": ["users:read"]});
        let reply = app.service().post_with("/v1/tokens", &body, &key).await;
        assert_problem(&reply, 400, "invalid_header");
        assert_eq!(app.service().get("/v1/tokens").await.json, json!({"tokens": [], "next_cursor": null}));
    }

    async fn an_unknown_token_is_a_404(app: &TestApp) {
        for id in ["0199b8f2-7c1e-7000-8000-00000000000a", "nonsense"] {
            let path = format!("/v1/tokens/{id}");
            assert_problem(&app.service().get(&path).await, 404, "not_found");
            assert_problem(&app.service().delete(&path).await, 404, "not_found");
        }
    }

    async fn users_and_administrators_cannot_manage_tokens(app: &TestApp) {
        let (token, _) = create_with_scopes(app, &["users:read"]).await;
        let ann = app.register("ann").await;
        for caller in [app.user(id(&ann)), claiming_admin(app, id(&ann)), app.admin().await] {
            let path = format!("/v1/tokens/{token}");
            let body = json!({"name": "posts", "scopes": ["users:read"]});
            assert_problem(&caller.get("/v1/tokens").await, 403, "forbidden");
            assert_problem(&caller.post("/v1/tokens", &body).await, 403, "forbidden");
            assert_problem(&caller.get(&path).await, 403, "forbidden");
            assert_problem(&caller.delete(&path).await, 403, "forbidden");
        }
        assert_problem(&app.anonymous().get("/v1/tokens").await, 401, "missing_credentials");
    }

    async fn a_token_cannot_create_a_token_with_more_scopes(app: &TestApp) {
        let (_, token) = create_with_scopes(app, &["tokens:admin", "users:read"]).await;
        let creator = client_with_token(app, &token);
        let create = async |scopes: &[&str]| {
            creator.post("/v1/tokens", &json!({"name": "child", "scopes": scopes})).await
        };
        let child = create(&["users:read"]).await;
        assert_eq!((child.status, &child.json["created_by"]), (201, &json!("service:posts")));
        let refused = create(&["users:read", "users:write", "roles:write"]).await;
        assert_problem(&refused, 403, "insufficient_scope");
        assert_eq!(refused.json["required_scope"], json!("users:write"));
    }

    async fn events_name_the_service_of_the_token(app: &TestApp) {
        let (_, token) = create_with_scopes(app, &["users:write"]).await;
        let body = json!({"username": "ann", "email": "ann@example.org"});
        let user = client_with_token(app, &token).post("/v1/users", &body).await;
        assert_eq!(user.status, 201, "{}", user.text);
        let export = app.service().get(&format!("/v1/users/{}/export", user.id())).await;
        assert_eq!(export.json["events"][0]["actor"], json!("service:posts"));
    }

    async fn the_last_use_is_visible_on_other_replicas_and_after_shutdown(app: &TestApp) {
        let (id, token) = create_with_scopes(app, &["users:read"]).await;
        assert_eq!(shown(app, &id).await["last_used_at"], json!(null));
        let replica = app.replica().await;
        assert_eq!(client_with_token(&replica, &token).get("/v1/users/count").await.status, 200);
        replica.composition().write_token_uses().await;
        let first = shown(app, &id).await["last_used_at"].as_str().unwrap().to_owned();
        // A use is recorded at most once per second.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        assert_eq!(client_with_token(&replica, &token).get("/v1/users/count").await.status, 200);
        replica.stop().await;
        let last = shown(app, &id).await["last_used_at"].as_str().unwrap().to_owned();
        assert!(last > first, "{last} after {first}");
    }

    async fn tokens_from_the_settings_work_and_are_not_listed(app: &TestApp) {
        assert_eq!(client_with_token(app, API_TOKEN).get("/v1/tokens").await.json, json!({"tokens": [], "next_cursor": null}));
    }
}
