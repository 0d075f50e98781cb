//! Cross-origin resource sharing (CORS). None of it depends on the store.

use reqwest::Method;
use serde_json::json;
use user_tests::{Reply, Store, TestApp};

use crate::common::path;

const ORIGINS: (&str, &str) = (
    "CORS_ALLOWED_ORIGINS",
    "https://app.example.org, https://other.example.org",
);
const FOREIGN_ORIGINS: [&str; 5] = [
    "https://evil.example.org",
    "http://app.example.org",
    "https://app.example.org.evil.org",
    "https://app.example.org:444",
    "null",
];

/// Sends a preflight request as a browser does, without a credential.
async fn preflight(app: &TestApp, path: &str, origin: &str, method: &str, headers: &str) -> Reply {
    let request = app
        .anonymous()
        .request(Method::OPTIONS, path)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", headers);
    Reply::send(request).await
}

#[tokio::test]
async fn a_preflight_needs_no_credential() {
    let settings = [ORIGINS, ("CORS_ALLOWED_HEADERS", "X-Client-Version")];
    let app = TestApp::start_with(Store::Sqlite, &settings).await;
    let user = app.register("alice").await;
    let headers = "authorization, content-type, if-match, if-none-match, idempotency-key, x-api-token, x-request-id, \
        cache-control, pragma, traceparent, tracestate, baggage, sentry-trace, x-client-version";
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
    for origin in FOREIGN_ORIGINS {
        let reply = preflight(&app, &path(&user), origin, "GET", "authorization").await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{origin}");
    }
    app.stop().await;
}

#[tokio::test]
async fn only_allowed_origins_can_read_responses() {
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
    for origin in FOREIGN_ORIGINS {
        let reply = service.get_with(&path, &[("Origin", origin)]).await;
        assert_eq!(reply.header("access-control-allow-origin"), "", "{origin}");
    }
    // A client that sends no Origin needs no permission.
    assert_eq!(service.get(&path).await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn no_origin_is_allowed_by_default_and_a_wildcard_allows_all() {
    let any = TestApp::start_with(Store::Sqlite, &[("CORS_ALLOWED_ORIGINS", "*")]).await;
    let reply = any
        .service()
        .get_with("/v1/users", &[("Origin", "https://any.example.org")])
        .await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, "*")
    );
    any.stop().await;
    let none = TestApp::start(Store::Sqlite).await;
    let reply = none
        .service()
        .get_with("/v1/users", &[("Origin", "https://any.example.org")])
        .await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, "")
    );
    none.stop().await;
}
