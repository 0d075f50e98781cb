//! Clients that send requests and do not read the responses: memory is bounded and other clients are served.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use user_tests::{API_TOKEN, ServiceProcess};

/// The memory limit of a deployed pod.
const MEMORY_KIB: u64 = 512 * 1024;

/// The maximum number of connections of the service, or of open files of this process.
fn max_clients() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = files.unwrap().split_whitespace().next().unwrap();
    soft.parse()
        .map_or(10_000, |files: usize| files.saturating_sub(500).min(10_000))
}

/// The behaviour of clients after they have sent their requests. None of them reads.
#[derive(Clone, Copy, PartialEq)]
enum AfterSending {
    /// They keep the connection open for sending.
    Wait,
    /// They close their sending side.
    EndSending,
}

/// Connects with a small buffer, sends as much as the service accepts, and reads nothing.
async fn send_without_reading(
    service: &ServiceProcess,
    requests: &[u8],
    after_sending: AfterSending,
) -> Option<TcpStream> {
    let address = service.url("").replace("http://", "").parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let connect = async {
        let mut stream = socket.connect(address).await.ok()?;
        // The service applies backpressure, so not everything may be sent.
        let sent = stream.write_all(requests);
        let _ = tokio::time::timeout(Duration::from_millis(100), sent).await;
        if after_sending == AfterSending::EndSending {
            let _ = stream.shutdown().await;
        }
        Some(stream)
    };
    tokio::time::timeout(Duration::from_secs(20), connect)
        .await
        .ok()?
}

/// Opens this many connections that send requests and read nothing, while another client is served. Returns the
/// statuses of the other client, and the connections.
async fn open_idle_clients(
    service: &ServiceProcess,
    clients: usize,
    requests: &[u8],
    after_sending: AfterSending,
    served: &str,
) -> (Vec<u16>, Vec<TcpStream>) {
    let mut streams = Vec::new();
    let mut statuses = Vec::new();
    for opened in (0..clients).step_by(250) {
        let count = 250.min(clients - opened);
        let asking =
            join_all((0..count).map(|_| send_without_reading(service, requests, after_sending)));
        let (taken, status) = tokio::join!(asking, status_of(service, served));
        streams.extend(taken.into_iter().flatten());
        statuses.push(status);
    }
    (statuses, streams)
}

/// The status of a request on a new, normal connection.
async fn status_of(service: &ServiceProcess, path: &str) -> u16 {
    let client = user_tests::http_client();
    let request = client
        .get(service.url(path))
        .header("X-API-Token", API_TOKEN)
        .timeout(Duration::from_secs(20));
    request.send().await.unwrap().status().as_u16()
}

async fn create_user(service: &ServiceProcess, body: &Value) -> String {
    let client = user_tests::http_client();
    let request = client
        .post(service.url("/v1/users"))
        .header("X-API-Token", API_TOKEN)
        .json(body);
    let user: Value = request.send().await.unwrap().json().await.unwrap();
    user["id"].as_str().unwrap().to_owned()
}

/// Starts a service with one small user. Returns the path of the user, too.
async fn serve(folder: &std::path::Path) -> (ServiceProcess, String) {
    let settings = [("LOG_LEVEL", "warn")];
    let service = ServiceProcess::serve(folder, "sqlite:///users.db", &settings).await;
    let id = create_user(
        &service,
        &json!({"username": "steady", "email": "steady@example.org"}),
    )
    .await;
    (service, format!("/v1/users/{id}"))
}

/// Asserts that the other client was always served and that peak memory stayed below a limit.
fn assert_service_unaffected(service: &ServiceProcess, statuses: &[u16], memory_kib: u64) {
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let peak = service.peak_memory_kib();
    assert!(peak < memory_kib, "{peak} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_clients_not_reading_a_file_stay_within_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (service, path) = serve(folder.path()).await;
    let requests = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2);
    let (statuses, streams) = open_idle_clients(
        &service,
        max_clients(),
        &requests,
        AfterSending::Wait,
        &path,
    )
    .await;
    assert_service_unaffected(&service, &statuses, MEMORY_KIB);
    drop(streams);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_closed_clients_not_reading_a_file_stay_within_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (service, path) = serve(folder.path()).await;
    let request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n";
    let clients = max_clients();
    let (statuses, streams) =
        open_idle_clients(&service, clients, request, AfterSending::EndSending, &path).await;
    assert_service_unaffected(&service, &statuses, MEMORY_KIB);
    drop(streams);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelining_clients_that_read_nothing_are_throttled() {
    let folder = tempfile::tempdir().unwrap();
    let (service, path) = serve(folder.path()).await;
    let requests =
        b"HEAD /docs HTTP/1.1\r\nHost: x\r\n\r\nGET /docs HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000);
    let clients = max_clients().min(1000);
    let (statuses, streams) =
        open_idle_clients(&service, clients, &requests, AfterSending::Wait, &path).await;
    assert_service_unaffected(&service, &statuses, MEMORY_KIB / 2);
    drop(streams);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_not_reading_batches_leave_memory_for_others() {
    let folder = tempfile::tempdir().unwrap();
    let (service, path) = serve(folder.path()).await;
    let large = json!({
        "username": "large", "email": "large@example.org",
        "metadata": {"public": {"filler": "x".repeat(16_000)}, "private": {"filler": "x".repeat(16_000)}},
    });
    let id = create_user(&service, &large).await;
    let body = json!({"ids": vec![id; 500]}).to_string();
    let request = format!(
        "POST /v1/users/batch HTTP/1.1\r\nHost: x\r\nX-API-Token: {API_TOKEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (statuses, streams) =
        open_idle_clients(&service, 500, request.as_bytes(), AfterSending::Wait, &path).await;
    assert_service_unaffected(&service, &statuses, MEMORY_KIB);
    drop(streams);
    // The memory is free again: the same batch is answered completely.
    let answered = async {
        loop {
            let mut stream = TcpStream::connect(service.url("").replace("http://", ""))
                .await
                .unwrap();
            let last = request.replacen("Host: x", "Host: x\r\nConnection: close", 1);
            stream.write_all(last.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer).await;
            if read.is_ok() && answer.starts_with(b"HTTP/1.1 200") {
                return answer.len();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let length = tokio::time::timeout(Duration::from_secs(30), answered)
        .await
        .unwrap();
    assert!(length > 500 * 32_000, "{length}");
}

/// The log lines of a request.
fn lines_of(service: &ServiceProcess, id: &str) -> Vec<Value> {
    let mut lines = service.lines();
    lines.retain(|line| line["request_id"] == id);
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_logged_once_even_if_malformed_or_failed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("LOG_LEVEL", "info")];
    // No server listens on this port.
    let uri = format!(
        "postgresql://user@127.0.0.1:{}/nothing",
        user_tests::free_port()
    );
    let service = ServiceProcess::start(folder.path(), &uri, &settings);
    let address = service.url("").replace("http://", "");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(&address).await.is_err() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{}",
            service.written()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for request in [
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "nonsense\r\n\r\n".to_owned(),
        format!(
            "GET /v1/users/count HTTP/1.1\r\nHost: x\r\nX-Request-Id: unserved\r\nX-API-Token: {API_TOKEN}\r\n\
             Connection: close\r\n\r\n"
        ),
        // The last request. Its log line follows all others.
        "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: last\r\nConnection: close\r\n\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{request}");
    }
    while lines_of(&service, "last").is_empty() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{}",
            service.written()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let unserved = lines_of(&service, "unserved");
    assert_eq!(unserved.len(), 1, "{unserved:?}");
    assert_eq!(unserved[0]["level"], "WARN");
    assert_eq!(unserved[0]["status"], 503);
    assert_eq!(unserved[0]["code"], "unavailable");
    assert!(unserved[0]["cause"].is_string(), "{unserved:?}");
    let refused: Vec<_> = service
        .lines()
        .into_iter()
        .filter(|line| {
            line["route"] == "unmatched" || line["target"].as_str().unwrap().starts_with("actix")
        })
        .collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    for line in &refused {
        assert_eq!(
            (&line["level"], &line["status"]),
            (&json!("INFO"), &json!(400))
        );
    }
}
