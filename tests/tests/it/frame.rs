//! What every answer has in common, whichever resource it is of. None of it depends on the store.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use user_tests::{API_TOKEN, Reply, Store, TestApp};

use crate::common::{assert_faults, assert_problem, id, path, send};

/// Every resource and its methods, with the id of a user in place.
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
        (user("/export"), "GET, HEAD, OPTIONS"),
        (user("/restore"), "POST, OPTIONS"),
        (user("/suspend"), "POST, OPTIONS"),
        (user("/activate"), "POST, OPTIONS"),
        ("/health".to_owned(), "GET, HEAD, OPTIONS"),
        ("/health/live".to_owned(), "GET, HEAD, OPTIONS"),
        ("/health/ready".to_owned(), "GET, HEAD, OPTIONS"),
        ("/metrics".to_owned(), "GET, HEAD, OPTIONS"),
        ("/openapi.json".to_owned(), "GET, HEAD, OPTIONS"),
        ("/docs".to_owned(), "GET, HEAD, OPTIONS"),
    ]
}

fn methods(allow: &str) -> Vec<&str> {
    let mut methods: Vec<&str> = allow.split(", ").collect();
    methods.sort_unstable();
    methods
}

/// Writes bytes to the service and reads all that it answers until it closes.
async fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(8), reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn each_resource_answers_options_and_refuses_the_methods_it_has_not() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    app.service()
        .patch(&path(&user), &json!({"external_id": "17"}))
        .await;
    for (path, allow) in resources(id(&user)) {
        let options = Reply::to(app.anonymous().request(Method::OPTIONS, &path)).await;
        assert_eq!((options.status, &*options.text), (204, ""), "{path}");
        assert_eq!(methods(options.header("allow")), methods(allow), "{path}");
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO",
        ] {
            if methods(allow).contains(&method) {
                continue;
            }
            // Without a credential, too: what a resource has is no secret.
            for caller in [app.anonymous(), app.service()] {
                let refused = Reply::to(
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
        let head = Reply::to(app.service().request(Method::HEAD, &path)).await;
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
    let missing = Reply::to(app.service().request(Method::HEAD, "/v1/users/nobody")).await;
    assert_eq!((missing.status, &*missing.text), (404, ""));
    app.stop().await;
}

#[tokio::test]
async fn there_is_nothing_at_any_other_address() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    for path in [
        "/",
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
                let refused = Reply::to(caller.request(method.clone(), path)).await;
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
        if path.ends_with("/me") || !allow.contains("GET") {
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
            .verb(&format!("{}/suspend/", path(&user)), &[])
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
async fn every_answer_has_the_request_id_and_forbids_sniffing() {
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
        let given = reply.header("x-request-id").to_owned();
        assert_ne!(given, id);
        assert!(
            given.len() >= 16
                && given
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)),
            "{given}"
        );
        assert_eq!(reply.json["request_id"], json!(given));
        made.push(given);
    }
    let count = made.len();
    made.sort();
    made.dedup();
    assert_eq!(made.len(), count, "each request has an id of its own");
    for (path, _) in resources(id(&user)) {
        for method in [Method::GET, Method::OPTIONS, Method::POST, Method::DELETE] {
            let reply = Reply::to(app.anonymous().request(method.clone(), &path)).await;
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
async fn answers_about_users_are_private_and_vary_by_credential() {
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
        service.verb(&format!("{}/suspend", path(&user)), &[]).await,
    ];
    for reply in replies {
        assert!(reply.status < 300, "{}", reply.text);
        assert_eq!(
            reply.header("cache-control"),
            "private, no-cache",
            "{}",
            reply.text
        );
        assert_eq!(
            reply.header("vary"),
            "Authorization, X-API-Token, Origin",
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
async fn a_body_of_another_type_is_a_415_that_says_what_is_accepted() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    let service = app.service();
    let body = r#"{"username":"bob","email":"bob@example.org"}"#;
    for content_type in [
        "text/plain",
        "application/xml",
        "application/json; charset=utf-16",
        "multipart/form-data; boundary=x",
        "nonsense",
        "application/merge-patch+json",
    ] {
        for (method, path) in [
            (Method::POST, "/v1/users"),
            (Method::POST, "/v1/users/batch"),
            (Method::PUT, &*path(&user)),
        ] {
            let refused = send(&service, method, path, content_type, body).await;
            assert_problem(&refused, 415, "unsupported_media_type");
            assert_eq!(refused.header("accept"), "application/json");
        }
    }
    let without = Reply::to(service.request(Method::POST, "/v1/users").body(body)).await;
    assert_problem(&without, 415, "unsupported_media_type");
    let coded = service
        .request(Method::POST, "/v1/users")
        .header("Content-Type", "application/json")
        .header("Content-Encoding", "gzip")
        .body(body);
    assert_problem(&Reply::to(coded).await, 415, "unsupported_media_type");
    assert_problem(
        &service.get("/v1/users/by-username/bob").await,
        404,
        "user_not_found",
    );
    app.stop().await;
}

#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_a_413() {
    let app = TestApp::start(Store::Sqlite).await;
    let service = app.service();
    let body = |length: usize| {
        let frame = r#"{"username":"bob","email":"bob@example.org","x":""}"#.len();
        format!(
            r#"{{"username":"bob","email":"bob@example.org","x":"{}"}}"#,
            "x".repeat(length - frame)
        )
    };
    let most = send(
        &service,
        Method::POST,
        "/v1/users",
        "application/json",
        body(1024 * 1024),
    )
    .await;
    assert_faults(&most, &[("/x", "unknown_field")]);
    let declared = send(
        &service,
        Method::POST,
        "/v1/users",
        "application/json",
        body(1024 * 1024 + 1),
    )
    .await;
    assert_problem(&declared, 413, "payload_too_large");
    // Without its length said before, too.
    let piece = "x".repeat(64 * 1024);
    let head = format!(
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    let chunked = [head, chunk.repeat(17), "0\r\n\r\n".to_owned()].concat();
    let answer = raw(&app, chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("payload_too_large"), "{answer}");
    app.stop().await;
}

#[tokio::test]
async fn header_fields_of_more_than_sixteen_kibibytes_are_a_431() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    let fine = "x".repeat(15 * 1024);
    let reply = app
        .service()
        .get_with(&path(&user), &[("X-Padding", &fine)])
        .await;
    assert_eq!(reply.status, 200);
    let large = "x".repeat(16 * 1024);
    for caller in [app.service(), app.anonymous()] {
        for path in [&*path(&user), "/nothing", "/health"] {
            let refused = caller.get_with(path, &[("X-Padding", &large)]).await;
            assert_problem(&refused, 431, "header_too_large");
        }
    }
    let name = "x".repeat(200);
    let many: Vec<(String, String)> = (0..90).map(|n| (format!("x-{n}"), name.clone())).collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_problem(
        &app.service().get_with(&path(&user), &many).await,
        431,
        "header_too_large",
    );
    app.stop().await;
}

#[tokio::test]
async fn what_is_no_http_is_answered_in_4xx_and_the_service_lives_on() {
    let app = TestApp::start(Store::Sqlite).await;
    for request in [
        "GET / HTTP/9.9\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET /v1/users/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer the-tests-own-service-token\r\n\r\n",
        "GET /v1/users/a\u{1}b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        "GET http://elsewhere/v1/users/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ] {
        let answer = raw(&app, request.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"),
            "{request:?} was answered {answer:?}"
        );
    }
    assert_eq!(app.anonymous().get("/health").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn everything_is_below_the_public_base_path_and_at_the_root() {
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
    // A key belongs to the request, whichever way the gateway wrote its path.
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

const ORIGINS: (&str, &str) = (
    "CORS_ALLOWED_ORIGINS",
    "https://app.example.org, https://other.example.org",
);
const STRANGERS: [&str; 5] = [
    "https://evil.example.org",
    "http://app.example.org",
    "https://app.example.org.evil.org",
    "https://app.example.org:444",
    "null",
];

/// Asks as a browser does before a request of a page; it sends no credential with it.
async fn preflight(app: &TestApp, path: &str, origin: &str, method: &str, headers: &str) -> Reply {
    let request = app
        .anonymous()
        .request(Method::OPTIONS, path)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", headers);
    Reply::to(request).await
}

#[tokio::test]
async fn a_preflight_needs_no_credential_and_names_what_pages_may_send() {
    let app = TestApp::start_with(Store::Sqlite, &[ORIGINS]).await;
    let user = app.register("alice").await;
    let headers = "authorization, content-type, if-match, if-none-match, idempotency-key, x-api-token, x-request-id, cache-control";
    for origin in ["https://app.example.org", "https://other.example.org"] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let reply = preflight(&app, &path(&user), origin, method, headers).await;
            assert_eq!((reply.status, &*reply.text), (204, ""), "{method}");
            assert_eq!(reply.header("access-control-allow-origin"), origin);
            assert!(
                reply
                    .header("access-control-allow-methods")
                    .contains(method)
            );
            let allowed = reply.header("access-control-allow-headers").to_lowercase();
            for name in headers.split(", ") {
                assert!(allowed.contains(name), "{name} in {allowed}");
            }
            assert!(reply.header("vary").contains("Origin"));
        }
    }
    for origin in STRANGERS {
        let reply = preflight(&app, &path(&user), origin, "GET", "authorization").await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{origin}");
    }
    app.stop().await;
}

#[tokio::test]
async fn pages_of_allowed_origins_read_every_answer_and_others_none() {
    let app = TestApp::start_with(Store::Sqlite, &[ORIGINS]).await;
    let user = app.register("alice").await;
    let (service, path) = (app.service(), path(&user));
    let padding = "x".repeat(17_000);
    for origin in ["https://app.example.org", "https://other.example.org"] {
        let from = ("Origin", origin);
        for reply in [
            service.get_with(&path, &[from]).await,
            app.anonymous().get_with(&path, &[from]).await,
            service.get_with("/nothing", &[from]).await,
            service
                .get_with(&path, &[from, ("X-Padding", &padding)])
                .await,
            service.put_with(&path, &json!({}), &[from]).await,
        ] {
            let allowed = reply.header("access-control-allow-origin");
            assert_eq!(allowed, origin, "{}", reply.text);
            assert_eq!(reply.header("access-control-allow-credentials"), "");
            let exposed = reply.header("access-control-expose-headers").to_lowercase();
            let exposed: Vec<&str> = exposed.split(',').map(str::trim).collect();
            for name in [
                "etag",
                "location",
                "link",
                "x-request-id",
                "retry-after",
                "idempotency-replayed",
            ] {
                assert!(exposed.contains(&name), "{name} in {exposed:?}");
            }
        }
    }
    for origin in STRANGERS {
        let reply = service.get_with(&path, &[("Origin", origin)]).await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{origin}");
    }
    // A client that is no page is not asked where it comes from.
    assert_eq!(service.get(&path).await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn any_origin_may_be_allowed_and_none_is_by_default() {
    let any = TestApp::start_with(Store::Sqlite, &[("CORS_ALLOWED_ORIGINS", "*")]).await;
    let reply = any
        .service()
        .get_with("/v1/users", &[("Origin", "https://anybody.example.org")])
        .await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, "*")
    );
    any.stop().await;
    let none = TestApp::start(Store::Sqlite).await;
    let reply = none
        .service()
        .get_with("/v1/users", &[("Origin", "https://anybody.example.org")])
        .await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, "")
    );
    none.stop().await;
}

#[tokio::test]
async fn a_read_that_asks_for_no_cache_sees_what_another_replica_wrote() {
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
