//! Each call names the scope that it needs, and a token with that scope alone may make it; with any other it may not.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use user_tests::{Reply, TestApp, on_each_store};

use super::{bearing, made_with};
use crate::common::{assert_problem, assert_view, id, register_everything};

const SCOPES: [&str; 10] = [
    "users:read",
    "users:read_private",
    "users:write",
    "users:delete",
    "roles:write",
    "credentials:write",
    "credentials:verify",
    "relationships:write",
    "events:read",
    "tokens:admin",
];

/// Nobody's and no token's: who may is told that it is not there.
const NOBODY: &str = "0199b8f2-7c1e-7000-8000-00000000dead";

/// Nobody's either.
const SOMEBODY_ELSE: &str = "0199b8f2-7c1e-7000-8000-00000000beef";

/// A call of the API, by the path of its description.
struct Call {
    method: Method,
    path: &'static str,
    query: &'static str,
    body: Option<Value>,
    /// The scopes that it needs, in the order in which they are missed; none if no service may.
    needs: &'static [&'static str],
}

fn call(method: Method, path: &'static str, needs: &'static [&'static str]) -> Call {
    Call {
        method,
        path,
        query: "",
        body: None,
        needs,
    }
}

impl Call {
    fn asking(self, query: &'static str) -> Self {
        Self { query, ..self }
    }

    fn saying(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// Makes the call with a token.
    async fn made(&self, app: &TestApp, token: &str) -> Reply {
        let path = self
            .path
            .replace("{id}", NOBODY)
            .replace("{target}", SOMEBODY_ELSE)
            .replace("{username}", "nobody")
            .replace("{external_id}", "nobody");
        let request = bearing(app, token)
            .request(self.method.clone(), &format!("{path}{}", self.query))
            .header("If-Match", "*");
        Reply::to(match &self.body {
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
const READ_PRIVATELY: &[&str] = &["users:read", "users:read_private"];
const GIVE_ROLES: &[&str] = &["users:write", "roles:write"];
const TOKENS: &[&str] = &["tokens:admin"];
const PASSWORDS: &[&str] = &["credentials:write"];
const RELATE: &[&str] = &["relationships:write"];

/// Every call, those that need something else for some of what they can be asked for several times.
fn calls() -> Vec<Call> {
    let (get, post, patch) = (|| Method::GET, || Method::POST, || Method::PATCH);
    let (users, user) = ("/v1/users", "/v1/users/{id}");
    let (batch, count) = ("/v1/users/batch", "/v1/users/count");
    vec![
        call(get(), users, READ),
        call(get(), users, READ_PRIVATELY).asking("?email=ann@example.org"),
        call(get(), users, READ_PRIVATELY).asking("?role=admin"),
        call(get(), users, READ).asking("?external_id=17"),
        call(get(), users, READ).asking("?q=ann&status=deleted&username_prefix=a&sort=updated_at"),
        call(get(), count, READ),
        call(get(), count, READ_PRIVATELY).asking("?email=ann@example.org"),
        call(get(), count, READ_PRIVATELY).asking("?role=admin"),
        call(post(), users, WRITE).saying(json!({})),
        call(post(), users, GIVE_ROLES).saying(json!({"roles": []})),
        call(post(), batch, READ).saying(json!({"ids": []})),
        call(post(), batch, READ).saying(json!({"usernames": []})),
        call(post(), batch, READ).saying(json!({"external_ids": []})),
        call(post(), batch, PRIVATE).saying(json!({"emails": []})),
        call(get(), "/v1/users/me", &[]),
        call(patch(), "/v1/users/me", &[]).saying(json!({})),
        call(get(), "/v1/users/by-username/{username}", READ),
        call(get(), "/v1/users/by-external-id/{external_id}", READ),
        call(get(), user, READ),
        call(patch(), user, WRITE).saying(json!({})),
        call(patch(), user, GIVE_ROLES).saying(json!({"roles": ["admin"]})),
        call(Method::PUT, user, WRITE)
            .saying(json!({"username": "ann", "email": "ann@example.org"})),
        call(Method::DELETE, user, DELETE),
        call(Method::DELETE, user, DELETE).asking("?erase=true"),
        call(get(), "/v1/users/{id}/export", PRIVATE),
        call(post(), "/v1/users/{id}/restore", DELETE),
        call(post(), "/v1/users/{id}/suspend", WRITE),
        call(post(), "/v1/users/{id}/activate", WRITE),
        call(post(), "/v1/users/{id}/sign-out", WRITE),
        call(Method::PUT, "/v1/users/{id}/password", PASSWORDS).saying(json!({})),
        call(Method::DELETE, "/v1/users/{id}/password", PASSWORDS),
        call(get(), "/v1/users/{id}/lockout", PASSWORDS),
        call(Method::DELETE, "/v1/users/{id}/lockout", PASSWORDS),
        call(get(), user, READ).asking("?include=counts"),
        call(post(), batch, READ)
            .asking("?include=counts")
            .saying(json!({"ids": []})),
        call(get(), "/v1/users/{id}/followers", READ),
        call(get(), "/v1/users/{id}/following", READ),
        call(get(), "/v1/users/{id}/blocks", PRIVATE),
        call(get(), "/v1/users/{id}/relationships", PRIVATE).asking("?with="),
        call(Method::PUT, "/v1/users/{id}/following/{target}", RELATE),
        call(Method::DELETE, "/v1/users/{id}/following/{target}", RELATE),
        call(Method::PUT, "/v1/users/{id}/blocks/{target}", RELATE),
        call(Method::DELETE, "/v1/users/{id}/blocks/{target}", RELATE),
        call(post(), "/v1/relationships/batch", RELATE).saying(json!({"edges": []})),
        call(post(), "/v1/credentials/verify", &["credentials:verify"]).saying(json!({})),
        call(get(), "/v1/tokens", TOKENS),
        call(post(), "/v1/tokens", TOKENS).saying(json!({})),
        call(get(), "/v1/tokens/{id}", TOKENS),
        call(Method::DELETE, "/v1/tokens/{id}", TOKENS),
    ]
}

on_each_store! {
    async fn each_call_needs_its_scopes_and_no_other(app: &TestApp) {
        let mut tokens = Vec::new();
        for scope in SCOPES {
            tokens.push((scope, made_with(app, &[scope]).await.1));
        }
        for call in calls() {
            let name = format!("{} {}{}", call.method, call.path, call.query);
            for (scope, token) in &tokens {
                let reply = call.made(app, token).await;
                let missing = call.needs.iter().find(|needed| *needed != scope);
                match (call.needs, missing) {
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
            if !call.needs.is_empty() {
                let enough = made_with(app, call.needs).await.1;
                let reply = call.made(app, &enough).await;
                let is_allowed = ![401, 403].contains(&reply.status) && reply.status < 500;
                assert!(is_allowed, "{name} with {:?}: {}", call.needs, reply.text);
            }
        }
    }

    async fn the_scope_to_read_shows_public_views_only_however_it_is_asked_for(app: &TestApp) {
        let user = register_everything(app, "Ann.Lee").await;
        let public = made_with(app, &["users:read"]).await.1;
        let full = made_with(app, &["users:read", "users:read_private"]).await.1;
        for (token, view) in [(&public, "public"), (&full, "full")] {
            let caller = bearing(app, token);
            for path in [
                format!("/v1/users/{}", id(&user)),
                "/v1/users/by-username/ann.lee".to_owned(),
                "/v1/users/by-external-id/ext-Ann.Lee".to_owned(),
            ] {
                let reply = caller.get(&path).await;
                assert_view(&reply.json, view);
                assert!(reply.header("etag").ends_with(&format!("-{view}\"")), "{path}");
                // What is outside the view is not there for who asks for it by name either.
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

    async fn what_a_write_shows_depends_on_the_scope_to_read_too(app: &TestApp) {
        let writer = made_with(app, &["users:write"]).await.1;
        let body = json!({"username": "ann", "email": "ann@example.org"});
        let made = bearing(app, &writer).post("/v1/users", &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_view(&made.json, "public");
        let patch = json!({"metadata": {"private": {"score": 1}}});
        let path = format!("/v1/users/{}", made.id());
        let changed = bearing(app, &writer).patch(&path, &patch).await;
        assert_eq!(changed.status, 200, "{}", changed.text);
        assert_view(&changed.json, "public");
    }

    async fn every_call_of_the_description_is_among_those_tried_and_says_which_scope_it_needs(app: &TestApp) {
        let description = app.anonymous().get("/openapi.json").await.json;
        let calls = calls();
        let mut tried = BTreeSet::new();
        for call in &calls {
            let method = call.method.as_str().to_lowercase();
            tried.insert((call.path.to_owned(), method.clone()));
            let operation = &description["paths"][call.path][&method];
            let text = operation["description"].as_str().unwrap_or_default();
            for needed in call.needs.iter().filter(|needed| **needed != "roles:write") {
                assert!(text.contains(&format!("`{needed}`")), "{method} {}: {text}", call.path);
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
