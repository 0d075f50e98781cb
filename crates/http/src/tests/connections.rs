//! Limits of connections: their number, which are closed at the limit, and the order of pipelined requests.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::TestApp;
use super::server::{OPTIONS, Served, TIMEOUT, get, parse, responses, start_on, start_with};
use crate::ServerOptions;

/// A client's end of a connection.
struct Client(TcpStream);

impl Client {
    async fn connect(served: &Served) -> Self {
        Self(TcpStream::connect(served.address).await.unwrap())
    }

    /// Connects and completes one request.
    async fn after_request(served: &Served) -> Self {
        let mut client = Self::connect(served).await;
        client.complete_request().await;
        client
    }

    async fn send(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Completes one request.
    async fn complete_request(&mut self) {
        self.send(&get("/health/live", "")).await;
        assert_eq!(self.status().await, 200);
    }

    /// Waits for one response, which arrives in one read, and returns its status.
    async fn status(&mut self) -> u16 {
        let mut received = [0; 4096];
        let read = timeout(TIMEOUT, self.0.read(&mut received)).await;
        let length = read.unwrap().unwrap();
        parse(&received[..length])[0].status
    }

    /// Waits until the service closes the connection.
    async fn closed(mut self) {
        let mut rest = Vec::new();
        let _ = timeout(TIMEOUT, self.0.read_to_end(&mut rest))
            .await
            .expect("the service closes the connection");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

/// Returns the head of a write with a body of two bytes that is still missing.
fn write_without_body(fields: &str) -> String {
    let fields = format!("Content-Type: application/json\r\nContent-Length: 2\r\n{fields}");
    get("/v1/users", &fields).replacen("GET", "POST", 1)
}

fn limited(max_connections: usize) -> ServerOptions {
    ServerOptions {
        max_connections,
        ..OPTIONS
    }
}

#[actix_web::test]
async fn at_the_limit_the_longest_idle_connection_is_closed() {
    let app = TestApp::new();
    let served = start_with(&app, limited(4));
    let mut working = Client::connect(&served).await;
    working.send(&write_without_body("")).await;
    let mut first = Client::after_request(&served).await;
    let second = Client::after_request(&served).await;
    let third = Client::after_request(&served).await;
    first.complete_request().await;
    // Now `second` has been idle the longest.
    let fourth = Client::after_request(&served).await;
    second.closed().await;
    let mut fifth = Client::after_request(&served).await;
    third.closed().await;
    working.send("{}").await;
    assert_eq!(working.status().await, 422);
    first.complete_request().await;
    fifth.complete_request().await;
    drop(fourth);
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn at_the_limit_the_connection_with_the_slowest_client_is_closed() {
    let app = TestApp::new();
    let served = start_with(&app, limited(2));
    let part = "GET /health/live HTTP/1.1\r\n";
    let malformed = "GET /health/live HTTP/1.1\r\nContent-Length: x\r\n";
    let mut silent = Vec::new();
    for part in [malformed, part] {
        let mut client = Client::connect(&served).await;
        client
            .send(&[&get("/health/live", ""), part].concat())
            .await;
        assert_eq!(client.status().await, 200);
        silent.push(client);
    }
    let other = Client::after_request(&served).await;
    silent.remove(0).closed().await;
    silent[0].send("Host: x\r\n\r\n").await;
    assert_eq!(silent[0].status().await, 200);
    drop(other);
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn at_the_limit_a_client_that_does_not_read_is_closed() {
    let app = TestApp::new();
    // With small socket buffers on both sides, most of the response stays in the memory of the server.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(16 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap().into_std().unwrap();
    let served = start_on(listener, &app, limited(2));
    let mut unread = Vec::new();
    for _ in 0..2 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut client = Client(socket.connect(served.address).await.unwrap());
        client.send(&get("/docs/swagger-ui-bundle.js", "")).await;
        client.0.shutdown().await.unwrap();
        let started = timeout(TIMEOUT, client.0.peek(&mut [0])).await;
        assert_eq!(started.unwrap().unwrap(), 1);
        unread.push(client);
    }
    let other = Client::after_request(&served).await;
    let mut received = Vec::new();
    let mut first = unread.remove(0);
    let read = timeout(TIMEOUT, first.0.read_to_end(&mut received)).await;
    assert!(read.unwrap().is_err(), "the whole response was sent");
    drop((unread, other));
    served.handle.stop(false).await;
}

/// If the end of the client's sending side is not noticed, its request keeps its place for 25 s.
#[actix_web::test]
async fn a_client_that_went_away_frees_its_place_among_waiting_requests() {
    let app = TestApp::new();
    let served = start_with(&app, OPTIONS);
    let places = app.api.resource_limits().event_waits.clone();
    let all = places.available_permits();
    let free = async |count| {
        let freed = async {
            while places.available_permits() != count {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(TIMEOUT, freed).await.expect("the number of places");
    };
    let mut client = Client::connect(&served).await;
    client.send(&get("/v1/events?wait=25", "")).await;
    free(all - 1).await;
    client.0.shutdown().await.unwrap();
    client.closed().await;
    free(all).await;
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn empty_lines_do_not_keep_a_connection_alive() {
    let app = TestApp::new();
    let options = ServerOptions {
        keep_alive: OPTIONS.header_timeout,
        ..OPTIONS
    };
    let served = start_with(&app, options);
    let mut client = Client::after_request(&served).await;
    client.send("\r\n").await;
    client.closed().await;
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_response_before_the_body_closes_the_connection() {
    let app = TestApp::new();
    let options = ServerOptions {
        keep_alive: OPTIONS.header_timeout,
        ..OPTIONS
    };
    let served = start_with(&app, options);
    let mut client = Client::connect(&served).await;
    client
        .send("POST /v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    assert_eq!(client.status().await, 401);
    client.closed().await;
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_connection_is_refused_while_all_others_are_busy() {
    let app = TestApp::new();
    let served = start_with(&app, limited(2));
    let mut working = Vec::new();
    for _ in 0..2 {
        let mut client = Client::after_request(&served).await;
        let fields = "Expect: 100-continue\r\n";
        client.send(&write_without_body(fields)).await;
        let mut received = [0; 25];
        client.0.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"HTTP/1.1 100 Continue\r\n\r\n");
        working.push(client);
    }
    Client::connect(&served).await.closed().await;
    for client in &mut working {
        client.send("{}").await;
        assert_eq!(client.status().await, 422);
    }
    Client::after_request(&served).await;
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn above_half_of_the_limit_idle_connections_close_sooner() {
    let app = TestApp::new();
    let served = start_with(&app, limited(4));
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Client::after_request(&served).await);
    }
    // The keep-alive of these tests would not close it in time.
    let first = clients.remove(0);
    timeout(TIMEOUT / 2, first.closed()).await.unwrap();
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn connections_per_address_are_limited() {
    let app = TestApp::new();
    let options = ServerOptions {
        workers: 2,
        max_connections_per_address: Some(2),
        ..OPTIONS
    };
    let served = start_with(&app, options);
    let mut clients = vec![
        Client::after_request(&served).await,
        Client::after_request(&served).await,
    ];
    for _ in 0..3 {
        Client::connect(&served).await.closed().await;
    }
    for client in &mut clients {
        client.complete_request().await;
    }
    clients
        .remove(0)
        .send(&get("/health/live", "Connection: close\r\n"))
        .await;
    let taken = async {
        loop {
            let mut client = Client::connect(&served).await;
            let request = get("/health/live", "");
            let _ = client.0.write_all(request.as_bytes()).await;
            let mut received = [0; 4096];
            if client
                .0
                .read(&mut received)
                .await
                .is_ok_and(|length| length > 0)
            {
                return;
            }
        }
    };
    timeout(TIMEOUT, taken).await.unwrap();
    served.handle.stop(false).await;
}

/// actix-http reuses the head of a response, including its HTTP version.
#[actix_web::test]
async fn an_http_1_0_request_closes_only_its_own_connection() {
    let app = TestApp::new();
    let served = start_with(&app, OPTIONS);
    let mut kept = Client::after_request(&served).await;
    for _ in 0..3 {
        let mut last = Client::connect(&served).await;
        last.send("GET /health/live HTTP/1.0\r\n\r\n").await;
        let mut response = String::new();
        let read = timeout(TIMEOUT, last.0.read_to_string(&mut response)).await;
        read.unwrap().unwrap();
        assert!(response.starts_with("HTTP/1.0 200"), "{response}");
        for _ in 0..3 {
            kept.complete_request().await;
        }
    }
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn requests_after_connection_close_are_not_answered() {
    let app = TestApp::new();
    let served = start_with(&app, OPTIONS);
    let path = format!("/v1/users/{}", app.create_user("alice").await);
    let post = format!("{}{{}}", write_without_body("Connection: close\r\n"));
    for last in [
        get("/health/live", "Connection: close\r\n"),
        get(&path, "Connection: a, Close\r\n"),
        get("/docs/swagger-ui-bundle.js", "Connection: close\r\n"),
        post,
    ] {
        let more = [get("/health/live", ""), get(&path, "")]
            .concat()
            .repeat(50);
        let sent = [get(&path, ""), last.clone(), more].concat();
        let responses = responses(&served, sent.as_bytes()).await;
        assert_eq!(responses.len(), 2, "{last}");
    }
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn pipelined_requests_are_answered_in_order() {
    let app = TestApp::new();
    let served = start_with(&app, OPTIONS);
    let path = format!("/v1/users/{}", app.create_user("alice").await);
    let chunked = get(
        "/v1/users",
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
    )
    .replacen("GET", "POST", 1);
    let round = [
        get("/health/live", ""),
        format!("{}{{}}", write_without_body("")),
        format!("{chunked}1\r\n{{\r\n1;a=b\r\n}}\r\n0\r\nTrailer: a\r\n\r\n"),
        get("/docs/swagger-ui-bundle.js", ""),
        get("/v1/users/nobody", ""),
        get(&path, ""),
    ]
    .concat();
    let sent = [round.repeat(4), get(&path, "Connection: close\r\n")].concat();
    let responses = responses(&served, sent.as_bytes()).await;
    let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    assert_eq!(statuses[..24], [200, 422, 422, 200, 404, 200].repeat(4));
    assert_eq!(statuses[24..], [200]);
    assert_eq!(responses[24].json()["username"], "alice");
    served.handle.stop(false).await;
}
