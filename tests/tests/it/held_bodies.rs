//! Slow, missing and large request bodies. None of it depends on the store.

use std::time::Duration;

use futures_util::FutureExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use user_tests::{API_TOKEN, ServiceProcess, Store, TestApp, claims, sign};

use crate::common::{assert_faults, assert_problem, id, path, send};

/// More than every deadline of a request.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum number of unfinished bodies of one user.
const MAX_BODIES_PER_USER: usize = 64;

/// A request with an unsent body.
struct Unsent(TcpStream);

impl Unsent {
    /// Sends the head of a request with a body of two bytes.
    async fn begin(address: &str, method: &str, path: &str, token: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(stream)
    }

    /// Sends the body and returns the status line of the response.
    async fn finish(mut self) -> String {
        self.0.write_all(b"{}").await.unwrap();
        let mut status = [0; 12];
        self.0.read_exact(&mut status).await.unwrap();
        String::from_utf8_lossy(&status).into_owned()
    }

    /// Whether a response has arrived.
    fn is_answered(&self) -> bool {
        let mut first = [0];
        let peeked = tokio::task::unconstrained(self.0.peek(&mut first)).now_or_never();
        peeked.is_some_and(|peeked| peeked.is_ok())
    }

    /// Reads the response until the service closes the connection.
    async fn answer(mut self) -> String {
        let mut answer = String::new();
        let reading = self.0.read_to_string(&mut answer);
        tokio::time::timeout(TIMEOUT, reading)
            .await
            .unwrap()
            .unwrap();
        answer
    }
}

/// Waits until `count` requests have a response.
async fn until_answered(unsent: &[Unsent], count: usize) {
    let waiting = async {
        while unsent.iter().filter(|unsent| unsent.is_answered()).count() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, waiting).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_over_the_held_body_limit_loses_only_its_slowest() {
    let app = TestApp::start(Store::Sqlite).await;
    let (mallory, alice) = (app.register("mallory").await, app.register("alice").await);
    let address = app.address().to_string();
    let token = |user: &Value| sign(&claims(id(user)));
    let begin =
        async |user: &Value| Unsent::begin(&address, "PATCH", "/v1/users/me", &token(user)).await;
    let slow = begin(&alice).await;
    let mut idle = Vec::new();
    // Few enough to finish within the deadline of the bodies.
    for _ in 0..MAX_BODIES_PER_USER + 3 {
        idle.push(begin(&mallory).await);
    }
    until_answered(&idle, 3).await;
    for n in 0..10 {
        let reply = app.service().get(&path(&alice)).await;
        assert_eq!(reply.status, 200, "{n}: {}", reply.text);
    }
    assert!(!slow.is_answered());
    assert_eq!(slow.finish().await, "HTTP/1.1 200");
    let (ended, waiting): (Vec<_>, Vec<_>) = idle.into_iter().partition(Unsent::is_answered);
    assert_eq!((ended.len(), waiting.len()), (3, MAX_BODIES_PER_USER));
    for unsent in ended {
        let answer = unsent.answer().await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 408"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
    }
    for unsent in waiting.into_iter().take(3) {
        assert_eq!(unsent.finish().await, "HTTP/1.1 200");
    }
    app.stop().await;
}

#[tokio::test]
async fn an_unsent_body_is_held_and_not_active() {
    let folder = tempfile::tempdir().unwrap();
    let service = ServiceProcess::serve(folder.path(), "sqlite:///users.db", &[]).await;
    let address = service.url("").replace("http://", "");
    let client = user_tests::http_client();
    let metric = async |name: &str| {
        let scrape = client.get(service.management_url("/metrics"));
        let text = scrape.send().await.unwrap().text().await.unwrap();
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse::<f64>().unwrap()
    };
    let until = async |name: &str, expected: f64| {
        let waiting = async {
            while metric(name).await.to_bits() != expected.to_bits() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, waiting)
            .await
            .unwrap_or_else(|_| panic!("{name} does not become {expected}"));
    };
    let mut unsent = Vec::new();
    for _ in 0..20 {
        unsent.push(Unsent::begin(&address, "POST", "/v1/users", API_TOKEN).await);
    }
    until("http_server_held_bodies", 20.0).await;
    // The scrape itself.
    until("http_server_active_requests", 1.0).await;
    let mut sending = Unsent::begin(&address, "POST", "/v1/users", API_TOKEN).await;
    sending.0.write_all(b"{").await.unwrap();
    until("http_server_held_bodies", 21.0).await;
    drop((unsent, sending));
    until("http_server_held_bodies", 0.0).await;
    until("http_server_held_body_bytes", 0.0).await;
    until("http_server_active_requests", 1.0).await;
    assert_eq!(
        metric("http_server_ended_bodies_total").await.to_bits(),
        0_f64.to_bits()
    );
    assert_eq!(service.terminate().await, Some(0));
}

/// An object, padded with spaces to this length.
fn of_length(object: &Value, length: usize) -> String {
    let mut text = object.to_string();
    let spaces = length - text.len();
    text.push_str(&" ".repeat(spaces));
    text
}

#[tokio::test]
async fn a_batch_is_limited_to_1_mib_and_other_bodies_to_128_kib() {
    let app = TestApp::start(Store::Sqlite).await;
    let user = app.register("alice").await;
    let service = app.service();
    let json = "application/json";
    let empty = json!({});
    let most = 128 * 1024;
    for (method, path) in [
        (Method::POST, "/v1/users".to_owned()),
        (Method::PATCH, path(&user)),
        (Method::PUT, path(&user)),
        (Method::POST, format!("{}/suspend", path(&user))),
        (Method::POST, "/v1/tokens".to_owned()),
        (Method::POST, "/v1/credentials/verify".to_owned()),
    ] {
        let fits = send(
            &service,
            method.clone(),
            &path,
            json,
            of_length(&empty, most),
        )
        .await;
        assert_ne!(fits.status, 413, "{method} {path}: {}", fits.text);
        let large = send(&service, method, &path, json, of_length(&empty, most + 1)).await;
        assert_problem(&large, 413, "payload_too_large");
        assert!(
            large.text.contains("at most 131072 bytes"),
            "{}",
            large.text
        );
    }
    let batch = json!({"ids": [id(&user)]});
    let path = "/v1/users/batch";
    let most = 1024 * 1024;
    let fits = send(&service, Method::POST, path, json, of_length(&batch, most)).await;
    assert_eq!(
        (fits.status, &fits.json["users"][0]["id"]),
        (200, &user["id"])
    );
    let large = send(
        &service,
        Method::POST,
        path,
        json,
        of_length(&batch, most + 1),
    )
    .await;
    assert_problem(&large, 413, "payload_too_large");
    let follows = json!({"edges": []});
    let path = "/v1/relationships/batch";
    let fits = send(
        &service,
        Method::POST,
        path,
        json,
        of_length(&follows, most),
    )
    .await;
    assert_ne!(fits.status, 413, "{}", fits.text);
    app.stop().await;
}

#[tokio::test]
async fn a_large_write_is_replayed_by_its_idempotency_key() {
    let app = TestApp::start(Store::Sqlite).await;
    let body = json!({"username": "bob", "email": "bob@example.org"});
    let write = async |length: usize| {
        let request = app.service().request(Method::POST, "/v1/users");
        let request = request
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", "large");
        let reply = request.body(of_length(&body, length)).send().await;
        user_tests::Reply::read(reply.unwrap()).await
    };
    let made = write(100_000).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let again = write(100_000).await;
    assert_eq!((again.status, again.id()), (201, made.id()));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_problem(&write(100_001).await, 422, "idempotency_key_reused");
    app.stop().await;
}

#[tokio::test]
async fn a_body_with_too_many_json_values_is_rejected_while_parsing() {
    let app = TestApp::start(Store::Sqlite).await;
    let service = app.service();
    let ids = |count: usize| format!(r#"{{"ids":[{}""]}}"#, r#""","#.repeat(count - 1));
    let batch = async |body: String| {
        send(
            &service,
            Method::POST,
            "/v1/users/batch",
            "application/json",
            body,
        )
        .await
    };
    // The member `ids` itself is counted as well.
    assert_faults(&batch(ids(39_999)).await, &[("/ids", "too_many")]);
    let refused = batch(ids(40_000)).await;
    assert_problem(&refused, 400, "malformed_json");
    assert!(
        refused.text.contains("more than 40000 members"),
        "{}",
        refused.text
    );
    app.stop().await;
}
