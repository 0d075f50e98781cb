//! Raw bytes to the HTTP parser of the service, which runs as in production.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use user_tests::{API_TOKEN, Reply, Store, TestApp};

use crate::common::path;

/// More than every deadline of a connection.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends one request and reads the response until the service closes the connection.
async fn exchange(address: SocketAddr, request: &[u8]) -> (String, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut received = Vec::new();
    tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut received))
        .await
        .unwrap()
        .unwrap();
    let received = String::from_utf8(received).unwrap();
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    (
        head.to_ascii_lowercase(),
        serde_json::from_str(body).unwrap(),
    )
}

#[tokio::test]
async fn both_ports_answer_malformed_requests_with_counted_problems() {
    let app = TestApp::start_with(Store::Sqlite, &[("MANAGEMENT_PORT", "0")]).await;
    let management = app.management_url("");
    let management = management.strip_prefix("http://").unwrap().parse().unwrap();
    for address in [app.address(), management] {
        let (head, problem) = exchange(address, b"GET /health/live HTTP/1.1\r\n\r\n").await;
        assert!(head.starts_with("http/1.1 400"), "{head}");
        assert!(
            head.contains("content-type: application/problem+json"),
            "{head}"
        );
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert_eq!(problem["code"], "malformed_request");
        let id = problem["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("x-request-id: {id}")), "{head}");
    }
    let metrics = user_tests::http_client()
        .get(app.management_url("/metrics"))
        .send()
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    let counted = metrics.lines().any(|line| {
        line.starts_with("http_server_request_duration_seconds_count")
            && [
                r#"method="OTHER""#,
                r#"route="unmatched""#,
                r#"status="400""#,
            ]
            .iter()
            .all(|label| line.contains(label))
    });
    assert!(counted, "{metrics}");
    app.stop().await;
}

#[tokio::test]
async fn raw_utf8_in_path_and_query_finds_a_user() {
    let app = TestApp::start(Store::Sqlite).await;
    let body = json!({"username": "zo\u{eb}", "email": "zoe@example.org"});
    let user = app.service().post("/v1/users", &body).await;
    assert_eq!(user.status, 201, "{}", user.text);
    for (typed, pointer) in [
        ("/v1/users/by-username/zo\u{eb}", ""),
        ("/v1/users?q=zo\u{eb}", "/users/0"),
    ] {
        let request = format!(
            "GET {typed} HTTP/1.1\r\nHost: x\r\nX-API-Token: {API_TOKEN}\r\nConnection: close\r\n\r\n"
        );
        let (head, found) = exchange(app.address(), request.as_bytes()).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(found.pointer(pointer), Some(&user.json));
    }
    app.stop().await;
}

#[tokio::test]
async fn a_json_media_type_is_accepted_in_every_spelling() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    for (index, content_type) in [
        "application/json; charset=utf8",
        "application/json ; charset=utf-8",
        "APPLICATION/JSON;Charset=\"UTF-8\"",
        "application/merge-patch+json ;  charset=utf-8",
        "application/json;",
    ]
    .iter()
    .enumerate()
    {
        let request = app
            .service()
            .request(Method::PATCH, &path(&user))
            .header("Content-Type", *content_type)
            .body(format!(
                "\u{feff}{{\"profile\": {{\"name\": \"{index}\"}}}}"
            ));
        let reply = Reply::send(request).await;
        assert_eq!(reply.status, 200, "{content_type}: {}", reply.text);
        assert_eq!(reply.json["profile"]["name"], index.to_string());
    }
    app.stop().await;
}
