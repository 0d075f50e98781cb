//! Requests as bytes on a connection: requests that the HTTP parser rejects, and limits that apply before it.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use user_domain::values::UserId;

use super::{SERVICE, TestApp};
use crate::{ServerOptions, serve};

/// Longer than any timeout of a connection.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// A response as it was received.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    fn field(&self, name: &str) -> &str {
        let mut found = self.fields.iter().filter(|(other, _)| other == name);
        let value = found.next().map_or("", |(_, value)| value);
        assert!(found.next().is_none(), "{name} occurs twice");
        value
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Checks the common fields of a problem that closes its connection, and returns its code.
    pub(super) fn closing_problem(&self) -> String {
        let problem = self.json();
        assert_eq!(self.field("content-type"), "application/problem+json");
        assert_eq!(self.field("cache-control"), "no-store");
        assert_eq!(self.field("x-content-type-options"), "nosniff");
        assert_eq!(self.field("vary"), "Authorization, X-API-Token, Origin");
        assert_eq!(self.field("connection"), "close");
        assert!(self.field("date").ends_with(" GMT"), "{self:?}");
        assert_eq!(problem["status"], json!(self.status));
        assert_eq!(problem["request_id"], json!(self.field("x-request-id")));
        assert!(self.field("x-request-id").len() >= 16);
        assert!(problem["detail"].as_str().unwrap().len() > 20);
        assert_ne!(problem["title"], "");
        let code = problem["code"].as_str().unwrap().to_owned();
        assert_eq!(
            problem["type"],
            json!(format!("urn:user-service:problem:{code}"))
        );
        code
    }
}

/// The server options of the tests.
pub(super) const OPTIONS: ServerOptions = ServerOptions {
    workers: 1,
    max_connections: 100,
    max_connections_per_address: None,
    header_timeout: Duration::from_secs(2),
    keep_alive: TIMEOUT,
    shutdown_timeout: Duration::from_secs(1),
    on_connect: |_, _| (),
};

/// Serves the app on a port that the system chooses.
fn start(app: &TestApp) -> Served {
    start_with(app, OPTIONS)
}

/// Serves the app on a port that the system chooses.
pub(super) fn start_with(app: &TestApp, options: ServerOptions) -> Served {
    start_on(TcpListener::bind("127.0.0.1:0").unwrap(), app, options)
}

/// Serves the app on this listener.
pub(super) fn start_on(listener: TcpListener, app: &TestApp, options: ServerOptions) -> Served {
    let address = listener.local_addr().unwrap();
    let api = app.api.clone();
    let server = serve(listener, options, &app.api, move || crate::app(&api)).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Served { address, handle }
}

/// A running server.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    pub(super) handle: ServerHandle,
}

/// Sends bytes and returns all responses until the service closes the connection.
pub(super) async fn responses(served: &Served, request: &[u8]) -> Vec<Response> {
    let stream = TcpStream::connect(served.address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut received = Vec::new();
    let exchange = async {
        let (sent, read) =
            tokio::join!(writer.write_all(request), reader.read_to_end(&mut received));
        sent.unwrap();
        read.unwrap();
    };
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .expect("the service closes the connection");
    parse(&received)
}

pub(super) fn parse(mut received: &[u8]) -> Vec<Response> {
    let mut responses = Vec::new();
    while !received.is_empty() {
        let text = String::from_utf8_lossy(&received[..received.len().min(4096)]);
        let head = text.split("\r\n\r\n").next().unwrap().to_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap();
        let fields: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut response = Response {
            status: status[..3].parse().unwrap(),
            fields,
            body: Vec::new(),
        };
        let length: usize = response.field("content-length").parse().unwrap();
        let start = head.len() + 4;
        response.body = received[start..start + length].to_vec();
        received = &received[start + length..];
        responses.push(response);
    }
    responses
}

pub(super) fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Token: {SERVICE}\r\n{fields}\r\n")
}

#[actix_web::test]
async fn every_malformed_request_is_a_400_problem() {
    let app = TestApp::new();
    let served = start(&app);
    let malformed = [
        "nonsense\r\n\r\n",
        "GET /health\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTX/1.1\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a\u{1}b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /<script> HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET  HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http:// HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /health HTTP/1.1\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nX Y: a\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nX-Y : a\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nX-Y: a\u{1}\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nX-Y: a\r\n folded\r\n\r\n",
        "POST /v1/users HTTP/1.0\r\nHost: x\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST /v1/users HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    let mut ids = Vec::new();
    for request in malformed {
        let responses = responses(&served, request.as_bytes()).await;
        assert_eq!(responses.len(), 1, "{request:?}: {responses:?}");
        assert_eq!(responses[0].status, 400, "{request:?}");
        assert_eq!(responses[0].closing_problem(), "malformed_request");
        ids.push(responses[0].field("x-request-id").to_owned());
    }
    let tls = [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        &[0xe9; 64],
    ]
    .concat();
    let responses = responses(&served, &tls).await;
    assert_eq!(responses[0].closing_problem(), "malformed_request");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), malformed.len(), "request ids are unique");
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn too_many_or_too_large_header_fields_are_a_431_problem() {
    let app = TestApp::new();
    let served = start(&app);
    let many: Vec<String> = (0..97).map(|number| format!("X-{number}: a\r\n")).collect();
    let many = many.concat();
    let large = format!("X-Padding: {}\r\n", "x".repeat(200 * 1024));
    // `huge` exceeds the limit of the parser and the socket buffers; the client must still get the response.
    let huge = format!("X-Padding: {}\r\n", "x".repeat(1024 * 1024));
    for fields in [many, large, huge] {
        let responses = responses(&served, get("/health", &fields).as_bytes()).await;
        assert_eq!(responses.len(), 1);
        assert_eq!(responses[0].status, 431);
        assert_eq!(responses[0].closing_problem(), "header_too_large");
    }
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn header_fields_that_do_not_arrive_are_a_408() {
    let app = TestApp::new();
    let served = start(&app);
    for part in [
        "GET /health HTTP/1.1\r\nHost: x\r\n",
        // Rejected once all header fields have arrived.
        "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n",
        "GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n",
    ] {
        let first = responses(&served, part.as_bytes()).await;
        assert_eq!(first.len(), 1);
        // The same for a later request on the connection.
        let later = responses(&served, [&get("/health", ""), part].concat().as_bytes()).await;
        assert_eq!(later.len(), 2, "{later:?}");
        assert_eq!(later[0].status, 200);
        for response in [&first[0], &later[1]] {
            assert_eq!(response.status, 408);
            assert_eq!(response.closing_problem(), "request_timeout");
        }
    }
    // A client that sends nothing gets no response.
    assert!(responses(&served, b"").await.is_empty());
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn only_requests_before_a_malformed_one_are_answered() {
    let app = TestApp::new();
    let served = start(&app);
    let path = format!("/v1/users/{}", app.create_user("alice").await);
    let sent = [
        get("/health", ""),
        get(&path, ""),
        get("/v1/users/nobody", ""),
        get(&path, "Host: y\r\n"),
        get("/health", ""),
    ]
    .concat();
    let responses = responses(&served, sent.as_bytes()).await;
    let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses, [200, 200, 404, 400]);
    assert_eq!(responses[1].json()["username"], "alice");
    assert_eq!(responses[3].closing_problem(), "malformed_request");
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_malformed_chunk_of_a_body_is_answered_once() {
    let app = TestApp::new();
    let served = start(&app);
    let request = format!(
        "POST /v1/users HTTP/1.1\r\nHost: x\r\nX-API-Token: {SERVICE}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n2\r\n{{\"\r\nnonsense\r\n"
    );
    let responses = responses(&served, request.as_bytes()).await;
    assert_eq!(responses.len(), 1, "{responses:?}");
    assert_eq!(responses[0].status, 400);
    assert_eq!(responses[0].json()["code"], "malformed_request");
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_uri_may_contain_unencoded_utf8() {
    let app = TestApp::new();
    let served = start(&app);
    let body = |name: &str| {
        json!({"username": name, "email": "zoe@example.org", "profile": {"name": "Zo\u{eb} \u{4e2d}\u{6587}"}})
            .to_string()
    };
    let created = body("zo\u{eb}");
    let post = format!(
        "POST /v1/users?n=\u{eb} HTTP/1.1\r\nHost: x\r\nX-API-Token: {SERVICE}\r\nX-Name: \u{eb}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{created}",
        created.len()
    );
    let sent = [
        post.replacen("?n=\u{eb}", "", 1),
        get("/v1/users/by-username/zo\u{eb}", ""),
        post,
        get("/v1/users?q=zo\u{eb}", ""),
        get("/v1/users?q=\u{4e2d}\u{6587}", "Connection: close\r\n"),
    ]
    .concat();
    let responses = responses(&served, sent.as_bytes()).await;
    let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses, [201, 200, 409, 200, 200], "{responses:?}");
    assert_eq!(
        responses[0].json()["profile"]["name"],
        "Zo\u{eb} \u{4e2d}\u{6587}"
    );
    assert_eq!(responses[1].json(), responses[0].json());
    for page in &responses[3..] {
        assert_eq!(page.json()["users"][0], responses[0].json(), "{page:?}");
    }
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn invalid_utf8_in_a_uri_is_handled_like_its_percent_encoding() {
    let app = TestApp::new();
    let served = start(&app);
    for uri in ["/v1/users/by-username/a", "/v1/users?q=aa", "/nothing/"] {
        let encoded = get(&format!("{uri}%E9"), "Connection: close\r\n");
        let typed = encoded.replace("%E9", "\u{1}").into_bytes();
        let typed: Vec<u8> = typed
            .into_iter()
            .map(|byte| if byte == 1 { 0xe9 } else { byte })
            .collect();
        let (encoded, typed) = (
            responses(&served, encoded.as_bytes()).await,
            responses(&served, &typed).await,
        );
        assert_eq!(typed[0].status, encoded[0].status, "{uri}");
    }
    served.handle.stop(false).await;
}

/// The header field of a body of two bytes.
const TWO_BYTES: &str = "Content-Length: 2";

/// Sends the head of a request without its body, and waits until `held` bodies are counted.
async fn send_head(
    app: &TestApp,
    served: &Served,
    token: &str,
    framing: &str,
    held: usize,
) -> TcpStream {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let request = format!(
        "POST /v1/users/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\n{framing}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let waiting = async {
        while app.api.resource_limits().bodies.count() != held {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, waiting).await.unwrap();
    stream
}

#[actix_web::test]
async fn above_the_body_limit_the_busiest_caller_loses_its_slowest_body() {
    for framing in [TWO_BYTES, "Transfer-Encoding: chunked"] {
        let app = TestApp::with_settings(|settings| settings.held_body_limit = 3);
        let ann = app.create_user("ann").await;
        let subject = UserId::parse(&ann).unwrap();
        app.fakes.tokens.admit_user(&ann, subject);
        let served = start(&app);
        let mut of_ann = send_head(&app, &served, &ann, TWO_BYTES, 1).await;
        let mut first = send_head(&app, &served, SERVICE, framing, 2).await;
        let mut second = send_head(&app, &served, SERVICE, TWO_BYTES, 3).await;
        let mut third = send_head(&app, &served, SERVICE, TWO_BYTES, 3).await;
        let answered = tokio::time::timeout(TIMEOUT, first.peek(&mut [0])).await;
        assert_eq!(answered.unwrap().unwrap(), 1);
        for stream in [&mut of_ann, &mut second, &mut third] {
            stream.write_all(b"{}").await.unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.unwrap();
            assert_eq!(&status, b"HTTP/1.1 422");
        }
        // Its connection is closed, although the server could distinguish the rest of the body from the next request.
        let mut received = Vec::new();
        let ended = first.read_to_end(&mut received);
        tokio::time::timeout(TIMEOUT / 2, ended)
            .await
            .unwrap()
            .unwrap();
        let ended = parse(&received);
        assert_eq!(ended.len(), 1);
        assert_eq!(
            (ended[0].status, ended[0].closing_problem()),
            (408, "request_timeout".to_owned())
        );
        assert_eq!(app.api.resource_limits().bodies.count(), 0);
        served.handle.stop(false).await;
    }
}

#[actix_web::test]
async fn a_small_body_in_the_first_packet_is_not_counted() {
    let app = TestApp::with_settings(|settings| settings.held_body_limit = 0);
    let served = start(&app);
    let request = |length: usize, body: &str| {
        format!(
            "POST /v1/users/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SERVICE}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    };
    let whole = responses(&served, request(10, r#"{"ids":[]}"#).as_bytes()).await;
    assert_eq!(whole[0].status, 200);
    // A body that arrives later, or a large one, exceeds the limit of zero.
    let large = [r#"{"ids":[]}"#, &" ".repeat(100_000)].concat();
    for request in [request(10, "{"), request(large.len(), &large)] {
        let refused = responses(&served, request.as_bytes()).await;
        assert_eq!(
            (refused[0].status, &refused[0].json()["code"]),
            (503, &json!("overloaded"))
        );
    }
    served.handle.stop(false).await;
}
