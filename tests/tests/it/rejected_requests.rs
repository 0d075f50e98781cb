//! Requests that are rejected by media type, size or HTTP syntax. None of it depends on the store.

use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use user_tests::{API_TOKEN, Reply, Store, TestApp};

use crate::common::{assert_problem, path, send};

/// Sends bytes to the service and reads the response until the connection closes.
async fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(8), reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn an_unsupported_media_type_is_a_415_with_accept() {
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
    let without = Reply::send(service.request(Method::POST, "/v1/users").body(body)).await;
    assert_problem(&without, 415, "unsupported_media_type");
    let coded = service
        .request(Method::POST, "/v1/users")
        .header("Content-Type", "application/json")
        .header("Content-Encoding", "gzip")
        .body(body);
    assert_problem(&Reply::send(coded).await, 415, "unsupported_media_type");
    assert_problem(
        &service.get("/v1/users/by-username/bob").await,
        404,
        "user_not_found",
    );
    app.stop().await;
}

#[tokio::test]
async fn an_oversized_chunked_body_is_a_413() {
    let app = TestApp::start(Store::Sqlite).await;
    let piece = "x".repeat(64 * 1024);
    let head = format!(
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
    let chunked = [head, chunk.repeat(3), "0\r\n\r\n".to_owned()].concat();
    let answer = raw(&app, chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("payload_too_large"), "{answer}");
    app.stop().await;
}

#[tokio::test]
async fn header_fields_over_16_kib_are_a_431() {
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
async fn invalid_http_is_a_4xx_and_the_service_keeps_running() {
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
