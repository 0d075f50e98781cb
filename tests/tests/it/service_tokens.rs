//! `/v1/tokens`, and what the tokens made there admit to.

mod commands;
mod revocation;
mod scopes;

use serde_json::{Value, json};
use user_tests::{API_TOKEN, As, Reply, TestApp, on_each_store};

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

/// Makes a token as a service with all scopes.
async fn made(app: &TestApp, body: &Value) -> Reply {
    let reply = app.service().post("/v1/tokens", body).await;
    assert_eq!(reply.status, 201, "{}", reply.text);
    reply
}

/// Makes a token with these scopes, and gives its id and the token.
async fn made_with(app: &TestApp, scopes: &[&str]) -> (String, String) {
    let reply = made(app, &json!({"name": "posts", "scopes": scopes})).await;
    let token = reply.json["token"].as_str().unwrap().to_owned();
    (reply.id().to_owned(), token)
}

fn bearing<'a>(app: &'a TestApp, token: &str) -> As<'a> {
    app.authorized(format!("Bearer {token}"))
}

/// A token as the list shows it, whatever has become of it.
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
    async fn a_token_is_shown_once_with_all_that_was_asked_for(app: &TestApp) {
        let body = json!({
            "name": "posts:v2",
            "scopes": ["users:write", "users:read", "users:read"],
            "expires_at": "2030-01-02T03:04:05Z",
        });
        let made = made(app, &body).await;
        let token = made.json["token"].as_str().unwrap();
        let (prefix, rest) = token.split_at(4);
        let (of, secret) = rest.split_once('_').unwrap();
        assert_eq!((prefix, of.len(), secret.len()), ("ust_", 32, 43));
        assert_eq!(of, made.id().replace('-', ""));
        assert_eq!(made.header("location"), format!("/v1/tokens/{}", made.id()));
        assert_eq!(made.header("cache-control"), "no-store");
        assert_eq!(made.json["scopes"], json!(["users:read", "users:write"]));
        assert_eq!(made.json["expires_at"], json!("2030-01-02T03:04:05.000000Z"));
        assert!(made.json["created_by"].as_str().unwrap().starts_with("service:token-"));

        let found = app.service().get(made.header("location")).await;
        assert_eq!(found.header("cache-control"), "no-store");
        assert_eq!(members(&found.json), MEMBERS);
        let mut expected = made.json.clone();
        expected.as_object_mut().unwrap().remove("token");
        assert_eq!(found.json, expected);
        assert!(!found.text.contains(secret));
        let listed = app.service().get("/v1/tokens").await;
        assert_eq!((listed.status, &listed.json["tokens"]), (200, &json!([found.json])));
        assert!(!listed.text.contains(secret));
    }

    async fn a_token_is_taken_in_each_form_of_a_credential(app: &TestApp) {
        let (_, token) = made_with(app, &["users:read"]).await;
        let count = "/v1/users/count";
        assert_eq!(bearing(app, &token).get(count).await.status, 200);
        assert_eq!(app.authorized(token.clone()).get(count).await.status, 200);
        let header = [("X-API-Token", token.as_str())];
        assert_eq!(app.anonymous().get_with(count, &header).await.status, 200);
    }

    async fn what_is_not_quite_a_token_is_nobodys(app: &TestApp) {
        let (of, token) = made_with(app, &["users:read"]).await;
        let (_, other) = made_with(app, &["users:read"]).await;
        let swapped = format!("{}{}", &token[..37], &other[37..]);
        let unknown = format!("ust_{}{}", "0".repeat(32), &token[36..]);
        for token in [swapped, unknown, token.to_uppercase(), token[..79].to_owned(), of] {
            let reply = bearing(app, &token).get("/v1/users/count").await;
            assert_problem(&reply, 401, "invalid_token");
        }
    }

    async fn a_revoked_token_is_refused_at_once_and_stays_in_the_list(app: &TestApp) {
        let (id, token) = made_with(app, &["users:read"]).await;
        let (_, kept) = made_with(app, &["users:read"]).await;
        for _ in 0..3 {
            assert_eq!(bearing(app, &token).get("/v1/users/count").await.status, 200);
        }
        let path = format!("/v1/tokens/{id}");
        let revoked = app.service().delete(&path).await;
        assert_eq!((revoked.status, revoked.text.as_str()), (204, ""));
        assert_eq!(revoked.header("cache-control"), "no-store");
        let refused = bearing(app, &token).get("/v1/users/count").await;
        assert_problem(&refused, 401, "invalid_token");
        let first = listed(app, &id).await;
        assert!(first["revoked_at"].is_string());
        assert_eq!(app.service().delete(&path).await.status, 204);
        assert_eq!(listed(app, &id).await, first);
        assert_problem(&app.service().get(&path).await, 404, "not_found");
        assert_eq!(bearing(app, &kept).get("/v1/users/count").await.status, 200);
    }

    async fn a_token_ends_when_it_was_told_to(app: &TestApp) {
        let reply = made(app, &json!({"name": "posts", "scopes": ["users:read"], "expires_in": 1})).await;
        let token = reply.json["token"].as_str().unwrap();
        let begun = std::time::Instant::now();
        while bearing(app, token).get("/v1/users/count").await.status == 200 {
            assert!(begun.elapsed() < std::time::Duration::from_secs(20), "it does not end");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let refused = bearing(app, token).get("/v1/users/count").await;
        assert_problem(&refused, 401, "invalid_token");
    }

    async fn all_faults_of_a_token_are_told_at_once(app: &TestApp) {
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

    async fn a_repetition_could_not_show_the_token_and_is_not_taken(app: &TestApp) {
        let key = [("Idempotency-Key", "k")];
        let body = json!({"name": "posts", "scopes": ["users:read"]});
        let reply = app.service().post_with("/v1/tokens", &body, &key).await;
        assert_problem(&reply, 400, "invalid_header");
        assert_eq!(app.service().get("/v1/tokens").await.json, json!({"tokens": []}));
    }

    async fn a_token_that_is_not_there_is_a_404(app: &TestApp) {
        for id in ["0199b8f2-7c1e-7000-8000-00000000000a", "nonsense"] {
            let path = format!("/v1/tokens/{id}");
            assert_problem(&app.service().get(&path).await, 404, "not_found");
            assert_problem(&app.service().delete(&path).await, 404, "not_found");
        }
    }

    async fn people_manage_no_tokens_not_even_administrators(app: &TestApp) {
        let (token, _) = made_with(app, &["users:read"]).await;
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

    async fn no_token_leads_to_more_than_its_maker_may_do(app: &TestApp) {
        let (_, token) = made_with(app, &["tokens:admin", "users:read"]).await;
        let maker = bearing(app, &token);
        let give = async |scopes: &[&str]| {
            maker.post("/v1/tokens", &json!({"name": "child", "scopes": scopes})).await
        };
        let child = give(&["users:read"]).await;
        assert_eq!((child.status, &child.json["created_by"]), (201, &json!("service:posts")));
        let refused = give(&["users:read", "users:write", "roles:write"]).await;
        assert_problem(&refused, 403, "insufficient_scope");
        assert_eq!(refused.json["required_scope"], json!("users:write"));
    }

    async fn writes_name_the_service_of_the_token(app: &TestApp) {
        let (_, token) = made_with(app, &["users:write"]).await;
        let body = json!({"username": "ann", "email": "ann@example.org"});
        let user = bearing(app, &token).post("/v1/users", &body).await;
        assert_eq!(user.status, 201, "{}", user.text);
        let export = app.service().get(&format!("/v1/users/{}/export", user.id())).await;
        assert_eq!(export.json["events"][0]["actor"], json!("service:posts"));
    }

    async fn the_last_use_is_seen_on_another_replica_and_after_a_drain(app: &TestApp) {
        let (id, token) = made_with(app, &["users:read"]).await;
        assert_eq!(shown(app, &id).await["last_used_at"], json!(null));
        let replica = app.replica().await;
        assert_eq!(bearing(&replica, &token).get("/v1/users/count").await.status, 200);
        replica.composition().note_token_uses().await;
        let first = shown(app, &id).await["last_used_at"].as_str().unwrap().to_owned();
        // A use is taken note of once a second.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        assert_eq!(bearing(&replica, &token).get("/v1/users/count").await.status, 200);
        replica.stop().await;
        let last = shown(app, &id).await["last_used_at"].as_str().unwrap().to_owned();
        assert!(last > first, "{last} after {first}");
    }

    async fn the_tokens_of_the_settings_stay_and_are_not_listed(app: &TestApp) {
        assert_eq!(bearing(app, API_TOKEN).get("/v1/tokens").await.json, json!({"tokens": []}));
    }
}
