//! HTTP behaviour that all resources share. None of it depends on the store.

use reqwest::Method;
use serde_json::json;
use user_tests::{Reply, Store, TestApp};

use crate::common::{assert_problem, id, path};

/// Every resource and its methods, for the user with this id.
fn resources(id: &str) -> Vec<(String, &'static str)> {
    let user = |rest: &str| format!("/v1/users/{id}{rest}");
    vec![
        ("/v1/users".to_owned(), "GET, HEAD, POST, OPTIONS"),
        ("/v1/users/me".to_owned(), "GET, HEAD, PATCH, OPTIONS"),
        ("/v1/users/batch".to_owned(), "POST, OPTIONS"),
        ("/v1/users/count".to_owned(), "GET, HEAD, OPTIONS"),
        (
            "/v1/users/by-username/alice".to_owned(),
            "GET, HEAD, OPTIONS",
        ),
        (
            "/v1/users/by-external-id/17".to_owned(),
            "GET, HEAD, OPTIONS",
        ),
        (user(""), "GET, HEAD, PATCH, PUT, DELETE, OPTIONS"),
        ("/v1/events".to_owned(), "GET, HEAD, OPTIONS"),
        (user("/export"), "GET, HEAD, OPTIONS"),
        (user("/history"), "GET, HEAD, OPTIONS"),
        (user("/restore"), "POST, OPTIONS"),
        (user("/suspend"), "POST, OPTIONS"),
        (user("/activate"), "POST, OPTIONS"),
        ("/health".to_owned(), "GET, HEAD, OPTIONS"),
        ("/health/live".to_owned(), "GET, HEAD, OPTIONS"),
        ("/health/ready".to_owned(), "GET, HEAD, OPTIONS"),
        ("/metrics".to_owned(), "GET, HEAD, OPTIONS"),
        ("/openapi.json".to_owned(), "GET, HEAD, OPTIONS"),
        ("/openapi-3.0.json".to_owned(), "GET, HEAD, OPTIONS"),
        ("/asyncapi.json".to_owned(), "GET, HEAD, OPTIONS"),
        ("/docs/guide".to_owned(), "GET, HEAD, OPTIONS"),
        ("/docs".to_owned(), "GET, HEAD, OPTIONS"),
        ("/".to_owned(), "GET, HEAD, OPTIONS"),
    ]
}

fn methods(allow: &str) -> Vec<&str> {
    let mut methods: Vec<&str> = allow.split(", ").collect();
    methods.sort_unstable();
    methods
}

#[tokio::test]
async fn each_resource_answers_options_and_rejects_other_methods() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    app.service()
        .patch(&path(&user), &json!({"external_id": "17"}))
        .await;
    for (path, allow) in resources(id(&user)) {
        let options = Reply::send(app.anonymous().request(Method::OPTIONS, &path)).await;
        assert_eq!((options.status, &*options.text), (204, ""), "{path}");
        assert_eq!(methods(options.header("allow")), methods(allow), "{path}");
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO",
        ] {
            if methods(allow).contains(&method) {
                continue;
            }
            // Also without a credential: the methods of a resource are public.
            for caller in [app.anonymous(), app.service()] {
                let refused = Reply::send(
                    caller.request(Method::from_bytes(method.as_bytes()).unwrap(), &path),
                )
                .await;
                assert_eq!(refused.status, 405, "{method} {path}");
                assert_eq!(
                    methods(refused.header("allow")),
                    methods(allow),
                    "{method} {path}"
                );
                if method != "HEAD" {
                    assert_problem(&refused, 405, "method_not_allowed");
                }
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn head_is_a_get_without_its_body() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    app.service()
        .patch(&path(&user), &json!({"external_id": "17"}))
        .await;
    for (path, allow) in resources(id(&user)) {
        if path.ends_with("/me") || !allow.contains("HEAD") {
            continue;
        }
        let get = app.service().get(&path).await;
        let head = Reply::send(app.service().request(Method::HEAD, &path)).await;
        assert_eq!(
            (get.status, head.status, &*head.text),
            (200, 200, ""),
            "{path}"
        );
        for name in [
            "content-type",
            "etag",
            "cache-control",
            "vary",
            "x-content-type-options",
        ] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
    let missing = Reply::send(app.service().request(Method::HEAD, "/v1/users/nobody")).await;
    assert_eq!((missing.status, &*missing.text), (404, ""));
    app.stop().await;
}

#[tokio::test]
async fn an_unknown_path_is_a_404() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    for path in [
        "/v1",
        "/v2/users",
        "/users",
        "/v1/user",
        "/V1/users",
        "/v1/users/by-username/a/b",
        "/v1//users",
        "/health/other",
        "/favicon.ico",
        "/v1/users//",
        "/%76%31/nothing",
        "/.env",
        "/v1/users/me/export/x",
        &format!("{}/nothing", path(&user)),
        &format!("{}/export/x", path(&user)),
    ] {
        for caller in [app.anonymous(), app.service()] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let refused = Reply::send(caller.request(method.clone(), path)).await;
                assert_eq!(
                    (refused.status, refused.code()),
                    (404, "not_found"),
                    "{method} {path}: {}",
                    refused.text
                );
                assert_problem(&refused, 404, "not_found");
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn one_trailing_slash_is_accepted_everywhere() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    app.service()
        .patch(&path(&user), &json!({"external_id": "17"}))
        .await;
    for (path, allow) in resources(id(&user)) {
        if path.ends_with("/me") || path == "/" || !allow.contains("GET") {
            continue;
        }
        let (plain, slashed) = (
            app.service().get(&path).await,
            app.service().get(&format!("{path}/")).await,
        );
        assert_eq!((plain.status, slashed.status), (200, 200), "{path}/");
        if path != "/metrics" {
            assert_eq!(plain.text, slashed.text, "{path}/");
        }
    }
    let own = app.user(id(&user));
    assert_eq!(own.get("/v1/users/me/").await.status, 200);
    assert_eq!(
        own.get("/v1/users/me/?fields=username").await.json,
        json!({"id": user["id"], "username": "alice"})
    );
    assert_eq!(
        app.service()
            .post_empty(&format!("{}/suspend/", path(&user)), &[])
            .await
            .status,
        200
    );
    assert_eq!(
        app.service()
            .delete(&format!("{}/", path(&user)))
            .await
            .status,
        204
    );
    let body = json!({"username": "bob", "email": "bob@example.org"});
    assert_eq!(app.service().post("/v1/users/", &body).await.status, 201);
    app.stop().await;
}

#[tokio::test]
async fn every_response_has_the_request_id_and_forbids_sniffing() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    let longest = "a".repeat(64);
    for id in ["a", "0", "A_b.c-9", &longest] {
        for path in [
            &*path(&user),
            "/v1/users/nobody",
            "/nothing",
            "/health",
            "/v1/users?limit=0",
        ] {
            let reply = app.service().get_with(path, &[("X-Request-Id", id)]).await;
            assert_eq!(reply.header("x-request-id"), id, "{path}");
            if reply.status >= 400 {
                assert_eq!(reply.json["request_id"], id);
            }
        }
    }
    let too_long = "a".repeat(65);
    let mut made = Vec::new();
    for id in ["", "a b", "a/b", "\"a\"", "é", "a,b", "<script>", &too_long] {
        let reply = app
            .service()
            .get_with("/nothing", &[("X-Request-Id", id)])
            .await;
        let generated = reply.header("x-request-id").to_owned();
        assert_ne!(generated, id);
        assert!(
            generated.len() >= 16
                && generated
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)),
            "{generated}"
        );
        assert_eq!(reply.json["request_id"], json!(generated));
        made.push(generated);
    }
    let count = made.len();
    made.sort();
    made.dedup();
    assert_eq!(made.len(), count, "each request has a unique id");
    for (path, _) in resources(id(&user)) {
        for method in [Method::GET, Method::OPTIONS, Method::POST, Method::DELETE] {
            let reply = Reply::send(app.anonymous().request(method.clone(), &path)).await;
            assert_eq!(
                reply.header("x-content-type-options"),
                "nosniff",
                "{method} {path}"
            );
            assert_ne!(reply.header("x-request-id"), "", "{method} {path}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn user_responses_are_private_and_vary_by_credential() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    let service = app.service();
    let replies = [
        service.get(&path(&user)).await,
        service.get("/v1/users").await,
        service.get("/v1/users/count").await,
        service.get(&format!("{}/export", path(&user))).await,
        service.get(&format!("{}?fields=id", path(&user))).await,
        service.post("/v1/users/batch", &json!({"ids": []})).await,
        service
            .post(
                "/v1/users",
                &json!({"username": "bob", "email": "bob@example.org"}),
            )
            .await,
        service.patch(&path(&user), &json!({})).await,
        service
            .post_empty(&format!("{}/suspend", path(&user)), &[])
            .await,
    ];
    for reply in replies {
        assert!(reply.status < 300, "{}", reply.text);
        assert_eq!(
            reply.header("cache-control"),
            "private, no-cache, no-transform",
            "{}",
            reply.text
        );
        // A response that may be compressed also varies by Accept-Encoding.
        let mut vary = reply.headers.get_all("vary").iter();
        assert!(
            vary.any(|fields| fields == "Authorization, X-API-Token, Origin"),
            "{}",
            reply.text
        );
        assert_eq!(reply.header("content-type"), "application/json");
    }
    for refused in [
        app.anonymous().get(&path(&user)).await,
        service.get("/v1/users/nobody").await,
        app.anonymous().get("/v1/users").await,
    ] {
        assert_eq!(refused.header("vary"), "Authorization, X-API-Token, Origin");
    }
    app.stop().await;
}

#[tokio::test]
async fn all_paths_work_with_and_without_the_base_path() {
    let app = TestApp::start_with(Store::Sqlite, &[("PUBLIC_BASE_PATH", "/gate/users-api")]).await;
    let service = app.service();
    let body = json!({"username": "alice", "email": "alice@example.org"});
    let made = service.post("/gate/users-api/v1/users", &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(
        made.header("location"),
        format!("/gate/users-api/v1/users/{}", made.id())
    );
    assert_eq!(service.get(made.header("location")).await.json, made.json);
    assert_eq!(
        service
            .get(&format!("{}/", made.header("location")))
            .await
            .json,
        made.json
    );
    assert_eq!(
        service.get(&format!("/v1/users/{}", made.id())).await.json,
        made.json
    );
    app.register("bob").await;
    for base in ["", "/gate/users-api"] {
        let page = service.get(&format!("{base}/v1/users?limit=1")).await;
        let link = page.header("link");
        assert!(link.starts_with("</gate/users-api/v1/users?"), "{link}");
        let next = service
            .get(link.trim_start_matches('<').split('>').next().unwrap())
            .await;
        assert_eq!(next.json["users"][0]["username"], "alice");
        for path in ["/health", "/health/ready", "/metrics"] {
            assert_eq!(
                app.anonymous().get(&format!("{base}{path}")).await.status,
                200,
                "{base}{path}"
            );
        }
    }
    for path in [
        "/gate/v1/users",
        "/gate/users-apiv1/users",
        "/users-api/v1/users",
        "/gate/users-api/gate/users-api/v1/users",
    ] {
        assert_problem(&service.get(path).await, 404, "not_found");
    }
    // An idempotency key replays the request under every form of its path.
    let key = [("Idempotency-Key", "k")];
    let patch = json!({"profile": {"name": "A"}});
    let first = service
        .patch_with(&format!("/v1/users/{}", made.id()), &patch, &key)
        .await;
    let replay = service
        .patch_with(
            &format!("/gate/users-api/v1/users/{}/", made.id()),
            &patch,
            &key,
        )
        .await;
    assert_eq!(
        (
            first.status,
            replay.status,
            replay.header("idempotency-replayed")
        ),
        (200, 200, "true"),
        "{}",
        replay.text
    );
    app.stop().await;
}

#[tokio::test]
async fn a_caller_beyond_the_rate_of_the_settings_gets_a_429() {
    let settings = [("RATE_LIMIT_USER", "1,2")];
    let app = TestApp::start_with(Store::Sqlite, &settings).await;
    let user = app.register("alice").await;
    let caller = app.user(id(&user));
    let mut refused = caller.get("/v1/users/me").await;
    for _ in 0..10_000 {
        if refused.status == 429 {
            break;
        }
        assert_eq!(refused.header("ratelimit-limit"), "2");
        refused = caller.get("/v1/users/me").await;
    }
    assert_problem(&refused, 429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    let service = app.service().get("/v1/users/count").await;
    assert_eq!(
        (service.status, service.header("ratelimit-limit")),
        (200, "")
    );
    // After the time of the header, the caller is served again.
    let mut served = false;
    for _ in 0..60 {
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        served = caller.get("/v1/users/me").await.status == 200;
        if served {
            break;
        }
    }
    assert!(served, "the caller stays refused");
    app.stop().await;
}

#[tokio::test]
async fn malformed_json_is_reported_with_its_line_and_column() {
    let app = TestApp::start(Store::Sqlite).await;
    let request = app.service().request(Method::POST, "/v1/users");
    let request = request.header("content-type", "application/json");
    let refused = Reply::send(request.body("{\n  \"username\": alice\n}")).await;
    assert_problem(&refused, 400, "malformed_json");
    assert_eq!(
        refused.json["detail"],
        "The text is not JSON: expected value at line 2, column 15."
    );
    app.stop().await;
}

#[tokio::test]
async fn a_no_cache_read_sees_another_replicas_write() {
    let app = TestApp::start(Store::Sqlite).await;
    let replica = app.replica().await;
    let user = app.register("alice").await;
    assert_eq!(replica.service().get(&path(&user)).await.version(), 1);
    app.service()
        .patch(&path(&user), &json!({"profile": {"name": "A"}}))
        .await;
    let fresh = replica
        .service()
        .get_with(&path(&user), &[("Cache-Control", "no-cache")])
        .await;
    assert_eq!((fresh.status, fresh.version()), (200, 2));
    replica.stop().await;
    app.stop().await;
}
