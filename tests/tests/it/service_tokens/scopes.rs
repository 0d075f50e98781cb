//! Each request needs its documented scopes and no others.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use user_tests::{Reply, TestApp, on_each_store};

use super::{client_with_token, create_with_scopes};
use crate::common::{assert_problem, assert_view, id, register_full_user};

const SCOPES: [&str; 11] = [
    "users:read",
    "users:read_private",
    "users:write",
    "users:delete",
    "roles:write",
    "credentials:write",
    "credentials:verify",
    "relationships:write",
    "events:read",
    "events:admin",
    "tokens:admin",
];

/// An id without a user or token. A permitted request gets a 404.
const UNKNOWN_ID: &str = "0199b8f2-7c1e-7000-8000-00000000dead";

/// Another id without a user.
const OTHER_UNKNOWN_ID: &str = "0199b8f2-7c1e-7000-8000-00000000beef";

/// A request, with its path in the API description.
struct ApiRequest {
    method: Method,
    path: &'static str,
    query: &'static str,
    body: Option<Value>,
    /// The required scopes, in the order in which they are checked. Empty if no service may send it.
    needs: &'static [&'static str],
}

fn request(method: Method, path: &'static str, needs: &'static [&'static str]) -> ApiRequest {
    ApiRequest {
        method,
        path,
        query: "",
        body: None,
        needs,
    }
}

impl ApiRequest {
    fn query(self, query: &'static str) -> Self {
        Self { query, ..self }
    }

    fn body(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// Sends the request with a token.
    async fn send(&self, app: &TestApp, token: &str) -> Reply {
        let path = self
            .path
            .replace("{id}", UNKNOWN_ID)
            .replace("{target}", OTHER_UNKNOWN_ID)
            .replace("{username}", "nobody")
            .replace("{external_id}", "nobody")
            .replace("{name}", "nobody")
            .replace("{consumer}", "nobody");
        let request = client_with_token(app, token)
            .request(self.method.clone(), &format!("{path}{}", self.query))
            .header("If-Match", "*");
        Reply::send(match &self.body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }
}

const READ: &[&str] = &["users:read"];
const WRITE: &[&str] = &["users:write"];
const DELETE: &[&str] = &["users:delete"];
const PRIVATE: &[&str] = &["users:read_private"];
const READ_PRIVATE: &[&str] = &["users:read", "users:read_private"];
const WRITE_ROLES: &[&str] = &["users:write", "roles:write"];
const TOKENS: &[&str] = &["tokens:admin"];
const EVENTS: &[&str] = &["events:read"];
const EVENTS_ADMIN: &[&str] = &["events:admin"];
const PASSWORDS: &[&str] = &["credentials:write"];
const RELATE: &[&str] = &["relationships:write"];

/// Every operation. One whose scopes depend on query or body occurs several times.
fn requests() -> Vec<ApiRequest> {
    let (get, post, patch) = (|| Method::GET, || Method::POST, || Method::PATCH);
    let (users, user) = ("/v1/users", "/v1/users/{id}");
    let (batch, count) = ("/v1/users/batch", "/v1/users/count");
    vec![
        request(get(), users, READ),
        request(get(), users, READ_PRIVATE).query("?email=ann@example.org"),
        request(get(), users, READ_PRIVATE).query("?role=admin"),
        request(get(), users, READ).query("?external_id=17"),
        request(get(), users, READ).query("?q=ann&status=deleted&username_prefix=a&sort=username"),
        request(get(), users, READ).query("?created_since=2026-01-01&created_until=2026-02-01"),
        request(get(), users, READ_PRIVATE).query("?sort=updated_at"),
        request(get(), users, READ_PRIVATE).query("?updated_since=2026-01-01"),
        request(get(), users, READ_PRIVATE).query("?updated_until=2026-01-01"),
        request(get(), count, READ),
        request(get(), count, READ_PRIVATE).query("?email=ann@example.org"),
        request(get(), count, READ_PRIVATE).query("?role=admin"),
        request(get(), count, READ_PRIVATE).query("?updated_since=2026-01-01"),
        request(get(), count, READ_PRIVATE).query("?updated_until=2026-01-01"),
        request(post(), users, WRITE).body(json!({})),
        request(post(), users, WRITE_ROLES).body(json!({"roles": []})),
        request(post(), batch, READ).body(json!({"ids": []})),
        request(post(), batch, READ).body(json!({"usernames": []})),
        request(post(), batch, READ).body(json!({"external_ids": []})),
        request(post(), batch, PRIVATE).body(json!({"emails": []})),
        request(get(), "/v1/users/me", &[]),
        request(patch(), "/v1/users/me", &[]).body(json!({})),
        request(get(), "/v1/users/by-username/{username}", READ),
        request(get(), "/v1/users/by-external-id/{external_id}", READ),
        request(get(), user, READ),
        request(patch(), user, WRITE).body(json!({})),
        request(patch(), user, WRITE_ROLES).body(json!({"roles": ["admin"]})),
        request(Method::PUT, user, WRITE)
            .body(json!({"username": "ann", "email": "ann@example.org"})),
        request(Method::DELETE, user, DELETE),
        request(Method::DELETE, user, DELETE).query("?erase=true"),
        request(get(), "/v1/users/{id}/export", PRIVATE),
        request(get(), "/v1/users/{id}/history", PRIVATE),
        request(post(), "/v1/users/{id}/restore", DELETE),
        request(post(), "/v1/users/{id}/suspend", WRITE),
        request(post(), "/v1/users/{id}/activate", WRITE),
        request(post(), "/v1/users/{id}/sign-out", WRITE),
        request(Method::PUT, "/v1/users/{id}/password", PASSWORDS).body(json!({})),
        request(Method::DELETE, "/v1/users/{id}/password", PASSWORDS),
        request(get(), "/v1/users/{id}/lockout", PASSWORDS),
        request(Method::DELETE, "/v1/users/{id}/lockout", PASSWORDS),
        request(get(), user, READ).query("?include=counts"),
        request(post(), batch, READ)
            .query("?include=counts")
            .body(json!({"ids": []})),
        request(get(), "/v1/users/{id}/followers", READ),
        request(get(), "/v1/users/{id}/following", READ),
        request(get(), "/v1/users/{id}/blocks", PRIVATE),
        request(get(), "/v1/users/{id}/relationships", PRIVATE).query("?with="),
        request(Method::PUT, "/v1/users/{id}/following/{target}", RELATE),
        request(Method::DELETE, "/v1/users/{id}/following/{target}", RELATE),
        request(Method::PUT, "/v1/users/{id}/blocks/{target}", RELATE),
        request(Method::DELETE, "/v1/users/{id}/blocks/{target}", RELATE),
        request(post(), "/v1/relationships/batch", RELATE).body(json!({"edges": []})),
        request(post(), "/v1/credentials/verify", &["credentials:verify"]).body(json!({})),
        request(get(), "/v1/events", EVENTS),
        request(get(), "/v1/events", &["events:read", "users:read_private"])
            .query("?types=user.blocked"),
        request(get(), "/v1/events", &["events:read", "users:read"]).query("?include=user"),
        request(get(), "/v1/erasures", EVENTS).query("?pending_for=nobody"),
        request(get(), "/v1/erasures/{id}", EVENTS),
        request(
            Method::PUT,
            "/v1/erasures/{id}/acknowledgements/{consumer}",
            EVENTS,
        ),
        request(get(), "/v1/erasure-consumers", EVENTS_ADMIN),
        request(Method::PUT, "/v1/erasure-consumers/{name}", EVENTS_ADMIN),
        request(Method::DELETE, "/v1/erasure-consumers/{name}", EVENTS_ADMIN),
        request(get(), "/v1/tokens", TOKENS),
        request(post(), "/v1/tokens", TOKENS).body(json!({})),
        request(get(), "/v1/tokens/{id}", TOKENS),
        request(Method::DELETE, "/v1/tokens/{id}", TOKENS),
    ]
}

on_each_store! {
    async fn each_request_needs_exactly_its_scopes(app: &TestApp) {
        let mut tokens = Vec::new();
        for scope in SCOPES {
            tokens.push((scope, create_with_scopes(app, &[scope]).await.1));
        }
        for request in requests() {
            let name = format!("{} {}{}", request.method, request.path, request.query);
            for (scope, token) in &tokens {
                let reply = request.send(app, token).await;
                let missing = request.needs.iter().find(|needed| *needed != scope);
                match (request.needs, missing) {
                    ([], _) => assert_problem(&reply, 403, "forbidden"),
                    (_, Some(missing)) => {
                        assert_problem(&reply, 403, "insufficient_scope");
                        assert_eq!(reply.json["required_scope"], json!(missing), "{name} with {scope}");
                    }
                    (_, None) => assert!(
                        ![401, 403].contains(&reply.status) && reply.status < 500,
                        "{name} with {scope}: {}", reply.text
                    ),
                }
            }
            if !request.needs.is_empty() {
                let enough = create_with_scopes(app, request.needs).await.1;
                let reply = request.send(app, &enough).await;
                let is_allowed = ![401, 403].contains(&reply.status) && reply.status < 500;
                assert!(is_allowed, "{name} with {:?}: {}", request.needs, reply.text);
            }
        }
    }

    async fn users_read_shows_only_public_views(app: &TestApp) {
        let user = register_full_user(app, "Ann.Lee").await;
        let public = create_with_scopes(app, &["users:read"]).await.1;
        let full = create_with_scopes(app, &["users:read", "users:read_private"]).await.1;
        for (token, view) in [(&public, "public"), (&full, "full")] {
            let caller = client_with_token(app, token);
            for path in [
                format!("/v1/users/{}", id(&user)),
                "/v1/users/by-username/ann.lee".to_owned(),
                "/v1/users/by-external-id/ext-Ann.Lee".to_owned(),
            ] {
                let reply = caller.get(&path).await;
                assert_view(&reply.json, view);
                assert!(reply.version_and_view().ends_with(&format!("-{view}")), "{path}");
                // Requesting fields outside the view by name does not show them.
                let reply = caller.get(&format!("{path}?fields=email,roles,metadata.private")).await;
                assert_eq!(reply.json["email"].is_string(), view == "full", "{}", reply.text);
                assert_eq!(reply.json["roles"].is_array(), view == "full", "{}", reply.text);
            }
            for query in ["", "?q=ann", "?username_prefix=ann", "?external_id=ext-Ann.Lee"] {
                let reply = caller.get(&format!("/v1/users{query}")).await;
                assert_view(&reply.json["users"][0], view);
            }
            for keys in [
                json!({"ids": [id(&user)]}),
                json!({"usernames": ["ann.lee"]}),
                json!({"external_ids": ["ext-Ann.Lee"]}),
            ] {
                let reply = caller.post("/v1/users/batch", &keys).await;
                assert_view(&reply.json["users"][0], view);
            }
        }
    }

    async fn a_write_without_read_private_returns_the_public_view(app: &TestApp) {
        let writer = create_with_scopes(app, &["users:write"]).await.1;
        let body = json!({"username": "ann", "email": "ann@example.org"});
        let created = client_with_token(app, &writer).post("/v1/users", &body).await;
        assert_eq!(created.status, 201, "{}", created.text);
        assert_view(&created.json, "public");
        let patch = json!({"metadata": {"private": {"score": 1}}});
        let path = format!("/v1/users/{}", created.id());
        let changed = client_with_token(app, &writer).patch(&path, &patch).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_view(&changed.json, "public");
    }

    async fn every_documented_operation_is_tested_and_documents_its_scopes(app: &TestApp) {
        let description = app.anonymous().get("/openapi.json").await.json;
        let requests = requests();
        let mut tried = BTreeSet::new();
        for request in &requests {
            let method = request.method.as_str().to_lowercase();
            tried.insert((request.path.to_owned(), method.clone()));
            let operation = &description["paths"][request.path][&method];
            let text = operation["description"].as_str().unwrap_or_default();
            for needed in request.needs.iter().filter(|needed| **needed != "roles:write") {
                assert!(text.contains(&format!("`{needed}`")), "{method} {}: {text}", request.path);
            }
        }
        let mut described = BTreeSet::new();
        for (path, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let is_open = operation["security"].as_array().is_some_and(|schemes| {
                    schemes.iter().all(|scheme| scheme.as_object().is_some_and(serde_json::Map::is_empty))
                });
                if !is_open {
                    described.insert((path.clone(), method.clone()));
                }
            }
        }
        assert_eq!(described, tried);
    }
}
